// What differs between two texts, by lines: as unified diffs, read by eye and by ear.
import { html } from "../vendor/ui.js";

const CELLS = 4_000_000;
const AROUND = 3;

/** Runs of lines of two lists: [{from, to, start, end}], `from..to` of the first became `start..end` of the second. */
export function hunks(one, other) {
  let low = 0;
  let [a, b] = [one.length, other.length];
  while (low < a && low < b && one[low] === other[low]) low += 1;
  while (a > low && b > low && one[a - 1] === other[b - 1]) { a -= 1; b -= 1; }
  if (low === a && low === b) return [];
  const [rows, columns] = [a - low, b - low];
  if (rows * columns > CELLS) return [{ from: low, to: a, start: low, end: b }];
  // Lengths of what is common behind each pair of lines.
  const width = columns + 1;
  const common = new Uint32Array((rows + 1) * width);
  for (let row = rows - 1; row >= 0; row -= 1) {
    for (let column = columns - 1; column >= 0; column -= 1) {
      const at = row * width + column;
      common[at] = one[low + row] === other[low + column] ? common[at + width + 1] + 1 : Math.max(common[at + width], common[at + 1]);
    }
  }
  const found = [];
  let [row, column] = [0, 0];
  while (row < rows || column < columns) {
    if (row < rows && column < columns && one[low + row] === other[low + column]) { row += 1; column += 1; continue; }
    const hunk = { from: low + row, start: low + column };
    while ((row < rows || column < columns) && !(row < rows && column < columns && one[low + row] === other[low + column])) {
      const at = row * width + column;
      if (column >= columns || (row < rows && common[at + width] >= common[at + 1])) row += 1;
      else column += 1;
    }
    found.push({ ...hunk, to: low + row, end: low + column });
  }
  return found;
}

/** Lines of a unified diff of two texts; none where they are the same. */
export function unified(before, after) {
  const [one, other] = [before.split("\n"), after.split("\n")];
  const all = hunks(one, other);
  const lines = [];
  let group = [];
  const flush = () => {
    if (!group.length) return;
    const from = Math.max(0, group[0].from - AROUND);
    const to = Math.min(one.length, group.at(-1).to + AROUND);
    const start = Math.max(0, group[0].start - AROUND);
    const end = Math.min(other.length, group.at(-1).end + AROUND);
    lines.push(`@@ -${from + 1},${to - from} +${start + 1},${end - start} @@`);
    let at = from;
    for (const hunk of group) {
      while (at < hunk.from) lines.push(` ${one[at++]}`);
      for (; at < hunk.to; at += 1) lines.push(`-${one[at]}`);
      for (let index = hunk.start; index < hunk.end; index += 1) lines.push(`+${other[index]}`);
    }
    while (at < to) lines.push(` ${one[at++]}`);
    group = [];
  };
  for (const hunk of all) {
    if (group.length && hunk.from - group.at(-1).to > 2 * AROUND) flush();
    group.push(hunk);
  }
  flush();
  return lines;
}

/** Both changes of one text, or null where they touch the same lines. */
export function merged(base, mine, theirs) {
  const [lines, ours, others] = [base, mine, theirs].map((text) => text.split("\n"));
  const tagged = (list, text) => hunks(lines, list).map((hunk) => ({ ...hunk, text: text.slice(hunk.start, hunk.end) }));
  const all = [...tagged(ours, ours), ...tagged(others, others)].sort((one, other) => one.from - other.from || one.to - other.to);
  const out = [];
  let at = 0;
  let before = null;
  for (const hunk of all) {
    const same = before && before.from === hunk.from && before.to === hunk.to && before.text.join("\n") === hunk.text.join("\n");
    if (same) continue;
    if (before && (hunk.from < before.to || hunk.from === before.from)) return null;
    out.push(...lines.slice(at, hunk.from), ...hunk.text);
    at = hunk.to;
    before = hunk;
  }
  return [...out, ...lines.slice(at)].join("\n");
}

const KINDS = { "+": "plus", "-": "minus", "@": "place" };
const SPOKEN = { "+": "added: ", "-": "removed: " };

/** Lines of a unified diff. `cut`: how many more there are. */
export function Diff({ lines, label, cut = 0 }) {
  const shown = lines.filter((line) => !line.startsWith("---") && !line.startsWith("+++"));
  return html`<div class="text-diff" role="region" aria-label=${label} tabindex="0"><div class="diff-lines">
    ${shown.map((line, index) => html`<div key=${index} class=${KINDS[line[0]] ?? ""}><span class="unseen">${SPOKEN[line[0]] ?? ""}</span><span aria-hidden="true" class="sign">${line[0] === "@" ? "" : line[0]}</span>${line[0] === "@" ? line : line.slice(1) || " "}</div>`)}
    ${cut > 0 ? html`<div class="place">and ${cut} more lines</div>` : null}</div></div>`;
}

/** What differs between two texts. */
export function TextDiff({ before, after, label }) {
  const lines = unified(before, after);
  return lines.length ? html`<${Diff} lines=${lines} label=${label} />` : html`<p class="soft">No difference.</p>`;
}
