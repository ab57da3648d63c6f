// The audit: who did what, what it was before and after, and whether anybody changed the book.
import "../parts/author_style.js";
import { address, get } from "../parts/api.js";
import { ago, number, time } from "../parts/format.js";
import { ROOT, navigate } from "../parts/router.js";
import { may } from "../parts/session.js";
import { AccountLink, Button, Failed, Field, Link, Loading, Notice, Page, Section, Select, html, useEffect, useState } from "../parts/ui.js";
import { Table } from "../parts/table.js";
import { changesOf, inWords } from "./audit_changes.js";

const PERIODS = [["", "Any time"], ["3600", "The last hour"], ["86400", "The last 24 hours"], ["604800", "The last 7 days"], ["2592000", "The last 30 days"]].map(([value, label]) => ({ value, label }));
const DID = [["", "Anything"], ["override.", "Overrides of limits"], ["policies.", "Rules"], ["account.", "Accounts"], ["key.", "Keys"], ["operator", "Operators"], ["sign_in", "Sign-in"], ["review.", "Reviews"], ["challenge", "Challenges"], ["lists.", "Lists"]].map(([value, label]) => ({ value, label }));
const LIMIT = 50;

export default function Audit({ query }) {
  const asked = { who: query.who, did: query.did, subject: query.subject, since: query.period ? Math.floor(Date.now() / 1000 - Number(query.period)) : undefined };
  const key = JSON.stringify([query.who, query.did, query.subject, query.period]);
  return html`<${Page} title="Audit" lead="Who did what, and why. Lines are only ever added, each bound to all before it.">
    <${Verify} />
    <${Section} title="Lines">
      <${Filters} query=${query} />
      <${Lines} key=${key} asked=${asked} /><//><//>`;
}

function Filters({ query }) {
  const [given, setGiven] = useState({ who: query.who ?? "", did: query.did ?? "", subject: query.subject ?? "", period: query.period ?? "" });
  const set = (name) => (value) => setGiven((old) => ({ ...old, [name]: value?.target ? value.target.value : value }));
  const look = (event) => { event?.preventDefault(); navigate(`${ROOT}audit`, { query: Object.fromEntries(Object.entries(given).map(([name, value]) => [name, value.trim()])) }); };
  return html`<form class="filters asked" onSubmit=${look}>
    <${Field} label="Who"><input data-filter value=${given.who} maxlength="256" placeholder="token:night" onInput=${set("who")} /><//>
    <${Field} label="Did"><${Select} options=${DID.some((one) => one.value === given.did) ? DID : [...DID, given.did]} value=${given.did} onChange=${set("did")} /><//>
    <${Field} label="To what"><input value=${given.subject} maxlength="256" placeholder="acme" onInput=${set("subject")} /><//>
    <${Field} label="When"><${Select} options=${PERIODS} value=${given.period} onChange=${set("period")} /><//>
    <div class="row filter-buttons"><${Button} type="submit" tone="primary">Show<//><${Button} onClick=${() => { setGiven({ who: "", did: "", subject: "", period: "" }); navigate(`${ROOT}audit`); }}>All<//></div></form>`;
}

function Lines({ asked }) {
  const [state, setState] = useState({ rows: null, next: null, error: null, busy: false });
  const load = async (after) => {
    setState((old) => ({ ...old, busy: true, error: null }));
    try {
      const found = await get("/audit", { ...asked, after, limit: LIMIT });
      setState((old) => ({ rows: after ? [...old.rows, ...found.audit] : found.audit, next: found.next, error: null, busy: false }));
    } catch (error) {
      setState((old) => ({ ...old, error, busy: false }));
    }
  };
  useEffect(() => { load(); }, []);
  const { rows, next, error, busy } = state;
  if (!rows) return error ? html`<${Failed} error=${error} retry=${() => load()} />` : html`<${Loading} lines=${6} />`;
  // Lines of JSON with the salt, digest and link of each: what can be verified elsewhere.
  const save = html`<a class="button small" href=${address("/audit/export", asked)} download="audit.jsonl">Export with links</a>`;
  return html`<div class="stack">
    <${Table} caption="Lines of the audit" hideCaption columns=${COLUMNS} rows=${rows} filename="audit" actions=${save} empty="No line fits." />
    ${error ? html`<${Failed} error=${error} retry=${() => load(next)} />` : null}
    ${next ? html`<div class="row"><${Button} busy=${busy} onClick=${() => load(next)}>Older lines<//><span class="soft small">The filter above the table looks at the ${number(rows.length)} that are here.</span></div>` : rows.length ? html`<p class="soft small">That is all of them.</p>` : null}</div>`;
}

