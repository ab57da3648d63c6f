// Lists, geo databases and signing keys: how old they are, who reads them, what is in them.
import "../parts/author_style.js";
import { get, send } from "../parts/api.js";
import { bytes, duration, number, time } from "../parts/format.js";
import { may } from "../parts/session.js";
import { Button, Confirm, Dialog, Empty, Failed, Field, Link, Loaded, Loading, Notice, Page, Section, Tag, html, toast, useEffect, useLoad, useState } from "../parts/ui.js";
import { Table } from "../parts/table.js";

const EVERY = 30;
const PAUSE = 300;
const trouble = (row) => (row.problem || row.error ? 3 : row.stale ? 2 : row.stale_after && row.age > row.stale_after * 0.8 ? 1 : 0);

export default function Lists({ query }) {
  const lists = useLoad((signal) => get("/lists", {}, { signal }), [], { every: EVERY });
  const [dialog, setDialog] = useState(query.list ? { search: query.list } : null);
  return html`<${Page} title="Lists and feeds" lead="Knowledge from elsewhere that rules lean on: how old it is, and who reads it.">
    <${Loaded} of=${lists}>${(data) => html`<${Found} data=${data} onDialog=${setDialog} />`}<//>
    ${dialog?.search ? html`<${Search} name=${dialog.search} kind=${lists.data?.lists.find((one) => one.name === dialog.search)?.kind} onClose=${() => setDialog(null)} />` : null}
    ${dialog?.fetch ? html`<${Fetch} name=${dialog.fetch} onClose=${() => setDialog(null)} onDone=${lists.reload} />` : null}<//>`;
}

function Found({ data, onDialog }) {
  const rows = data.lists.map((row) => ({ ...row, trouble: trouble(row) })).sort((one, other) => other.trouble - one.trouble || (other.age ?? 0) / (other.stale_after ?? Infinity) - (one.age ?? 0) / (one.stale_after ?? Infinity));
  const bad = rows.filter((row) => row.trouble > 1);
  return html`
    ${data.problem ? html`<${Notice} tone="bad" title="feeds.yaml is wrong">${data.problem}<//>` : null}
    ${bad.length ? html`<${Notice} tone=${bad.some((row) => row.trouble > 2) ? "bad" : "warn"} title=${`${bad.length} of ${rows.length} need a look`}>${bad.map((row) => row.name).join(", ")}<//>` : null}
    <${Section} title="Lists and geo databases" note="Those that are stale, or that something is wrong with, stand first.">
      <${Table} caption="Lists and geo databases" hideCaption columns=${columns(onDialog)} rows=${rows} rowKey=${(row) => `${row.what} ${row.name}`} filename="lists"
        empty="feeds.yaml names no list and no database." /><//>
    <${Section} title="Signing keys" note="Whose tokens are taken, by the rules in force. Each worker fetches a key set when it needs one.">
      <${Table} caption="Signing keys" hideCaption filter=${data.keys.length > 5} columns=${KEYS} rows=${data.keys} rowKey=${(row) => row.issuer + row.entry} filename="signing-keys" empty="No entry takes tokens of an identity provider." /><//>`;
}

const KEYS = [{ key: "issuer", title: "Issuer" }, { key: "source", title: "Keys from", render: (row) => html`<code>${row.source}</code>` },
  { key: "algorithms", title: "Algorithms", render: (row) => row.algorithms.join(", ") }, { key: "entry", title: "Entry" }];

