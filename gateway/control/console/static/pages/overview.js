// How it goes: rates, refusals, latency, where from, and who is busy. Live by the second.
import { get, stream } from "../parts/api.js";
import { compact, duration, number, percent, time } from "../parts/format.js";
import { standing } from "../parts/alarms.js";
import { LiveTag } from "../parts/live_tag.js";
import { HeatMap, Spark, TimePlot } from "../parts/plot.js";
import { append, columns, ranked, recent } from "../parts/series.js";
import { Busy, Models, Where } from "../parts/overview_tables.js";
import { Empty, Failed, Link, Loading, Notice, Page, Section, html, useEffect, useMemo, useState } from "../parts/ui.js";
import { href, navigate, setQuery } from "../parts/router.js";
import { may } from "../parts/session.js";

const SPANS = { "5m": { step: 1, words: "5 minutes" }, "1h": { step: 10, words: "1 hour" }, "24h": { step: 60, words: "24 hours" } };
const COLUMNS = 48;

/** {data, error, state}: asked once a span, then live; the longer spans are asked anew at each of their steps. */
function useOverview(step) {
  const [data, setData] = useState();
  const [error, setError] = useState(null);
  const [state, setState] = useState("connecting");
  const [round, setRound] = useState(0);
  useEffect(() => {
    let here = true;
    setData(undefined);
    const ask = () => get("/overview", { step }).then(
      (told) => { if (here) { setData(told); setError(null); } },
      (failure) => { if (here) setError(failure); },
    );
    ask();
    const timer = step > 1 ? setInterval(ask, step * 1000) : 0;
    let lost = false;
    const close = stream("/live/overview", {}, { second: (one) => setData((old) => (old && old.step === 1 ? append(old, one) : old && { ...old, now: one })) }, (now, failure) => {
      setState(now);
      // What was missed while the line was down is asked for once.
      if (now === "live" && lost) ask();
      lost = now === "lost";
      if (now === "over") setError((old) => old ?? failure);
    });
    return () => { here = false; clearInterval(timer); close(); };
  }, [step, round]);
  return { data, error, state, retry: () => setRound((old) => old + 1) };
}

function Tile({ name, value, more, to, query, tone = "", text = false, spark, label }) {
  const inside = html`<span class="name">${name}</span><span class="tile-row"><span class=${`value${text ? " text" : ""}`}>${value}</span>
    ${spark ? html`<${Spark} values=${spark.map((one) => one ?? 0)} label=${label} />` : null}</span>${more ? html`<span class="more">${more}</span>` : null}`;
  return to ? html`<a class=${`tile ${tone}`} href=${href(to, query)}>${inside}</a>` : html`<div class=${`tile ${tone}`}>${inside}</div>`;
}

function Tiles({ data }) {
  const { series, now } = data;
  const last = (name) => series[name] ?? [];
  const rate = recent(last("requests"));
  const refused = recent(last("refused"));
  const [reason] = ranked(data.reasons);
  const [entry] = ranked(data.entries);
  const short = now && now.workers < now.wanted;
  const away = now && now.store_available < now.workers;
  const people = may("people");
  const tail = (name) => last(name).slice(-60);
  return html`<div class="tiles four">
    <${Tile} name="Requests/s" value=${compact(rate)} spark=${tail("requests")} label="Requests/s of the last minute" more=${`${number(now?.active)} under way`} to=${people ? "decisions" : ""} />
    <${Tile} name="Refused" value=${rate ? percent(refused / rate) : "–"} spark=${tail("refused")} label="Refusals/s of the last minute" more=${reason ? `most: ${reason[0]}` : "none"} to=${people ? "decisions" : ""} query=${{ action: "refused" }} />
    <${Tile} name="Tokens/s" value=${compact((recent(last("tokens_input")) ?? 0) + (recent(last("tokens_output")) ?? 0))} spark=${tail("tokens_output")} label="Output tokens/s of the last minute" more="in and out" />
    <${Tile} name="Latency p95" value=${duration(recent(last("p95")))} spark=${tail("p95")} label="Latency p95 of the last minute" more=${`deciding ${duration(recent(last("decision_p95")))}`} />
    <${Tile} name="Workers" value=${now ? `${now.workers} of ${now.wanted}` : "–"} tone=${short ? "bad" : ""} more=${short ? "some do not answer" : `${number(now?.connections)} connections`} to="health" />
    <${Tile} name="Redis" value=${now ? (away ? "Away" : "There") : "–"} tone=${away ? "bad" : ""} more=${away ? `${now.workers - now.store_available} workers do not reach it` : "reached by all workers"} to="health" />
    <${Tile} name="Rules" value=${`Gen. ${now?.generation ?? "–"}`} more=${`overrides: revision ${now?.revision ?? standing.value.revision ?? "–"}`} to="rules" />
    <${Tile} name="Refuses most" text value=${entry ? entry[0] : "nobody"} more=${entry ? `${number(Math.round(entry[2] * data.step))} refusals` : "no refusals in this time"} to="limits" />
  </div>`;
}

