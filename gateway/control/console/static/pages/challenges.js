// Who is held to challenges, by which rule, and how a person ends that.
import "../parts/steer_style.js";
import { AccountLink, Loaded, Page, Section, Select, Tag, html, useLoad, useState } from "../parts/ui.js";
import { get } from "../parts/api.js";
import { LiftDialog, STEPS, stepWords } from "../parts/challenge_lift.js";
import { Button } from "../parts/ui.js";
import { Table } from "../parts/table.js";
import { ago, number } from "../parts/format.js";
import { setQuery } from "../parts/router.js";
import { may } from "../parts/session.js";

const EVERY = 10;
const MOST = 1000;
const TONES = { slow: "info", work: "info", captcha: "warn", verify: "bad", review: "bad" };

/** RFC 3339 -> Unix time; null where there is none. */
export const unix = (text) => (text ? Date.parse(text) / 1000 : null);

export default function ChallengesPage({ query }) {
  const step = STEPS.some((one) => one.value === query.step) ? query.step : "slow";
  const found = useLoad((signal) => get("/challenges", { step, limit: MOST }, { signal }), [step], { every: EVERY });
  const [lifting, setLifting] = useState(null);
  const pick = html`<label class="row">From step <${Select} value=${step} options=${STEPS} onChange=${(one) => setQuery({ step: one })} /></label>`;
  return html`<${Page} title="Challenges" lead="Who has to prove something before the next answer, and why.">
    <${Section} title="Held now" actions=${pick} note="The highest step first. A step comes down by itself as suspicion fades; a person may bring it down at once.">
      <${Loaded} of=${found}>${(data) => html`<div class="as-cards"><${Table} caption="Who is held to challenges" hideCaption rows=${data.challenges} rowKey=${(row) => `${row.account} ${row.rule}`}
          filename="challenges" columns=${columns(may("act") ? setLifting : null)}
          empty=${step === "slow" ? "Nobody is held. Everybody who asks is answered without a challenge." : `Nobody stands on the step ${step} or above.`} /></div>
        ${data.there > data.challenges.length ? html`<p class="soft">${number(data.there)} are held; these are the first ${number(data.challenges.length)}.</p>` : null}`}<//><//>
    <${Section} title="What the steps mean"><dl class="facts">${STEPS.map((one) => html`<dt key=${one.value}>${one.label}</dt><dd>${stepWords(one.value)}</dd>`)}</dl><//>
    ${lifting ? html`<${LiftDialog} row=${lifting} onDone=${found.reload} onClose=${() => setLifting(null)} />` : null}<//>`;
}

/** An account, or an address that stands for whoever comes from there. */
export const Subject = ({ id }) => (id.includes("=") ? html`<span title="An address: nobody was known.">${id}</span>` : html`<${AccountLink} id=${id} />`);

export const columns = (lift) => [
  { key: "account", title: "Who", render: (row) => html`<${Subject} id=${row.account} />` },
  { key: "step", title: "Step", sort: (row) => STEPS.findIndex((one) => one.value === row.step), filter: (row) => row.step, value: (row) => row.step, render: (row) => html`<${Tag} tone=${TONES[row.step] ?? ""} title=${stepWords(row.step)}>${row.step}<//>` },
  { key: "rule", title: "Rule", render: (row) => html`<code>${row.rule}</code>${row.in_force ? null : html` <${Tag}>no longer in force<//>`}` },
  { key: "suspicion", title: "Suspicion", align: "right", filter: false },
  { key: "since", title: "Since", sort: (row) => unix(row.since), filter: false, render: (row) => html`<span title=${row.since}>${ago(unix(row.since))}</span>` },
  { key: "open", title: "Asked", sort: (row) => row.open.length, filter: (row) => row.open.map((one) => one.from).join(" "), value: (row) => row.open.length, render: (row) => (row.open.length
    ? `${number(row.open.length)} open${row.open[0].wrong ? `, ${number(row.open[0].wrong)} wrong` : ""}` : html`<span class="soft">nothing open</span>`) },
  { key: "passed", title: "Passed", sort: (row) => unix(row.passed), filter: false, render: (row) => (row.passed ? ago(unix(row.passed)) : html`<span class="soft">not yet</span>`) },
  ...(lift ? [{ key: "lift", title: "Actions", sort: false, filter: false, value: () => "", render: (row) => html`<${Button} class="small" aria-label=${`Lift ${row.rule} from ${row.account}`} onClick=${() => lift(row)}>Lift<//>` }] : []),
];