const COLUMNS = [
  { key: "id", title: "Line", align: "right", render: (row) => html`<span class="mono small">${row.id}</span>` },
  { key: "at", title: "When", render: (row) => html`<span title=${time(row.at, { whole: true })}>${time(row.at)}<br /><span class="soft small">${ago(row.at)}</span></span>` },
  { key: "who", title: "Who", render: (row) => html`<${Link} to="audit" query=${{ who: row.who }}>${row.who}<//>` },
  { key: "did", title: "Did", render: (row) => html`<code class="did">${row.did}</code>` },
  { key: "subject", title: "To what", render: (row) => html`<${Subject} row=${row} />` },
  { key: "detail", title: "What changed, and why", sort: false, filter: (row) => JSON.stringify(row.detail), value: (row) => row.detail, render: (row) => html`<${Detail} row=${row} />` },
];

function Subject({ row }) {
  if (!row.subject) return html`<span class="soft">–</span>`;
  if (row.did.startsWith("policies.")) return may("write") && /\.\w+$/.test(row.subject) ? html`<${Link} to="rules" query=${{ tab: "files", file: row.subject }}>${row.subject}<//>` : row.subject;
  if (row.did.startsWith("lists.")) return html`<${Link} to="lists" query=${{ list: row.subject }}>${row.subject}<//>`;
  if (row.did.startsWith("account.")) return html`<${AccountLink} id=${row.subject} />`;
  return html`<${Link} to="audit" query=${{ subject: row.subject }}>${row.subject}<//>`;
}

/** Before and after side by side, the rest beside it; the reason first. */
function Detail({ row }) {
  if (row.erased) return html`<span class="soft">erased with an account that it named; the line still counts</span>`;
  const { reason, changes, rest } = changesOf(row.detail);
  const short = html`${reason ? html`<q>${reason}</q>` : null}`;
  if (!changes.length && !rest.length) return short;
  const list = html`<dl class="change-rows">
    ${changes.map(({ key, before, after }) => html`<div key=${key} class="change-row"><dt>${key}</dt><dd>${before === undefined ? null : html`<span class="unseen">was </span><span class="was">${inWords(before, key)}</span> `}${after === undefined ? html`<span class="unseen">is no more</span>` : html`<span aria-hidden="true">→ </span><span class="unseen">is </span><span class="is">${inWords(after, key)}</span>`}</dd></div>`)}
    ${rest.map(([key, value]) => html`<div key=${key} class="change-row"><dt>${key}</dt><dd>${inWords(value, key)}</dd></div>`)}</dl>`;
  return changes.length + rest.length > 4 ? html`${short}<details><summary class="small">${changes.length ? `${changes.length} changed` : `${rest.length} more`}</summary>${list}</details>` : html`${short}${list}`;
}

function Verify() {
  const [state, setState] = useState({ busy: false, found: null, error: null });
  const look = async () => {
    setState({ busy: true, found: null, error: null });
    try {
      let found = await get("/audit/verify", { wait: 10 });
      while (found.state === "running") {
        setState({ busy: true, found, error: null });
        found = await get("/audit/verify", { wait: 5 });
      }
      setState({ busy: false, found, error: null });
    } catch (error) {
      setState({ busy: false, found: null, error });
    }
  };
  if (!may("govern")) return null;
  const { busy, found, error } = state;
  return html`<${Section} title="Is it whole?" note="Every line is looked at: whether it is as it was written, and whether one is missing." actions=${html`<${Button} tone="primary" busy=${busy} onClick=${look}>Verify<//>`}>
    <div aria-live="polite">${error ? html`<${Failed} error=${error} retry=${look} />` : null}
    ${busy && found ? html`<p>${number(found.lines)} of ${number(found.whole)} lines so far.</p>` : null}
    ${!busy && found ? html`<${Verdict} found=${found} />` : null}
    ${!busy && !found && !error ? html`<p class="soft">Not looked at yet. <code>tidegate audit verify</code> does the same on the command line.</p>` : null}</div><//>`;
}

function Verdict({ found }) {
  const head = html`<dl class="facts"><dt>Head</dt><dd><code>${found.head}</code></dd></dl><p class="soft small">Keep the head elsewhere: who has it can tell later whether these lines are still the ones.</p>`;
  if (found.ok) return html`<${Notice} tone="ok" title="Nobody changed the audit">${number(found.lines)} lines, each as it was written${found.erased ? `; ${number(found.erased)} without their texts, erased with an account` : ""}.${head}<//>`;
  return html`<${Notice} tone="bad" title=${`The audit was changed: ${number(found.wrong)} of ${number(found.lines)} lines are not as they were written`}>
    <ul>${found.broken.map((one) => html`<li key=${`${one.id}:${one.what}`}>${one.id ? `Line ${one.id}: ` : ""}${one.what}</li>`)}</ul>${head}<//>`;
}

