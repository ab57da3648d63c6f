// That a change is in force, as a fact: which worker has it, and how fast.
import { Notice, html } from "./ui.js";
import { duration, number, time } from "./format.js";
import { brief, whom } from "./limit_words.js";

/** "In force on 4 of 4 workers within 34 ms." */
export function appliedWords(applied) {
  const held = applied.workers.length;
  const all = held + applied.missing.length;
  const fast = applied.within === null || applied.within === undefined ? "" : ` within ${duration(applied.within)}`;
  return `In force on ${number(held)} of ${number(all)} worker${all === 1 ? "" : "s"}${fast}.`;
}

export function Applied({ answer: { override, applied, warnings = [] } }) {
  const late = applied.missing.length > 0 || warnings.length > 0;
  return html`<${Notice} tone=${late ? "warn" : "ok"} title=${appliedWords(applied)}>
      <p>${override.limit === "*" ? "All limits" : override.limit}, ${whom(override.scope)}: ${brief(override.change)}${override.expires ? ` until ${time(override.expires)}` : ""}.</p>
      ${applied.missing.length ? html`<p>Not heard of yet: ${applied.missing.map(missing).join(", ")}. They ask by themselves twice a second; what is saved is not lost.</p>` : null}
      ${applied.note ? html`<p>${applied.note}</p>` : null}${warnings.map((words) => html`<p key=${words}>${words}</p>`)}<//>
    <div class="scroll" tabindex="0" role="region" aria-label="Workers"><table>
      <caption class="unseen">Which worker has revision ${applied.revision}</caption>
      <thead><tr><th scope="col">Gateway</th><th scope="col">Worker</th><th scope="col" class="n">Revision</th><th scope="col">At</th></tr></thead>
      <tbody>${applied.workers.map((one) => html`<tr key=${`${one.gateway}/${one.worker}`}><td>${one.gateway}</td><td>${one.worker}</td><td class="n">${one.revision}</td><td>${time(one.at)}</td></tr>`)}</tbody>
    </table></div>`;
}

const missing = (one) => `${one.gateway}/${one.worker}`;
