// One exchange: what happened to it, in words and as the chain it went through, and what to do about it.
import { get } from "../parts/api.js";
import { ago, country, duration, number, time } from "../parts/format.js";
import { Chain } from "../parts/chain.js";
import { TONES, exchangeOf } from "../parts/decision_rows.js";
import { AccountLink, Button, Empty, Failed, Field, Link, Loaded, Notice, Page, Section, Tag, html, useLoad, useState } from "../parts/ui.js";
import { navigate } from "../parts/router.js";
import { Table } from "../parts/table.js";

/** Where an id is pasted: ours, or the caller's own x-request-id. */
function Search({ id = "" }) {
  const [wanted, setWanted] = useState(id);
  const [error, setError] = useState("");
  const go = (event) => {
    event.preventDefault();
    const clean = wanted.trim();
    if (!clean) return void setError("Paste the request id from the answer's x-request-id field, or the caller's own.");
    setError("");
    navigate(`exchanges/${encodeURIComponent(clean)}`);
  };
  return html`<form class="search" role="search" onSubmit=${go}>
    <${Field} label="Request id" error=${error}><input class="mono" data-filter autocomplete="off" spellcheck=${false} maxlength="128" value=${wanted} onInput=${(event) => setWanted(event.target.value)} /><//>
    <${Button} type="submit" tone="primary">Show<//></form>`;
}

const flag = (value) => (value ? "yes" : "no");
const words = (list) => (list?.length ? list.join(", ") : "");

/** [name, value] of what is known; what is empty is left out. */
function Facts({ facts }) {
  const known = facts.filter(([, value]) => value !== "" && value !== null && value !== undefined && value !== false);
  return html`<dl class="facts">${known.map(([name, value]) => html`<${Fact} key=${name} name=${name} value=${value} />`)}</dl>`;
}
const Fact = ({ name, value }) => html`<dt>${name}</dt><dd>${value}</dd>`;

function Verdict({ told }) {
  const { decision, answer } = told;
  const { refused } = decision;
  return html`<section class=${`card verdict ${refused ? "bad" : "ok"}`} aria-label="What happened">
    <p class="in-words">${told.in_words}</p>
    <div class="row"><${Tag} tone=${TONES[decision.action] ?? ""}>${decision.action || "not decided"}<//><${Tag}>Status ${answer.status || "none"}<//>
      ${decision.reason ? html`<${Tag} tone=${refused ? "bad" : "warn"}>${decision.reason}<//>` : null}<span class="soft">${time(told.time, { whole: true })} · ${ago(told.time)}</span></div>
    ${decision.meaning ? html`<p>${decision.meaning}</p>` : null}
    ${decision.remedy ? html`<p><b>What to do:</b> ${decision.remedy}</p>` : null}</section>`;
}

function Override({ one }) {
  return html`<${Notice} tone="warn" title="An override bit"><p>${one.limit === "*" ? "All limits" : one.limit}: ${one.change?.kind ?? one.kind}, by ${one.by}. ${one.reason}</p>
    <p><${Link} to="limits" query=${{ override: one.id }}>To the override<//></p><//>`;
}

