// Accounts: found by id, organisation, tier or suspension; and who eats the capacity now.
import "../parts/steer_style.js";
import { AccountLink, Button, Empty, Field, Link, Loaded, Notice, Page, Section, Select, Tag, html, useLoad, useState } from "../parts/ui.js";
import { get } from "../parts/api.js";
import { Table } from "../parts/table.js";
import { compact, money, number, percent } from "../parts/format.js";
import { navigate, setQuery } from "../parts/router.js";

const PAGE = 100;
const EVERY = 5;
const BY = [{ value: "tokens", label: "tokens" }, { value: "requests", label: "requests" }, { value: "refusals", label: "refusals" }, { value: "spend", label: "spend" }];
const MINUTES = [{ value: "1", label: "the last minute" }, { value: "5", label: "the last 5 minutes" }, { value: "60", label: "the last hour" }];

export default function Accounts({ query }) {
  return html`<${Page} title="Accounts" lead="Who may call, and who eats the capacity.">
    <${Find} query=${query} /><${Busy} query=${query} /><${Listed} query=${query} /><//>`;
}

/** Whoever has an id in hand goes there at once. */
function Find({ query }) {
  const [text, setText] = useState(query.id ?? "");
  const go = (event) => {
    event.preventDefault();
    if (text.trim()) navigate(`accounts/${encodeURIComponent(text.trim())}`);
  };
  return html`<form class="find row" role="search" onSubmit=${go}>
    <label class="unseen" for="find-account">Account id</label>
    <input id="find-account" type="search" placeholder="Account id, or how it begins" autocapitalize="none" spellcheck=${false} value=${text} onInput=${(event) => setText(event.target.value)} />
    <${Button} type="submit" tone="primary">Open<//>
    <${Button} onClick=${() => setQuery({ id: text.trim(), after: "" })}>List what begins so<//></form>`;
}

function Busy({ query }) {
  const by = BY.some((one) => one.value === query.by) ? query.by : "tokens";
  const minutes = MINUTES.some((one) => one.value === query.minutes) ? query.minutes : "5";
  const found = useLoad((signal) => get("/accounts/busy", { by, minutes, limit: 20 }, { signal }), [by, minutes], { every: EVERY });
  const pick = html`<div class="row"><span class="row">By <${Select} aria-label="Busiest by" value=${by} options=${BY} onChange=${(one) => setQuery({ by: one })} /></span>
    <span class="row">in <${Select} aria-label="Busiest in" value=${minutes} options=${MINUTES} onChange=${(one) => setQuery({ minutes: one })} /></span></div>`;
  return html`<${Section} title="Busiest now" actions=${pick}><${Loaded} of=${found}>${(data) => html`
    ${by === "spend" && data.priced === false ? html`<${Notice} tone="warn">No prices are stated in the rules, so nobody spends anything.<//>` : null}
    <${Table} caption="Accounts that used most" hideCaption filename=${`busiest-by-${by}`} rows=${data.accounts} rowKey="account" filter=${false} columns=${busyColumns(by)}
      empty=${by === "refusals" ? "Nobody was refused." : "Nobody has asked for anything."} />`}<//><//>`;
}

const busyColumns = (by) => [
  { key: "account", title: "Account", render: (row) => html`<${AccountLink} id=${row.account} />` },
  { key: "share", title: `Share of ${by}`, value: (row) => row.share, render: (row) => html`<div class="share" role="meter" aria-label=${`Share of ${by}`} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.round(row.share * 100)}>
    <span class="drain-track"><span class="drain-fill" style=${{ width: `${Math.min(100, row.share * 100)}%` }}></span></span><span>${percent(row.share)}</span></div>` },
  { key: "requests", title: "Requests", align: "right", render: (row) => number(row.requests) },
  { key: "refusals", title: "Refused", align: "right", render: (row) => number(row.refusals) },
  { key: "tokens", title: "Tokens", align: "right", render: (row) => compact(row.tokens) },
  { key: "spend", title: "Spend", align: "right", render: (row) => money(row.spend) },
  { key: "do", title: "Actions", sort: false, filter: false, value: () => "", render: (row) => html`<${Link} class="button small" to="limits" query=${{ account: row.account }} aria-label=${`Set a limit for ${row.account}`}>Set a limit<//>` },
];

