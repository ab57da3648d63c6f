// What is not enforced for everybody, and what it would have done.
import { get } from "../parts/api.js";
import { country, duration, number, percent } from "../parts/format.js";
import { setQuery } from "../parts/router.js";
import { may } from "../parts/session.js";
import { AccountLink, Button, Empty, Field, Loaded, Notice, Section, Select, Tag, html, useLoad, useState } from "../parts/ui.js";
import { Table } from "../parts/table.js";
import { drafts, put } from "./rules_drafts.js";
import { ShareDialog } from "./rules_share.js";

const PERIODS = [["1h", "the last hour"], ["24h", "the last 24 hours"], ["7d", "the last 7 days"]].map(([value, label]) => ({ value, label }));
const NAME = (row) => (row.rule ? `${row.entry}/${row.rule}` : row.entry);

export function Shadow({ onDone }) {
  const [since, setSince] = useState("24h");
  const shadow = useLoad((signal) => get("/policies/shadow", { since }, { signal }), [since], { every: 15 });
  const pick = html`<${Field} label="Period" hidden><${Select} options=${PERIODS} value=${since} onChange=${setSince} /><//>`;
  return html`<${Loaded} of=${shadow}>${(data) => html`<${Found} data=${data} pick=${pick} onDone=${onDone} />`}<//>`;
}

function Found({ data, pick }) {
  const [dialog, setDialog] = useState(null);
  const would = new Map(data.would.map((row) => [NAME(row), row]));
  const rows = data.rules.map((row) => ({ ...row, name: NAME(row), would: would.get(NAME(row)), newly: would.get(NAME(row))?.newly_refused ?? 0 }));
  const edit = async (row) => {
    const file = drafts.value[row.path] ?? await get(`/policies/files/${row.path}`).then((one) => ({ text: one.text, base: one.text, digest: one.digest }));
    put(row.path, file);
    setDialog({ path: row.path, text: file.text, name: row.rule || row.entry });
  };
  const columns = [
    { key: "name", title: "Rule", render: (row) => html`<b>${row.name}</b><br /><span class="soft small">${row.path}:${row.line}</span>` },
    { key: "share", title: "Enforced for", render: (row) => (row.share > 0 ? html`<${Tag} tone="warn">${percent(row.share)} of accounts<//>` : html`<${Tag} tone="shadow">shadow<//>`) },
    { key: "enforced", title: "Enforced", align: "right", sort: (row) => row.live.enforced, value: (row) => row.live.enforced, render: (row) => number(row.live.enforced) },
    { key: "shadow", title: "In shadow", align: "right", sort: (row) => row.live.shadow, value: (row) => row.live.shadow, render: (row) => number(row.live.shadow) },
    { key: "newly", title: "Would newly refuse", align: "right", render: (row) => (row.would ? number(row.newly) : "–") },
    { key: "accounts", title: "Accounts", align: "right", sort: (row) => row.would?.newly_refused_accounts ?? 0, value: (row) => row.would?.newly_refused_accounts ?? 0, render: (row) => (row.would ? number(row.would.newly_refused_accounts) : "–") },
    ...(may("write") ? [{ key: "edit", title: "Actions", sort: false, filter: false, value: () => "", render: (row) => html`<${Button} class="small" aria-label=${`Rollout of ${row.name}`} onClick=${() => edit(row)}>Rollout …<//>` }] : []),
  ];
  return html`<div class="stack"><${Section} title="Not enforced for everybody" note="Counted by the workers since they serve by these rules; the last two by the exchange log." actions=${pick}>
      ${data.log.error ? html`<${Notice} tone="warn">${data.log.error}<//>` : html`<p class="soft check-state">${number(data.log.exchanges)} exchanges of ${number(data.log.accounts)} accounts in ${duration(data.log.last - data.log.first)}; ${number(data.log.refused)} were refused by what is enforced.</p>`}
      ${rows.length ? html`<${Table} caption="Rules in shadow or partly rolled out" hideCaption columns=${columns} rows=${rows} rowKey="name" filename="shadow" order=${{ key: "newly", down: true }} />` : html`<${Empty} title="Everything is enforced for everybody">A rule with mode: shadow, or a rollout below 100%, stands here with what it would do.<//>`}<//>
    ${data.would.map((row) => html`<${Would} key=${`${NAME(row)}:${row.action}:${row.reason}`} row=${row} people=${data.people !== false} />`)}
    ${dialog ? html`<${ShareDialog} ...${dialog} onClose=${() => setDialog(null)} onText=${(text) => { put(dialog.path, { ...drafts.value[dialog.path], text }); setQuery({ tab: "files", file: dialog.path }); }} />` : null}</div>`;
}

const CELLS = [
  { key: "tier", title: "Tier" }, { key: "country", title: "From", render: (row) => country(row.country) },
  { key: "exchanges", title: "Applied to", align: "right", render: (row) => number(row.exchanges) }, { key: "share", title: "Of all", align: "right", render: (row) => percent(row.share) },
  { key: "accounts", title: "Accounts", align: "right" }, { key: "refused_anyway", title: "Refused anyway", align: "right" }, { key: "newly_refused", title: "Newly refused", align: "right" },
];

function Would({ row, people }) {
  return html`<${Section} title=${`${NAME(row)}: ${row.action} ${row.reason}`}>
    <${Notice} tone=${row.newly_refused ? "warn" : "ok"}>${row.verdict}<//>
    <details><summary>By tier and country</summary><${Table} caption=${`${NAME(row)} by tier and country`} hideCaption columns=${CELLS} rows=${row.by} rowKey=${(one) => `${one.tier}:${one.country}`} filename=${`shadow-${row.rule || row.entry}`} /></details>
    ${row.top.length ? html`<p>Most hit: ${row.top.map((one, index) => html`${index ? ", " : ""}<${AccountLink} id=${one.account} /> (${number(one.newly_refused)}${one.verified ? ", verified" : ""})`)}</p>` : null}
    ${!people && row.newly_refused_accounts ? html`<p class="soft">Whose they are is for roles that may see people.</p>` : null}<//>`;
}
