// What the detector says of one account, and in which case that is judged: a line, where there is something to say.
import { Link, Notice, html, useLoad } from "./ui.js";
import { get } from "./api.js";
import { LEVELS } from "./case_words.js";
import { ago, number } from "./format.js";

export function AccountVerdict({ id }) {
  const found = useLoad((signal) => get(`/accounts/${encodeURIComponent(id)}/verdict`, {}, { signal }), [id], { every: 60 });
  const one = found.data;
  if (!one || (one.score === null && one.case === null)) return null;
  const where = one.case ? html`<${Link} to=${`cases/${one.case}`}>case ${one.case}<//>` : "no case yet";
  if (one.score === null) return html`<${Notice}>It is named in ${where}. No verdict on it is in force.<//>`;
  return html`<${Notice} tone="warn" title=${`It acts as one with ${number(Math.max(0, one.size - 1))} other account${one.size === 2 ? "" : "s"}`}>
    <p>${number(one.score)} nats, in force until ${ago(one.expires)}${one.level ? `: it comes to ${one.level} (${LEVELS[one.level]})` : ", and the rules in force say nothing of that"}. Judged in ${where}.</p>
    ${one.evidence.length ? html`<ul class="plain small">${one.evidence.map((line) => html`<li key=${line}>${line}</li>`)}</ul>` : null}<//>`;
}