const columns = (onDialog) => [
  { key: "name", title: "Name", render: (row) => html`<b>${row.name}</b>${row.network_kind ? html` <${Tag}>${row.network_kind}<//>` : null}<br /><span class="soft small">${row.what === "database" ? `database: ${row.kind}` : `list of ${row.kind}`}</span>` },
  { key: "trouble", title: "State", render: (row) => html`<${State} row=${row} />`, filter: (row) => (row.stale ? "stale" : row.problem || row.error ? "wrong" : "ok"), value: (row) => (row.problem || row.error ? "wrong" : row.stale ? "stale" : "ok") },
  { key: "age", title: "Age", render: (row) => html`<${Age} row=${row} />` },
  { key: "entries", title: "Entries", align: "right", render: (row) => number(row.entries) },
  { key: "size", title: "Size", align: "right", render: (row) => (row.size === null ? "–" : bytes(row.size)) },
  { key: "source", title: "From", render: (row) => html`<span class="small">${row.source}</span>${row.every ? html`<br /><span class="soft small">every ${duration(row.every)}</span>` : null}` },
  { key: "readers", title: "Read by", sort: (row) => row.readers.length, filter: (row) => row.readers.map((one) => one.what).join(" "), value: (row) => row.readers.map((one) => `${one.path}:${one.line}`).join(" "), render: (row) => html`<${Readers} row=${row} />` },
  { key: "act", title: "Actions", sort: false, filter: false, value: () => "", render: (row) => html`<div class="row end">
    ${row.what === "list" && (row.kind !== "accounts" || may("people")) ? html`<${Button} class="small" aria-label=${`Search in ${row.name}`} onClick=${() => onDialog({ search: row.name })}>Search<//>` : null}
    ${row.fetched && may("write") ? html`<${Button} class="small" aria-label=${`Fetch ${row.name} now`} onClick=${() => onDialog({ fetch: row.name })}>Fetch<//>` : null}</div>` },
];

function State({ row }) {
  const said = row.problem || row.error;
  if (said) return html`<${Tag} tone="bad">✕ wrong<//><br /><span class="small">${said}</span>`;
  return row.stale ? html`<${Tag} tone="warn">stale<//>` : html`<${Tag} tone="ok">✓ fresh<//>`;
}

/** The age as a part of how old it may be. */
function Age({ row }) {
  if (row.age === null) return html`<span class="soft">–</span>`;
  const words = row.stale_after ? `${duration(row.age)} of ${duration(row.stale_after)}` : `${duration(row.age)}; it may be any`;
  const share = row.stale_after ? Math.min(1, row.age / row.stale_after) : 0;
  return html`<div class=${`age bar ${row.stale ? "bad" : share > 0.8 ? "warn" : "ok"}`} role="meter" aria-label=${`Age of ${row.name}`} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.round(share * 100)} aria-valuetext=${words} title=${time(row.built, { whole: true })}>
    ${row.stale_after ? html`<div class="bar-track"><div class="bar-fill" style=${{ width: `${share * 100}%` }}></div></div>` : null}<span class="bar-words">${words}</span></div>`;
}

function Readers({ row }) {
  if (row.what === "database") return html`<span class="soft">where callers are</span>`;
  if (!row.readers.length) return html`<span class="soft">${row.network_kind ? "network kinds" : "nobody"}</span>`;
  return html`<span class="chips">${row.readers.slice(0, 6).map((one) => (may("write")
    ? html`<${Link} key=${one.path + one.line} to="rules" query=${{ tab: "files", file: one.path, line: one.line }} title=${`${one.path}:${one.line}`}>${one.what}<//>` : html`<span key=${one.path + one.line} title=${`${one.path}:${one.line}`}>${one.what}</span>`))}</span>`;
}

function Search({ name, kind, onClose }) {
  const [word, setWord] = useState("");
  const [asked, setAsked] = useState("");
  useEffect(() => { const timer = setTimeout(() => setAsked(word.trim()), PAUSE); return () => clearTimeout(timer); }, [word]);
  const found = useLoad((signal) => get(`/lists/${encodeURIComponent(name)}`, { q: asked, limit: 100 }, { signal }), [asked]);
  const hint = { networks: "An address is in the list where a network of it holds the address.", domains: "A domain is in the list where one above it is." }[kind];
  return html`<${Dialog} wide title=${`Entries of ${name}`} onClose=${onClose}>
    <${Field} label="Look for" hint=${hint}><input type="search" autofocus value=${word} maxlength="256" onInput=${(event) => setWord(event.target.value)} /><//>
    ${found.error ? html`<${Failed} error=${found.error} retry=${found.reload} />` : !found.data ? html`<${Loading} lines=${2} />` : html`<div class="stack" aria-live="polite">
      ${found.data.contains === null ? null : html`<${Notice} tone=${found.data.contains ? "warn" : "ok"}>${found.data.contains ? `“${found.data.q}” is in the list that is in force: a rule that asks finds it.` : `“${found.data.q}” by itself is not in the list that is in force.`}<//>`}
      <p class="soft">${number(found.data.matching)} ${found.data.matching === 1 ? "entry" : "entries"}${found.data.found.length < found.data.matching ? `, the first ${found.data.found.length} of them` : ""}${found.data.whole ? "" : "; the list is long, and was not looked through to its end"}</p>
      ${found.data.found.length ? html`<div class="scroll" tabindex="0" role="region" aria-label="Entries"><table><thead><tr><th scope="col" class="n">Line</th><th scope="col">Entry</th></tr></thead><tbody>${found.data.found.map((row) => html`<tr key=${row.line}><td class="n">${row.line}</td><td><code>${row.text}</code></td></tr>`)}</tbody></table></div>` : html`<${Empty}>No entry has that in it.<//>`}</div>`}<//>`;
}

function Fetch({ name, onClose, onDone }) {
  const [reason, setReason] = useState("");
  const fetch = async () => {
    if (!reason.trim()) throw new Error("Say why: it stands in the audit.");
    const { content } = await send("POST", `/lists/${encodeURIComponent(name)}/refresh`, { reason });
    toast(content.outcome === "updated" ? `${name} was fetched: ${number(content.entries)} entries. It is in force within a second.` : `${name}: nothing newer.`);
    onDone();
  };
  return html`<${Confirm} title=${`Fetch ${name} now?`} confirm="Fetch" onConfirm=${fetch} onClose=${onClose}>
    <p>It is taken only if it passes its checks; what was there before stays in use until then.</p>
    <${Field} label="Why"><input autofocus value=${reason} maxlength="256" onInput=${(event) => setReason(event.target.value)} /><//><//>`;
}