function Told({ told }) {
  const { who, asked, answer, tokens, rules, added } = told;
  const from = told.from;
  const place = from.country ? html`<${Link} to="decisions" query=${{ country: from.country }}>${country(from.country)}<//>` : "unknown";
  const override = told.override ?? told.decision.override;
  return html`<${Verdict} told=${told} />
    ${override ? html`<${Override} one=${override} />` : null}
    <${Section} title="The way through the chain" note=${rules.known ? `Generation ${rules.generation} of the rules` : `Generation ${rules.generation} is no longer kept: entries that said nothing are not shown`}>
      <${Chain} steps=${told.trail} passed=${!told.decision.refused} status=${answer.status} /><//>
    <div class="grid">
      <${Section} title="Who"><${Facts} facts=${[["Account", html`<${AccountLink} id=${who.account} />`], ["Organisation", who.organisation], ["Key", who.key], ["Tier", who.tier], ["Assigned", who.assigned], ["Evidence", words(who.evidence)], ["Falls", words(who.falls)], ["Signed up in", who.signup_country && country(who.signup_country)], ["Pays in", who.billing_country && country(who.billing_country)], ["Account made", who.created && ago(who.created)]]} />
        ${who.account ? html`<p class="small"><${Link} to="decisions" query=${{ account: who.account }}>Its decisions, live<//></p>` : null}<//>
      <${Section} title="Asked"><${Facts} facts=${[["Request", html`<code>${asked.method} ${asked.path}</code>`], ["Model", asked.model && html`<${Link} to="decisions" query=${{ model: asked.model }}>${asked.model}<//>`], ["Dialect", asked.dialect], ["Streaming", flag(asked.streaming)], ["Features", words(asked.features)], ["Input", `${number(asked.input_tokens)} tokens`], ["Output at most", asked.output_cap === null ? "no cap" : `${number(asked.output_cap)} tokens`]]} /><//>
      <${Section} title="From"><${Facts} facts=${[["Country", place], ["Address", from.client_address && html`<code>${from.client_address}</code>`], ["Network", from.asn ? `AS${from.asn}` : ""], ["Kinds", words(from.network_kinds)], ["Private", from.private && "yes"], ["TLS (JA4)", from.ja4 && html`<code>${from.ja4}</code>`], ["Weight", number(added.weight)], ["Tags", words(added.tags)], ["Challenge passed", added.captcha && "yes"]]} /><//>
      <${Section} title="Answered"><${Facts} facts=${[["Status", answer.status], ["Took", duration(answer.seconds)], ["Of it deciding", duration(answer.decision_seconds)], ["Reached the API", flag(answer.reached)], ["Broken off", answer.aborted && "yes"], ["Input", tokens.input !== null && `${number(tokens.input)} tokens`], ["Output", tokens.output !== null && `${number(tokens.output)} tokens`], ["Cached", tokens.cached && `${number(tokens.cached)} tokens`], ["Exchange", html`<code>${told.exchange}</code>`], ["Request id", html`<code>${told.request_id}</code>`], ["Worker", told.worker], ["Rules", html`<${Link} to="rules">generation ${rules.generation}<//> <code>${rules.digest?.slice(0, 12)}</code>`]]} /><//>
    </div>`;
}

function Recent() {
  const loaded = useLoad((signal) => get("/exchanges", { limit: 100 }, { signal }));
  const columns = [
    { key: "time", title: "Time", render: (row) => html`<${Link} to=${exchangeOf(row)}>${time(row.time)}<//>` },
    { key: "action", title: "Action", render: (row) => html`<${Tag} tone=${TONES[row.action] ?? ""}>${row.action || "–"}<//>` },
    { key: "status", title: "Status", align: "right" }, { key: "account", title: "Account", render: (row) => html`<${AccountLink} id=${row.account} />` },
    { key: "model", title: "Model" }, { key: "reason", title: "Reason" }, { key: "entry", title: "Entry" }, { key: "exchange", title: "Exchange", render: (row) => html`<code>${row.exchange}</code>` },
  ];
  return html`<${Section} title="Lately" note="From the exchange log"><${Loaded} of=${loaded}>${(data) => html`<${Table} columns=${columns} rows=${data.exchanges ?? data.rows ?? []} rowKey="exchange" caption="Exchanges of lately" hideCaption filename="exchanges" onRow=${(row) => navigate(exchangeOf(row))} empty="No exchange has been logged yet." />`}<//><//>`;
}

function Found({ id }) {
  const loaded = useLoad((signal) => get(`/exchanges/${encodeURIComponent(id)}`, {}, { signal }), [id]);
  if (loaded.error?.status === 404) return html`<${Empty} title="No such exchange"><p>${loaded.error.message}</p><p>Exchanges are kept as long as the exchange log is. One that has just ended appears within seconds.</p><${Button} onClick=${loaded.reload}>Look again<//><//>`;
  if (loaded.error && loaded.data === undefined) return html`<${Failed} error=${loaded.error} retry=${loaded.reload} />`;
  return html`<${Loaded} of=${loaded} lines=${8}>${(told) => html`<${Told} told=${told} />`}<//>`;
}

export default function Exchange({ params }) {
  const { id } = params;
  return html`<${Page} title=${id ? `Exchange ${id}` : "Find an exchange"} lead=${id ? null : "Why was this request refused? Paste the id that its caller got."}>
    <${Search} id=${id} />${id ? html`<${Found} id=${id} />` : html`<${Recent} />`}<//>`;
}