/** How the database orders ids that begin with a text: the first of them, and what is read past them. */
const begins = (text) => (row) => !text || row.id.toLowerCase().startsWith(text.toLowerCase());

function Listed({ query }) {
  const { organisation = "", tier = "", suspended = "", id = "", after = "" } = query;
  const asked = { organisation, tier, suspended, limit: PAGE, after: after || beforeOf(id) };
  const found = useLoad((signal) => get("/accounts", asked, { signal }), [asked]);
  const [draft, setDraft] = useState({ organisation, tier });
  const filter = (event) => {
    event.preventDefault();
    setQuery({ ...draft, after: "" });
  };
  return html`<${Section} title="All accounts" note=${id ? `That begin with “${id}”.` : ""}
    actions=${id ? html`<${Button} class="small" onClick=${() => setQuery({ id: "", after: "" })}>All of them<//>` : null}>
    <form class="filters" onSubmit=${filter}>
      <${Field} label="Organisation"><input value=${draft.organisation} onInput=${(event) => setDraft({ ...draft, organisation: event.target.value.trim() })} /><//>
      <${Field} label="Tier assigned"><input value=${draft.tier} onInput=${(event) => setDraft({ ...draft, tier: event.target.value.trim() })} /><//>
      <${Field} label="Suspended"><${Select} value=${suspended} options=${[{ value: "", label: "either" }, { value: "true", label: "suspended" }, { value: "false", label: "not suspended" }]} onChange=${(one) => setQuery({ suspended: one, after: "" })} /><//>
      <div><${Button} type="submit">Show<//></div></form>
    <${Loaded} of=${found}>${(data) => {
      const rows = data.accounts.filter(begins(id));
      const more = data.next && (!id || begins(id)({ id: data.next }));
      return html`<${Table} caption="Accounts" hideCaption filename="accounts" rows=${rows} rowKey="id" columns=${COLUMNS}
          empty=${organisation || tier || suspended || id ? "No account is so." : html`<${Empty} title="No account yet">Your systems make them: <code>POST /accounts</code>, or <code>tidegate account create</code>.<//>`} />
        <div class="row end">${after ? html`<${Button} onClick=${() => setQuery({ after: "" })}>From the beginning<//>` : null}
          ${more ? html`<${Button} onClick=${() => setQuery({ after: data.next })}>The next ${number(PAGE)}<//>` : null}</div>`;
    }}<//><//>`;
}

/** An id right before all that begin with the text, as ids are ordered. */
function beforeOf(text) {
  if (!text) return "";
  const last = text.charCodeAt(text.length - 1);
  return last > 33 ? text.slice(0, -1) + String.fromCharCode(last - 1) + "~" : text.slice(0, -1);
}

const COLUMNS = [
  { key: "id", title: "Account", render: (row) => html`<${AccountLink} id=${row.id} />` },
  { key: "name", title: "Name", render: (row) => html`<span class="reason">${row.name}</span>` },
  { key: "organisation", title: "Organisation", render: (row) => (row.organisation ? html`<${Link} to="accounts" query=${{ organisation: row.organisation }}>${row.organisation}<//>` : html`<span class="soft">–</span>`) },
  { key: "tier", title: "Tier assigned", render: (row) => row.tier || html`<span class="soft">by evidence</span>` },
  { key: "suspended", title: "Standing", sort: (row) => Number(row.suspended), filter: (row) => (row.suspended ? "suspended" : row.erased ? "erased" : "may call"), render: (row) => (row.erased ? html`<${Tag}>erased<//>` : row.suspended ? html`<${Tag} tone="bad">suspended<//>` : html`<${Tag} tone="ok">may call<//>`) },
  { key: "keys", title: "Keys", align: "right" },
  { key: "created", title: "Made", filter: false, render: (row) => row.created?.slice(0, 10) ?? "–" },
];
