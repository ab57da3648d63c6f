// What one account did in the last day: by hour, by model, by country and network, and its latest exchanges.
import { Failed, Link, Loading, Notice, Section, Tag, html, useMemo } from "./ui.js";
import { TONES, exchangeOf, tokensOf } from "./decision_rows.js";
import { ago, compact, country, duration, money, number, percent, time } from "./format.js";
import { WorldMap } from "./map.js";
import { TimePlot } from "./plot.js";
import { Table } from "./table.js";

const sum = (values) => values.reduce((all, one) => all + (one ?? 0), 0);
const share = (part, all) => (all ? percent(part / all) : "–");

/** `of`: the traffic, as useLoad has it; `recent`: the latest exchanges, the same. */
export function AccountTraffic({ of, recent }) {
  return html`<${Section} title="The last 24 hours">${!of.data ? (of.error ? html`<${Gone} error=${of.error} retry=${of.reload} />` : html`<${Loading} lines=${6} />`) : html`<${Day} data=${of.data} />`}<//>
    <${Section} title="Latest exchanges">${!recent.data ? (recent.error ? html`<${Gone} error=${recent.error} retry=${recent.reload} />` : html`<${Loading} />`)
      : html`<${Table} caption="Exchanges, the newest first" hideCaption filename="exchanges" rows=${recent.data.exchanges} rowKey="exchange" columns=${EXCHANGES} empty="None in the last 24 hours." />`}<//>`;
}

/** That nothing is recorded is no fault. */
const Gone = ({ error, retry }) => (error.status === 404 ? html`<${Notice} tone="info">${error.message}<//>` : html`<${Failed} error=${error} retry=${retry} />`);

function Day({ data }) {
  const { times, series, reasons } = data.hours;
  const refusals = useMemo(() => Object.entries(reasons).map(([label, values]) => ({ label, values })), [data]);
  const asked = useMemo(() => [{ label: "Requests", values: series.requests, fill: true }, { label: "Refused", values: series.refused, tone: "bad" }], [data]);
  const tokens = useMemo(() => [{ label: "Tokens", values: series.tokens, fill: true }], [data]);
  const weights = useMemo(() => [{ label: "Mean weight", values: series.weight_mean }, { label: "Highest", values: series.weight_max, dashed: true }], [data]);
  const all = sum(series.requests);
  if (!all) return html`<p class="soft">It has asked for nothing in the last 24 hours.</p>`;
  return html`${data.whole ? null : html`<${Notice} tone="warn">There is so much that only what came since ${time(data.back_to)} was added up.<//>`}
    <div class="tiles">
      <${Tile} name="Requests" value=${compact(all)} more=${`last ${ago(data.last_seen)}`} />
      <${Tile} name="Refused" value=${compact(sum(series.refused))} more=${share(sum(series.refused), all)} tone=${sum(series.refused) ? "warn" : ""} />
      <${Tile} name="Tokens" value=${compact(sum(series.tokens))} more=${`${compact(Math.round(sum(series.tokens) / all))} a request`} />
      ${series.spend ? html`<${Tile} name="Spend" value=${money(sum(series.spend))} more="by prices.yaml" />` : null}</div>
    <div class="grid after">
      <${Plot} title="Requests by hour" unit="requests" times=${times} series=${asked} />
      <${Plot} title="Refusals by reason" unit="requests" stacked times=${times} series=${refusals.length ? refusals : NO_REFUSALS(times)} />
      <${Plot} title="Tokens by hour" unit="tokens" times=${times} series=${tokens} />
      <${Plot} title="Weight of risk by hour" times=${times} series=${weights} /></div>
    <${Where} data=${data} /><h3 class="after">Models</h3>
    <${Table} caption="By model" hideCaption rows=${data.models} rowKey="model" filter=${data.models.length > 8} filename="models" columns=${MODELS} />`;
}

const NO_REFUSALS = (times) => [{ label: "None", values: times.map(() => 0) }];

const Plot = (of) => html`<div><h3>${of.title}</h3><${TimePlot} height=${160} ...${of} /></div>`;

const Tile = ({ name, value, more, tone = "" }) => html`<div class=${`tile ${tone}`}><span class="name">${name}</span><span class="value">${value}</span><span class="more">${more}</span></div>`;

function Where({ data }) {
  const byCountry = useMemo(() => Object.fromEntries(data.countries.filter((row) => row.country).map((row) => [row.country, row.requests])), [data]);
  const marks = useMemo(() => data.places.map((one) => ({ lat: one.latitude, lon: one.longitude, value: one.requests, label: `${number(one.requests)} requests` })), [data]);
  return html`<h3 class="after">Where from</h3><div class="grid">
    <${WorldMap} title="Requests by country" unit="requests" byCountry=${byCountry} marks=${marks} />
    <div class="stack"><${Table} caption="By country" rows=${data.countries} rowKey="country" filter=${data.countries.length > 8} filename="countries" columns=${COUNTRIES} />
      <${Table} caption="By network" rows=${data.networks} rowKey=${(row) => `${row.asn} ${row.kinds.join()}`} filter=${data.networks.length > 8} filename="networks" columns=${NETWORKS} /></div></div>`;
}

const refused = { key: "refused", title: "Refused", align: "right", render: (row) => `${number(row.refused)} (${share(row.refused, row.requests)})` };
const requests = { key: "requests", title: "Requests", align: "right", render: (row) => number(row.requests) };

const COUNTRIES = [{ key: "country", title: "Country", filter: (row) => `${row.country} ${country(row.country)}`, render: (row) => country(row.country) }, requests, refused];
const NETWORKS = [
  { key: "asn", title: "Network", render: (row) => (row.asn ? `AS${row.asn}` : html`<span class="soft">not known</span>`) },
  { key: "kinds", title: "Kind", sort: (row) => row.kinds.join(", "), render: (row) => row.kinds.join(", ") || "–" }, requests, refused,
];
const MODELS = [
  { key: "model", title: "Model", render: (row) => html`<span class="reason">${row.model || "none"}</span>` }, requests, refused,
  { key: "tokens", title: "Tokens", align: "right", render: (row) => compact(row.tokens) },
  { key: "spend", title: "Spend", align: "right", render: (row) => money(row.spend) },
];
const EXCHANGES = [
  { key: "time", title: "Time", filter: false, render: (row) => html`<${Link} to=${exchangeOf(row)}>${time(row.time)}<//>` },
  { key: "action", title: "Action", render: (row) => html`<${Tag} tone=${TONES[row.action] ?? ""}>${row.action}<//>` },
  { key: "status", title: "Status", align: "right", render: (row) => row.status || "–" },
  { key: "model", title: "Model", render: (row) => html`<span class="reason">${row.model || "–"}</span>` },
  { key: "reason", title: "Reason", render: (row) => row.reason || "–" },
  { key: "country", title: "From", render: (row) => `${row.client_address ?? ""} ${row.country ?? ""}`.trim() || "–", filter: (row) => `${row.client_address} ${row.country}` },
  { key: "tokens", title: "Tokens", align: "right", sort: tokensOf, value: tokensOf, render: (row) => compact(tokensOf(row)) },
  { key: "seconds", title: "Took", align: "right", render: (row) => duration(row.seconds) },
];
