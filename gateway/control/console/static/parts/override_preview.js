// What the last day says of a change: who would be refused, or no longer.
import { AccountLink, Button, Empty, Notice, html, useEffect, useRef } from "./ui.js";
import { number, percent } from "./format.js";
import { TimePlot } from "./plot.js";
import { Table } from "./table.js";

const MOST = 50;

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
  return html`<p class="lead">${summary(result)}</p>
    <${Notes} result=${result} />
    ${result.hours?.length ? html`<${TimePlot} height=${150} unit="requests" times=${result.hours.map((one) => one.at)}
      series=${[
        { label: "Refused more", values: result.hours.map((one) => one.more), tone: "bad" },
        { label: "Refused no longer", values: result.hours.map((one) => one.less), tone: "ok" },
      ]} />` : null}
    ${result.accounts.length ? html`<${Table} caption="Accounts that would notice" filename="preview" rowKey="account" rows=${result.accounts} filter=${result.accounts.length > 8}
      order=${{ key: "more", down: true }} columns=${COLUMNS} hideCaption />` : html`<${Empty}>Nobody would have noticed.<//>`}`;
}

const COLUMNS = [
  { key: "account", title: "Account", render: (row) => html`<${AccountLink} id=${row.account} />` },
  { key: "more", title: "Refused more", align: "right", render: (row) => number(row.more) },
  { key: "less", title: "No longer refused", align: "right", render: (row) => number(row.less) },
];

/** One sentence, in numbers. */
export function summary(result) {
  if (!result.exchanges) return "Nobody whom it means asked for anything in the last 24 hours.";
  const parts = [];
  const count = (name) => result.accounts.filter((one) => one[name]).length;
  if (result.more) parts.push(`${number(result.more)} more would have been refused (${accounts(count("more"))})`);
  if (result.less) parts.push(`${number(result.less)} would no longer have been (${accounts(count("less"))})`);
  return `Of ${number(result.exchanges)} requests in the last 24 hours ${parts.join(", and ") || "none would have gone another way"}.`;
}

const accounts = (count) => `${count >= MOST ? `${number(count)} or more` : number(count)} account${count === 1 ? "" : "s"}`;

function Notes({ result }) {
  return (result.notes ?? []).map((note, index) => html`<p key=${index} class="soft small">${note}</p>`);
}
