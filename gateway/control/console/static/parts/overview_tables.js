// The overview's tables: where requests come from beside the map, who is busy, which models are asked for.
import { get } from "./api.js";
import { compact, country, money, number, percent } from "./format.js";
import { WorldMap } from "./map.js";
import { navigate } from "./router.js";
import { may } from "./session.js";
import { Table } from "./table.js";
import { AccountLink, Link, Loaded, Section, html, useLoad, useMemo, useState } from "./ui.js";

const MEASURES = { requests: "Requests", refused: "Refusals", tokens: "Tokens" };
const TONES = { requests: "c1", refused: "c7", tokens: "c3" };

/** Buttons of which one holds. */
export const Segments = ({ label, options, value, onChange }) => html`<div class="segments" role="group" aria-label=${label}>
  ${Object.entries(options).map(([key, words]) => html`<button type="button" key=${key} aria-pressed=${key === value ? "true" : "false"} onClick=${() => onChange(key)}>${words}</button>`)}</div>`;

export function Where({ countries, words }) {
  const [measure, setMeasure] = useState("requests");
  const people = may("people");
  const rows = useMemo(() => Object.entries(countries ?? {}).map(([code, used]) => ({ code, ...used })), [countries]);
  const shaded = useMemo(() => Object.fromEntries(rows.filter((row) => /^[A-Z]{2}$/.test(row.code)).map((row) => [row.code, { value: row[measure], label: `${number(row[measure])} ${MEASURES[measure].toLowerCase()}` }])), [rows, measure]);
  const name = (row) => (row.code === "unknown" ? "Unknown" : row.code === "other" ? "Others" : country(row.code));
  const linked = (row) => (people && /^[A-Z]{2}$/.test(row.code) ? html`<${Link} to="decisions" query=${{ country: row.code }}>${name(row)}<//>` : name(row));
  const columns = [
    { key: "code", title: "Country", render: linked, sort: name, filter: (row) => `${row.code} ${name(row)}` },
    { key: "requests", title: "Requests", align: "right", render: (row) => number(row.requests) },
    { key: "refused", title: "Refused", align: "right", render: (row) => number(row.refused) },
    { key: "share", title: "Share", align: "right", sort: (row) => row.refused / (row.requests || 1), render: (row) => percent(row.refused / (row.requests || 1)), filter: false },
  ];
  return html`<${Section} title="Where requests come from" note=${`Sums ${words}`} actions=${html`<${Segments} label="What the map shows" options=${MEASURES} value=${measure} onChange=${setMeasure} />`}>
    <div class="where"><${WorldMap} title=${`${MEASURES[measure]} by country`} byCountry=${shaded} unit=${measure === "tokens" ? "tokens" : ""} tone=${TONES[measure]} onPick=${people ? (code) => navigate("decisions", { query: { country: code } }) : undefined} />
    <div class="where-table"><${Table} columns=${columns} rows=${rows} rowKey="code" caption="Requests by country" hideCaption order=${{ key: "requests", down: true }} filename="countries" empty="No request yet." /></div></div><//>`;
}

const BY = { tokens: "Tokens", requests: "Requests", refusals: "Refusals", spend: "Spend" };
const MINUTES = { 1: "1 min", 5: "5 min", 60: "1 h" };

export function Busy() {
  const [by, setBy] = useState("tokens");
  const [minutes, setMinutes] = useState("5");
  const loaded = useLoad((signal) => get("/accounts/busy", { by, minutes, limit: 20 }, { signal }), [by, minutes], { every: 5 });
  const columns = [
    { key: "account", title: "Account", render: (row) => html`<${AccountLink} id=${row.account} />` },
    { key: "tokens", title: "Tokens", align: "right", render: (row) => compact(row.tokens) },
    { key: "requests", title: "Requests", align: "right", render: (row) => number(row.requests) },
    { key: "refusals", title: "Refused", align: "right", render: (row) => number(row.refusals) },
    ...(loaded.data?.priced ? [{ key: "spend", title: "Spend", align: "right", render: (row) => money(row.spend) }] : []),
    { key: "share", title: "Share", align: "right", filter: false, render: (row) => percent(row.share) },
  ];
  const ways = loaded.data?.priced === false ? { tokens: BY.tokens, requests: BY.requests, refusals: BY.refusals } : BY;
  return html`<${Section} title="Who eats the capacity" actions=${html`<${Segments} label="Busiest by" options=${ways} value=${by} onChange=${setBy} /><${Segments} label="Of the last" options=${MINUTES} value=${minutes} onChange=${setMinutes} />`}>
    <${Loaded} of=${loaded}>${(data) => html`<${Table} columns=${columns} rows=${data.accounts} rowKey="account" caption="The busiest accounts" hideCaption filename="busy" empty="No account has used anything in this time." />`}<//><//>`;
}

export function Models({ models }) {
  const rows = useMemo(() => Object.entries(models ?? {}).map(([model, used]) => ({ model, ...used })), [models]);
  const people = may("people");
  const columns = [
    { key: "model", title: "Model", render: (row) => (people && !["other", "unknown"].includes(row.model) ? html`<${Link} to="decisions" query=${{ model: row.model }}>${row.model}<//>` : row.model) },
    { key: "requests", title: "Requests", align: "right", render: (row) => number(row.requests) },
    { key: "refused", title: "Refused", align: "right", render: (row) => number(row.refused) },
    { key: "tokens", title: "Tokens", align: "right", render: (row) => compact(row.tokens) },
  ];
  return html`<${Section} title="Models"><${Table} columns=${columns} rows=${rows} rowKey="model" caption="Requests by model" hideCaption order=${{ key: "requests", down: true }} filename="models" empty="No request yet." /><//>`;
}
