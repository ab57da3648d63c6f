// What its owner has shown, what it fell for, and what is being looked at.
import { Empty, Link, Section, Tag, html } from "./ui.js";
import { ago } from "./format.js";
import { may } from "./session.js";
import { Table } from "./table.js";

const unix = (text) => (text ? Date.parse(text) / 1000 : null);
const TONES = { holds: "ok", ended: "", withdrawn: "warn", cleared: "", over: "" };

export function AccountEvidence({ one }) {
  const cases = [...one.reviews, ...one.verifications.map((row) => ({ ...row, subject: "verification" }))];
  return html`<${Section} title="Evidence">
    <${Table} caption="What its owner has shown" hideCaption rows=${one.evidence} rowKey=${(row) => `${row.kind} ${row.obtained}`} filter=${one.evidence.length > 8} filename=${`evidence-${one.id}`} columns=${EVIDENCE}
      empty="Its owner has shown nothing yet." />
    <h3 class="after">Falls</h3>
    ${one.falls.length ? html`<${Table} caption="What it fell for" hideCaption rows=${one.falls} rowKey=${(row) => `${row.reason} ${row.at}`} filter=${false} columns=${FALLS} />` : html`<${Empty}>It never fell.<//>`}
    ${cases.length ? html`<h3 class="after">Looked at now</h3><ul class="plain">${cases.map((row) => html`<li key=${row.id}>${row.subject === "appeal" ? "An appeal" : `A verification${row.kinds ? ` of ${row.kinds.join(", ")}` : ""}`}: ${row.state}
      ${typeof row.id === "number" && may("judge") ? html` <${Link} to="reviews" query=${{ case: row.id }}>Case ${row.id}<//>` : null}</li>`)}</ul>` : null}<//>`;
}

const state = (row) => html`<${Tag} tone=${TONES[row.state]}>${row.state}<//>`;

const EVIDENCE = [
  { key: "kind", title: "Kind" },
  { key: "state", title: "State", render: state },
  { key: "provider", title: "Shown to", render: (row) => row.provider || row.by || "–" },
  { key: "obtained", title: "When", filter: false, render: (row) => html`<span title=${row.obtained}>${ago(unix(row.obtained))}</span>` },
  { key: "expires", title: "Ends", filter: false, render: (row) => (row.expires ? html`<span title=${row.expires}>${ago(unix(row.expires))}</span>` : "–") },
  { key: "why", title: "Why not", render: (row) => html`<span class="reason">${row.why}</span>` },
];

const FALLS = [
  { key: "reason", title: "For" },
  { key: "state", title: "State", render: (row) => html`<${Tag} tone=${row.state === "holds" ? "bad" : ""}>${row.state}<//>` },
  { key: "at", title: "When", filter: false, render: (row) => html`<span title=${row.at}>${ago(unix(row.at))}</span>` },
  { key: "note", title: "Note", render: (row) => html`<span class="reason">${row.note}</span>` },
  { key: "by", title: "By" },
];
