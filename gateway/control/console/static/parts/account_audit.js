// What was done to an account, the newest first.
import { Button, Loaded, Section, html, useLoad, useState } from "./ui.js";
import { get } from "./api.js";
import { ago } from "./format.js";
import { Table } from "./table.js";

const unix = (text) => (text ? Date.parse(text) / 1000 : null);
const detail = (row) => Object.entries(row.detail).map(([name, value]) => `${name} ${Array.isArray(value) ? value.join(", ") : typeof value === "object" ? JSON.stringify(value) : value}`).join(" · ");

/** `first`: the lines that came with the account. */
export function AuditLines({ id, first }) {
  const [all, setAll] = useState(false);
  const found = useLoad((signal) => (all ? get(`/accounts/${encodeURIComponent(id)}/audit`, {}, { signal }) : { audit: first }), [id, all, first[0]?.at ?? "", first.length]);
  const more = all ? null : html`<${Button} class="small" onClick=${() => setAll(true)}>More<//>`;
  return html`<${Section} title="Audit" actions=${more}><${Loaded} of=${found}>${(data) => html`<${Table} caption="What was done to it" hideCaption rows=${data.audit} rowKey=${(row) => `${row.at} ${row.did} ${detail(row)}`}
    filename=${`audit-${id}`} filter=${data.audit.length > 8} columns=${COLUMNS} empty="Nothing was ever done to it." />`}<//><//>`;
}

const COLUMNS = [
  { key: "at", title: "When", filter: false, render: (row) => html`<span title=${row.at}>${ago(unix(row.at))}</span>` },
  { key: "who", title: "Who" },
  { key: "did", title: "Did", render: (row) => html`<code>${row.did}</code>` },
  { key: "detail", title: "Detail", sort: false, filter: detail, value: detail, render: (row) => html`<span class="detail">${detail(row)}</span>` },
];