function Plots({ data, words }) {
  const { times, series } = data;
  const line = (label, name, tone, more = {}) => ({ label, values: series[name] ?? times.map(() => null), tone, ...more });
  const requests = useMemo(() => [line("Allowed", "allowed", "c3"), line("Refused", "refused", "c7"), line("Failed", "failed", "c5"), line("Left early", "left", "c8")], [data]);
  const tokens = useMemo(() => [line("Input", "tokens_input", "c1"), line("Output", "tokens_output", "c4"), line("Cached", "tokens_cached", "c8")], [data]);
  const latency = useMemo(() => [line("p50", "p50", "c3"), line("p95", "p95", "c5"), line("p99", "p99", "c7")], [data]);
  const reasons = useMemo(() => ranked(data.reasons).slice(0, 9).map(([label, values]) => ({ label, values })), [data]);
  return html`<div class="grid">
    <${Section} title="Requests each second" note=${words}><${TimePlot} title="Requests each second" series=${requests} times=${times} stacked /><//>
    <${Section} title="Refusals by reason" note="Each second">${reasons.length ? html`<${TimePlot} title="Refusals by reason" series=${reasons} times=${times} stacked />` : html`<${Empty} title="No refusals">Nobody was refused in this time.<//>`}<//>
    <${Section} title="Tokens each second" note=${words}><${TimePlot} title="Tokens each second" series=${tokens} times=${times} unit="tokens" /><//>
    <${Section} title="Latency" note="From the last byte of the request's head to the end of the answer"><${TimePlot} title="Latency" series=${latency} times=${times} unit="seconds" /><//>
  </div>`;
}

function Refusals({ data }) {
  const rows = ranked(data.reasons).slice(0, 12);
  const made = columns(data.times, rows.map(([, values]) => values), COLUMNS, data.step);
  const names = made.columns.map((one) => time(one).slice(-8, data.step === 1 ? undefined : -3));
  const pick = may("people") ? (reason) => navigate("decisions", { query: { reason } }) : undefined;
  return html`<${Section} title="When what was refused" note="The stronger the colour, the more refusals. A square leads to the decisions.">
    ${rows.length ? html`<${HeatMap} title="Refusals by reason and time" rows=${rows.map(([name]) => name)} columns=${names} values=${made.values} onPick=${pick} />
      ${may("people") ? html`<ul class="inline small" aria-label="Decisions by reason">${rows.map(([name]) => html`<li key=${name}><${Link} to="decisions" query=${{ reason: name }}>${name}<//></li>`)}</ul>` : null}`
      : html`<${Empty} title="No refusals">When somebody is refused, it shows here by reason and time.<//>`}<//>`;
}

export default function Overview({ query }) {
  const span = SPANS[query.span] ? query.span : "5m";
  const { data, error, state, retry } = useOverview(SPANS[span].step);
  const actions = html`<${LiveTag} state=${state} /><div class="segments" role="group" aria-label="Time shown">${Object.entries(SPANS).map(([key, one]) => html`<button type="button" key=${key} aria-pressed=${key === span ? "true" : "false"} onClick=${() => setQuery({ span: key === "5m" ? "" : key })}>${one.words}</button>`)}</div>`;
  return html`<${Page} title="Overview" actions=${actions}>
    ${!data && error ? html`<${Failed} error=${error} retry=${retry} />` : null}
    ${data && error ? html`<${Notice} tone="warn">What you see is what was last known. ${error.message}<//>` : null}
    ${!data && !error ? html`<${Loading} what="Loading the overview" lines=${8} />` : null}
    ${data ? html`<${Tiles} data=${data} />
      ${data.times.length ? html`<${Plots} data=${data} words=${`The last ${SPANS[span].words}`} />
      <div class="grid broad">${may("people") ? html`<${Busy} />` : null}<${Models} models=${data.models} /></div>
      <${Where} countries=${data.countries} words=${`of the last ${SPANS[span].words}`} />
      <${Refusals} data=${data} />`
      : html`<${Empty} title="No second has passed yet">The gateway has just started. Numbers come with the first second.<//>`}` : null}
  <//>`;
}
