// Why a cluster is held for one: evidence by family against its caps, what it is known by, when, which models, from where.
import { Empty, Section, html, useMemo } from "./ui.js";
import { FAMILIES, odds, share } from "./case_words.js";
import { number, percent } from "./format.js";
import { TimePlot } from "./plot.js";
import { Table } from "./table.js";

export function CaseEvidence({ one }) {
  return html`<${Section} title="Evidence" note=${`${number(one.score)} nats in all: ${odds(one.score)}. Of clusters of honest accounts ${share(one.false_alarm)} scored as much when this was calibrated.`}>
    <div class="families">${one.families.map((family) => html`<${Family} key=${family.family} of=${family} />`)}</div>
    ${one.evidence.length ? html`<h3 class="after">In words</h3><ul class="in-words">${one.evidence.map((line) => html`<li key=${line}>${line}</li>`)}</ul>` : null}<//>`;
}

/** A bar of nats against what the family may say at the most. */
export function Family({ of: { family, nats, cap } }) {
  const size = cap > 0 ? Math.min(1, Math.abs(nats) / cap) : 0;
  return html`<div class=${`family ${family}`}><span>${FAMILIES[family] ?? family}</span><span class="nats">${number(nats)} of ${nats < 0 ? "−" : ""}${number(cap)} nats</span>
    <div class="family-track" role="meter" aria-label=${family} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.round(size * 100)} aria-valuetext=${`${number(nats)} of at most ${number(cap)} nats`}><div class="family-fill" style=${{ width: `${size * 100}%` }}></div></div></div>`;
}

export function CaseMarks({ one }) {
  return html`<${Section} title="What it is known by" note="Templates as a few hashes of their sketch, links as keyed hashes. What anybody wrote is nowhere.">
    <${Table} caption="Marks, the strongest first" hideCaption rows=${one.marks} filter=${one.marks.length > 8} filename=${`case-${one.id}-marks`} empty="It is known by nothing that could be named." columns=${MARKS} /><//>`;
}

const MARKS = [
  { key: "words", title: "Mark", render: (row) => html`<span class="reason">${row.words}</span> <code class="small">${row.id}</code>` },
  { key: "family", title: "Family" },
  { key: "accounts", title: "Accounts", align: "right", render: (row) => number(row.accounts) },
  { key: "nats", title: "Nats", align: "right", render: (row) => number(row.nats) },
  { key: "sample", title: "Of its sketch", sort: false, filter: false, value: (row) => row.sample.join(" "), render: (row) => (row.sample.length ? html`<span class="sample">${row.sample.map((hash) => html`<code key=${hash}>${hash}</code>`)}</span>` : html`<span class="soft">–</span>`) },
];

export function CaseTimeline({ one }) {
  const times = useMemo(() => one.timeline.map((hour) => hour.at), [one.timeline]);
  const exchanges = useMemo(() => [{ label: "Exchanges an hour", values: one.timeline.map((hour) => hour.exchanges), fill: true }], [one.timeline]);
  const active = useMemo(() => [{ label: "Accounts at work", values: one.timeline.map((hour) => hour.accounts), tone: "c2" }], [one.timeline]);
  return html`<${Section} title="When" note="By the hour; at most the last fourteen days.">${times.length
    ? html`<div class="grid"><${TimePlot} title="Exchanges an hour" height=${150} times=${times} series=${exchanges} /><${TimePlot} title="Accounts at work in an hour" height=${150} times=${times} series=${active} /></div>`
    : html`<${Empty}>No hour is known.<//>`}<//>`;
}

export function CaseShares({ one }) {
  return html`<div class="grid"><${Shares} title="Models" rows=${one.models} id=${one.id} /><${Shares} title="Countries" rows=${one.countries} id=${one.id} /></div>`;
}

function Shares({ title, rows, id }) {
  const all = rows.reduce((sum, row) => sum + row.exchanges, 0);
  const columns = [
    { key: "name", title, render: (row) => row.name || html`<span class="soft">unknown</span>` },
    { key: "exchanges", title: "Exchanges", align: "right", render: (row) => number(row.exchanges) },
    { key: "share", title: "Share", align: "right", sort: (row) => row.exchanges, value: (row) => row.exchanges / all, render: (row) => percent(row.exchanges / all) },
  ];
  return html`<${Section} title=${title}><${Table} caption=${title} hideCaption rows=${rows} rowKey="name" filter=${false} filename=${`case-${id}-${title.toLowerCase()}`} empty="Not known." columns=${columns} /><//>`;
}
