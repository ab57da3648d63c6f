// Two people, one limit: what the other has set beside what you wanted. Nothing is overwritten unless you say so.
import { Button, html } from "./ui.js";
import { ago, time } from "./format.js";
import { ALL_LIMITS, after, brief, numbers, upper, whom } from "./limit_words.js";

/** `theirs` is the override as it is now; `mine` what was meant (`meant`). */
export function Conflict({ theirs, mine, limits, busy, onMine, onTheirs, onBack }) {
  const limit = limits.find((one) => one.name === theirs.limit);
  return html`<div role="alert"><p><b>${theirs.by}</b> set the same limit for the same ${theirs.created ? ago(theirs.created) : "moment"}: nothing of yours is saved yet.</p></div>
    <div class="scroll" tabindex="0" role="region" aria-label="Theirs and yours"><table class="beside">
      <caption class="unseen">What is in force, beside what you wanted</caption>
      <thead><tr><td></td><th scope="col">In force now, by ${theirs.by}</th><th scope="col">What you wanted</th></tr></thead>
      <tbody>${lines(theirs, mine, limit).map(([name, one, other]) => html`<tr key=${name} class=${one === other ? "" : "differs"}>
        <th scope="row">${name}</th><td>${one}</td><td>${other}</td></tr>`)}</tbody></table></div>
    <div class="row end">
      <${Button} onClick=${onTheirs}>Keep theirs<//>
      <${Button} onClick=${onBack}>Change mine<//>
      <${Button} tone="danger" busy=${busy} onClick=${onMine}>Put mine instead<//>
    </div>`;
}

function lines(theirs, mine, limit) {
  const rows = [
    ["Limit", theirs.limit === ALL_LIMITS ? "all limits" : theirs.limit, mine.limit === ALL_LIMITS ? "all limits" : mine.limit],
    ["For whom", upper(whom(theirs.scope)), upper(whom(mine.scope))],
    ["What", brief(theirs.change, limit?.measure), brief(mine.change, limit?.measure)],
  ];
  if (limit) rows.push(["Comes to", comesTo(limit, theirs.change), comesTo(limit, mine.change)]);
  return [...rows, ["Ends", ends(theirs.expires), ends(mine.expires)], ["Reason", theirs.reason, mine.reason]];
}

const comesTo = (limit, change) => {
  const left = after(limit, change);
  return left === null ? "no limit" : numbers(left);
};
const ends = (expires) => (expires ? time(expires) : "when somebody takes it back");
