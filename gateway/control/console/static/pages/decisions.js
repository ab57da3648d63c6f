// Decisions as they are made, filtered by the gateway. 1,000 a second are held, some thirty are in the DOM.
import { stream } from "../parts/api.js";
import { FilterBar, wanted } from "../parts/decision_filters.js";
import { TONES, exchangeOf, tokensOf } from "../parts/decision_rows.js";
import { compact, country, duration, number, time } from "../parts/format.js";
import { Ring } from "../parts/ring.js";
import { download, exported } from "../parts/table.js";
import { AccountLink, Button, Empty, Failed, Link, Notice, Page, Tag, html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../parts/ui.js";
import { navigate } from "../parts/router.js";
import { LiveTag } from "../parts/live_tag.js";

const HELD = 5000;
const ROW = 34;
const OVER = 6;
const STEADY = 500;

const COLUMNS = [
  { key: "time", title: "Time", render: (row) => html`<${Link} to=${exchangeOf(row)} title=${row.exchange}>${time(row.time)}<span class="unseen"> ${row.action} ${row.account}</span><//>` },
  { key: "action", title: "Action", render: (row) => html`<${Tag} tone=${TONES[row.action] ?? ""}>${row.action}<//>` },
  { key: "status", title: "Status", align: "right", render: (row) => row.status || "–" },
  { key: "account", title: "Account", render: (row) => html`<${AccountLink} id=${row.account} />` },
  { key: "model", title: "Model", render: (row) => row.model || "–" },
  { key: "reason", title: "Reason", render: (row) => row.reason },
  { key: "entry", title: "Entry", render: (row) => row.entry },
  { key: "country", title: "From", render: (row) => html`<span title=${country(row.country)}>${row.country || "–"}</span>` },
  { key: "tokens", title: "Tokens", align: "right", value: tokensOf, render: (row) => compact(tokensOf(row)) },
  { key: "seconds", title: "Took", align: "right", render: (row) => duration(row.seconds) },
];
const EXPORTED = [...COLUMNS, ...["exchange", "request_id", "tier", "key", "organisation", "client_address", "path"].map((key) => ({ key, title: key }))];

/** The ring of the feed that the filters ask for, and how the feed is. */
function useFeed(filters) {
  const [, redraw] = useState(0);
  const ring = useMemo(() => new Ring(HELD, () => redraw((old) => old + 1)), []);
  const [state, setState] = useState(["connecting", null]);
  const [round, setRound] = useState(0);
  const key = JSON.stringify(filters);
  useEffect(() => {
    ring.clear();
    const ended = ({ error }) => setState(["over", new Error(error)]);
    const close = stream("/live/decisions", filters, { decisions: (rows) => ring.add(rows), skipped: ({ skipped }) => ring.skip(skipped), end: ended }, (now, error) => setState((old) => (old[0] === "over" ? old : [now, error ?? null])));
    return close;
  }, [key, round]);
  // The rate falls also when nothing comes.
  useEffect(() => {
    const timer = setInterval(() => ring.later(), STEADY);
    return () => { clearInterval(timer); ring.close(); };
  }, []);
  return { ring, state: state[0], error: state[1], again: () => { setState(["connecting", null]); setRound((old) => old + 1); } };
}

function Rows({ ring, onHold }) {
  const box = useRef(null);
  const [top, setTop] = useState(0);
  const height = box.current?.clientHeight || 600;
  const from = Math.max(0, Math.floor(top / ROW) - OVER);
  const to = Math.min(ring.length, Math.ceil((top + height) / ROW) + OVER);
  const space = (count) => html`<tr class="space" aria-hidden="true"><td colspan=${COLUMNS.length} style=${{ height: `${Math.max(0, count) * ROW}px` }}></td></tr>`;
  const rows = [];
  // By place, not by id: the same rows of the DOM get other texts, none is made or thrown away.
  for (let index = from; index < to; index++) {
    const row = ring.at(index);
    rows.push(html`<tr key=${index - from} aria-rowindex=${index + 2} class=${row.action === "allow" ? "" : "refused"}>${COLUMNS.map((column) => html`<td key=${column.key} class=${`c-${column.key}${column.align === "right" ? " n" : ""}`}>${column.render(row)}</td>`)}</tr>`);
  }
  const scrolled = (event) => {
    setTop(event.target.scrollTop);
    onHold("scroll", event.target.scrollTop > ROW);
  };
  const click = (event) => {
    const line = event.target.closest("tbody tr");
    if (!line || event.target.closest("a") || getSelection().toString()) return;
    const row = ring.at(Number(line.getAttribute("aria-rowindex")) - 2);
    if (row) navigate(exchangeOf(row));
  };
  const focused = (event) => onHold("focus", event.type === "focusin" && event.target !== box.current);
  return html`<div class="scroll virtual live" ref=${box} tabindex="0" role="region" aria-label="Decisions, newest first" onScroll=${scrolled} onClick=${click}
    onMouseEnter=${() => onHold("mouse", true)} onMouseLeave=${() => onHold("mouse", false)} onfocusin=${focused} onfocusout=${focused}>
    <table aria-rowcount=${ring.length + 1}><caption class="unseen">Decisions, newest first. P holds the list.</caption>
      <thead><tr>${COLUMNS.map((column) => html`<th key=${column.key} scope="col" class=${`c-${column.key}${column.align === "right" ? " n" : ""}`}>${column.title}</th>`)}</tr></thead>
      <tbody>${from ? space(from) : null}${rows}${to < ring.length ? space(ring.length - to) : null}</tbody></table></div>`;
}

/** What holds the list: `p`, the mouse over it, the focus in it, or that it is scrolled. */
function useHold(ring) {
  const [held, setHeld] = useState(() => new Set());
  const hold = (what, on) => setHeld((old) => {
    if (old.has(what) === on) return old;
    const next = new Set(old);
    if (on) next.add(what); else next.delete(what);
    return next;
  });
  useLayoutEffect(() => { ring.hold(held.size > 0); }, [held]);
  useEffect(() => {
    const pressed = (event) => {
      if (event.key !== "p" || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea") || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      setHeld((old) => { const next = new Set(old); if (!next.delete("key")) next.add("key"); return next; });
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
  return [held, hold];
}

const WHY = { key: "by you", mouse: "while the mouse is over it", focus: "while a row has the focus", scroll: "while it is scrolled" };

export default function Decisions({ query }) {
  const filters = wanted(query);
  const { ring, state, error, again } = useFeed(filters);
  const [held, hold] = useHold(ring);
  const save = (kind) => download(`decisions.${kind}`, kind === "csv" ? "text/csv" : "application/json", exported(EXPORTED, ring.all(), kind));
  const why = Object.keys(WHY).find((one) => held.has(one));
  const filtered = Object.keys(filters).length > 0;
  const actions = html`<${LiveTag} state=${state} /><${Button} aria-pressed=${held.has("key") ? "true" : "false"} aria-keyshortcuts="p" onClick=${() => hold("key", !held.has("key"))}>${held.has("key") ? "Go on" : "Hold"} <kbd aria-hidden="true">p</kbd><//>
    <${Button} disabled=${!ring.length} onClick=${() => save("csv")}>CSV<//><${Button} disabled=${!ring.length} onClick=${() => save("json")}>JSON<//>`;
  return html`<${Page} title="Decisions" wide actions=${actions}>
    <${FilterBar} query=${query} errors=${error?.fields ?? {}} />
    ${state === "over" && error ? html`<${Failed} error=${error} retry=${again} />` : null}
    ${state === "lost" ? html`<${Notice} tone="warn">The line to the gateway is lost; it is tried again by itself. ${error?.message}<//>` : null}
    <div class="feed-line"><span><b class="n rate">${number(Math.round(ring.rate()))}</b> a second</span><span><b class="n">${number(ring.length)}</b> held</span>
      <span class=${ring.skipped ? "warned" : "soft"} title="Decisions that were more than this page takes: export the exchange log for all of them"><b class="n">${number(ring.skipped)}</b> skipped</span>
      ${held.size ? html`<${Tag} tone="warn">Held ${WHY[why]}: ${number(ring.waiting.length + ring.left)} waiting<//>` : html`<span class="soft">Newest first. Hover to hold.</span>`}</div>
    <section class="card flush" aria-label="Decisions">${ring.length ? html`<${Rows} ring=${ring} onHold=${hold} />`
      : html`<${Empty} title=${state === "live" ? "Waiting for the next decision" : "No decision yet"}>${filtered ? "None has matched the filters so far. What matches next shows here at once." : "As soon as somebody asks for something, it shows here."}<//>`}</section>
  <//>`;
}
