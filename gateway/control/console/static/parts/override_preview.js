// What the last day says of a change: who would be refused, or no longer.
import { AccountLink, Button, Empty, Notice, html, useEffect, useMemo, useRef } from "./ui.js";
import { number, percent } from "./format.js";
import { TimePlot } from "./plot.js";
import { Table } from "./table.js";

/** `of`: {running, progress, result, error}, as `useTrial` has it. */
export function OverridePreview({ of, onCancel }) {
  const box = useRef(null);
  useEffect(() => { box.current?.scrollIntoView({ block: "nearest" }); }, [of.running, Boolean(of.result)]);
  return html`<div ref=${box} class="preview-box"><${State} of=${of} onCancel=${onCancel} /></div>`;
}

function State({ of, onCancel }) {
  if (of.error) return html`<${Notice} tone="bad" title="The preview did not work"><p>${of.error.message}</p><//>`;
  if (of.running) return html`<div class="preview" role="status">
    <label class="row">Reading the last 24 hours <progress max="1" value=${of.progress}>${percent(of.progress)}</progress></label>
    <${Button} class="small" onClick=${onCancel}>Stop<//></div>`;
  return html`<section class="preview" aria-label="By the last 24 hours"><${Result} result=${of.result} /></section>`;
}

function Result({ result }) {
  const { hours, accounts, notes } = result;
  const plots = useMemo(() => [
    { label: "Refused more", values: hours.map((one) => one.more), tone: "bad" },
    { label: "Refused no longer", values: hours.map((one) => one.less), tone: "ok" },
  ], [result]);
  return html`<p class="lead">${summary(result)}</p>
    ${result.sampled ? html`<p class="soft small">There is so much that one account of ${number(result.factor)} was looked at: of all accounts it is about ${number(result.factor)} times as much.</p>` : null}
    ${notes.map((note) => html`<p key=${note} class="soft small">${note}</p>`)}
    ${hours.length > 1 && (result.more || result.less) ? html`<${TimePlot} title="By hour" height=${150} unit="requests" times=${hours.map((one) => one.at)} series=${plots} />` : null}
    ${accounts.length ? html`<${Table} caption="Accounts that would notice" hideCaption filename="preview" rowKey="account" rows=${accounts} filter=${accounts.length > 8} columns=${COLUMNS} />`
      : html`<${Empty}>Nobody would have noticed.<//>`}
    ${result.accounts_more + result.accounts_less > accounts.length ? html`<p class="soft small">Those that would notice most are shown.</p>` : null}`;
}

const COLUMNS = [
  { key: "account", title: "Account", render: (row) => html`<${AccountLink} id=${row.account} />` },
  { key: "tier", title: "Tier" },
  { key: "exchanges", title: "Requests", align: "right", render: (row) => number(row.exchanges) },
  { key: "refused_before", title: "Refused as it is", align: "right", render: (row) => number(row.refused_before) },
  { key: "refused_after", title: "Refused with it", align: "right", render: (row) => html`<b>${number(row.refused_after)}</b>` },
  { key: "more", title: "Difference", align: "right", sort: (row) => row.more - row.less, value: (row) => row.more - row.less, render: (row) => (row.more ? html`<span class="worse">+${number(row.more)}</span>` : html`<span class="better">−${number(row.less)}</span>`) },
];

/** One sentence, in numbers. */
export function summary(result) {
  if (!result.exchanges) return "Nobody whom it means asked for anything in the last 24 hours.";
  const parts = [];
  if (result.more) parts.push(`${number(result.more)} more would have been refused (${accounts(result.accounts_more)})`);
  if (result.less) parts.push(`${number(result.less)} would not have been refused (${accounts(result.accounts_less)})`);
  return `Of ${number(result.exchanges)} requests in the last 24 hours ${parts.join(", and ") || "none would have gone another way"}.`;
}

const accounts = (count) => `${number(count)} account${count === 1 ? "" : "s"}`;
