// How the detector is that finds cases: who tells, how far behind it is, what it holds.
import { get } from "./api.js";
import { LEVELS } from "./case_words.js";
import { ago, duration, number, time } from "./format.js";
import { Loaded, Notice, Section, Tag, html, useLoad } from "./ui.js";

const EVERY = 15;
const BEHIND = 60;
/** Seconds after which a snapshot is an old one: they are made every minute. */
const OLD = 300;

const Fact = ({ name, children }) => html`<div><dt>${name}</dt><dd>${children}</dd></div>`;

/** Clusters, the mildest level first. */
const byLevel = (levels) => Object.keys(LEVELS).filter((level) => levels[level]).map((level, index) => html`${index ? ", " : ""}<span key=${level} title=${LEVELS[level]}>${number(levels[level])} at ${level}</span>`);

function Kept({ at, now }) {
  if (!at) return html`<${Tag} tone="warn">never yet<//>`;
  return html`<span title=${time(at, { whole: true })}>${now - at > OLD ? html`<${Tag} tone="warn">${ago(at, now)}<//>` : ago(at, now)}</span>`;
}

function Leader({ one, now }) {
  return html`<dl>
    <${Fact} name="Behind">${one.lag > BEHIND ? html`<${Tag} tone="warn">${duration(one.lag)}<//>` : one.lag ? duration(one.lag) : "not at all"}<//>
    <${Fact} name="Exchanges a second">${number(Math.round(one.rate))}<//>
    <${Fact} name="Accounts it remembers">${number(one.accounts)}<//>
    <${Fact} name="Clusters">${one.clusters ? byLevel(one.levels) : "none"}<//>
    <${Fact} name="Kept on disk"><${Kept} at=${one.kept} now=${now} /><//>
    ${one.missed_seconds ? html`<${Fact} name="Never heard of"><${Tag} tone="warn">${duration(one.missed_seconds)} of exchanges<//><//>` : null}</dl>`;
}

function Said({ data }) {
  const leader = data.detectors.find((one) => one.leader);
  if (!data.observed) return html`<p class="soft">tidegate.yaml states no <code>detector</code>: nothing is observed here, and nothing new is found.</p>`;
  if (!leader) return html`<${Notice} tone="warn" title="No detector tells">Workers go by the last that they have heard, until it ends. One that starts takes some seconds.<//>`;
  return html`<${Leader} one=${leader} now=${data.time} />`;
}

/** Of the fleet, whichever gateway is asked. */
export function Detector() {
  const found = useLoad((signal) => get("/detectors", {}, { signal }), [], { every: EVERY });
  const leader = found.data?.detectors.find((one) => one.leader);
  const others = found.data ? found.data.detectors.length - (leader ? 1 : 0) : 0;
  const note = leader ? `${leader.name} tells${others ? `; ${number(others)} ${others === 1 ? "follows" : "follow"}, and would take over` : "; no other would take over"}` : "";
  return html`<${Section} class="detector" title="The detector" note=${note}><${Loaded} of=${found} lines=${1}>${(data) => html`<${Said} data=${data} />`}<//><//>`;
}
