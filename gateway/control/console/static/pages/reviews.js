// What waits for people to decide, and letters of providers that nobody could work off.
import "../parts/steer_style.js";
import { AccountLink, Button, Loaded, Page, Section, Tag, html, useLoad, useState } from "../parts/ui.js";
import { get, send } from "../parts/api.js";
import { ReviewDialog } from "../parts/review_dialog.js";
import { Table } from "../parts/table.js";
import { ago, number, time } from "../parts/format.js";
import { setQuery } from "../parts/router.js";
import { toast } from "../parts/dialog.js";

const EVERY = 10;
const QUEUES = [{ value: "pending", label: "Waiting" }, { value: "decided", label: "Decided" }];
const LETTERS = [{ value: "dead", label: "Failed" }, { value: "waiting", label: "Waiting" }, { value: "done", label: "Done" }, { value: "all", label: "All" }];
const TONES = { open: "info", seconded: "warn", approved: "ok", declined: "bad", dead: "bad", waiting: "warn", done: "ok" };
const WORDS = { open: "waits", seconded: "waits for a second person", approved: "approved", declined: "declined" };

export default function Reviews({ query }) {
  const queue = query.state ?? "pending";
  const letters = query.letters ?? "dead";
  const cases = useLoad((signal) => get("/reviews", { state: queue }, { signal }), [queue], { every: EVERY });
  const inbox = useLoad((signal) => get("/inbox", { state: letters }, { signal }), [letters], { every: EVERY });
  const open = (number) => setQuery({ case: number });
  return html`<${Page} title="Reviews" lead="Verifications and appeals that people decide. What leads to the top of the ladder needs two of them.">
    <${Section} title="Cases" actions=${html`<${Segments} label="Which cases" options=${QUEUES} value=${queue} onChange=${(state) => setQuery({ state, case: "" })} />`}
      note=${cases.data ? counted(cases.data.counts) : ""}>
      <${Loaded} of=${cases}>${(data) => html`<div class="as-cards"><${Table} caption=${queue === "pending" ? "Cases that wait, the oldest first" : "Cases that were decided, the newest first"} hideCaption
        rows=${data.reviews} rowKey="number" filename=${`reviews-${queue}`} columns=${columns(open)} onRow=${(row) => open(row.number)}
        empty=${queue === "pending" ? "Nothing waits for anybody. Good." : "Nothing was decided yet."} /></div>
        ${data.next ? html`<p class="soft">There are more: these are the first ${number(data.reviews.length)}.</p>` : null}`}<//><//>
    <${Section} title="Letters of providers" note="What webhooks brought. Of their content only what was read of it is kept."
      actions=${html`<${Segments} label="Which letters" options=${LETTERS} value=${letters} onChange=${(state) => setQuery({ letters: state })} />`}>
      <${Loaded} of=${inbox}>${(data) => html`<${Letters} data=${data} which=${letters} reload=${inbox.reload} />`}<//><//>
    ${query.case ? html`<${ReviewDialog} number=${query.case} onDone=${cases.reload} onClose=${() => setQuery({ case: "" })} />` : null}<//>`;
}

const counted = (counts) => `${number(counts.open)} wait, ${number(counts.seconded)} for a second person; ${number(counts.approved)} were approved and ${number(counts.declined)} declined.`;

export function Segments({ label, options, value, onChange }) {
  return html`<div class="segments" role="group" aria-label=${label}>${options.map((one) => html`<button key=${one.value} type="button"
    aria-pressed=${one.value === value ? "true" : "false"} onClick=${() => onChange(one.value)}>${one.label}</button>`)}</div>`;
}

const columns = (open) => [
  { key: "number", title: "Case", render: (row) => html`<${Button} class="small" aria-label=${`Open case ${row.number}`} onClick=${() => open(row.number)}>${row.number}<//>` },
  { key: "opened", title: "Since", filter: false, render: (row) => html`<span title=${time(row.opened, { whole: true })}>${ago(row.opened)}</span>` },
  { key: "account", title: "Account", render: (row) => html`<${AccountLink} id=${row.account} />` },
  { key: "subject", title: "About", render: (row) => (row.subject === "appeal" ? "an appeal" : `a verification${row.kinds.length ? ` of ${row.kinds.join(", ")}` : ""}`) },
  { key: "provider", title: "Provider", render: (row) => row.provider || "–" },
  { key: "state", title: "State", filter: (row) => WORDS[row.state], render: (row) => html`<${Tag} tone=${TONES[row.state]}>${WORDS[row.state]}<//>` },
  { key: "first", title: "Looked at by", filter: (row) => `${row.first} ${row.second}`, render: (row) => [row.first, row.second].filter(Boolean).join(", ") || html`<span class="soft">nobody yet</span>` },
  { key: "reason", title: "Why", render: (row) => html`<span class="reason">${row.reason}</span>` },
];

function Letters({ data, which, reload }) {
  const [busy, setBusy] = useState(0);
  const again = async (letter) => {
    setBusy(letter.number);
    try {
      await send("POST", `/inbox/${letter.number}/retry`);
      toast(`Letter ${letter.number} is worked off again: the provider is asked once more.`);
      reload();
    } catch (error) {
      toast(error.message, "bad");
    }
    setBusy(0);
  };
  const shown = [
    { key: "number", title: "Letter", align: "right" },
    { key: "received", title: "Came", filter: false, render: (row) => html`<span title=${time(row.received, { whole: true })}>${ago(row.received)}</span>` },
    { key: "provider", title: "Provider" },
    { key: "kind", title: "Kind", render: (row) => html`<span class="reason">${row.kind || "–"}</span>` },
    { key: "says", title: "Says", render: (row) => row.says || html`<span class="soft">not understood</span>` },
    { key: "reference", title: "Session", render: (row) => html`<code class="reason">${row.reference}</code>` },
    { key: "state", title: "Is", render: (row) => html`<${Tag} tone=${TONES[row.state]}>${row.state === "dead" ? "failed" : row.state}<//>` },
    { key: "attempts", title: "Tries", align: "right" },
    { key: "outcome", title: "Outcome", render: (row) => html`<span class="reason">${row.outcome || (row.due ? `again ${ago(row.due)}` : "")}</span>` },
    { key: "retry", title: "Actions", sort: false, filter: false, value: () => "", render: (row) => (row.says
      ? html`<${Button} class="small" busy=${busy === row.number} aria-label=${`Try letter ${row.number} again`} onClick=${() => again(row)}>Try again<//>`
      : html`<span class="soft small">have the provider send it again</span>`) },
  ];
  return html`<p class="soft small">${number(data.counts.waiting)} wait, ${number(data.counts.dead)} failed.</p>
    <${Table} caption="Letters of providers, the newest first" hideCaption rows=${data.letters} rowKey="number" filename=${`inbox-${which}`} columns=${shown}
      empty=${which === "dead" ? "No letter has failed." : "There is none."} />`;
}
