// What was done to overrides, the newest first, each with what it changed.
import { Button, Fragment, Loaded, Tag, html, useEffect, useLoad, useState } from "./ui.js";
import { ago, number, time } from "./format.js";
import { ALL_LIMITS, amount, brief, each, whom } from "./limit_words.js";
import { historyOf, historyOfAll } from "./override_api.js";
import { Table } from "./table.js";

const PAGE = 100;
const DID = { set: "ok", change: "info", withdraw: "warn", undo: "shadow" };
const WORDS = { set: "set", change: "changed", withdraw: "taken back", undo: "undone" };

/** [name, before, after] of what differs; `measure` is that of the limit. Pure. */
export function diff(before, after, measure) {
  const facts = (one) => (one === null || one === undefined ? {} : {
    what: one.withdrawn ? "taken back" : brief(one.change, measure),
    "at most": known(one.change?.capacity) ? amount(one.change.capacity, measure) : undefined,
    back: known(one.change?.refill) ? amount(one.change.refill, measure) : undefined,
    every: known(one.change?.every) ? each(one.change.every) : undefined,
    times: known(one.change?.factor) && one.change.kind === "scale" ? number(one.change.factor) : undefined,
    ends: one.expires ? time(one.expires, { whole: true }) : "when taken back",
    reason: one.reason,
    by: one.by,
  });
  const [old, now] = [facts(before), facts(after)];
  return [...new Set([...Object.keys(old), ...Object.keys(now)])].filter((name) => old[name] !== now[name]).map((name) => [name, old[name], now[name]]);
}

const known = (value) => value !== undefined && value !== null;

export function Diff({ row, measure }) {
  const parts = diff(row.before, row.after, measure).filter(([name]) => row.before || !["by", "reason"].includes(name));
  if (!parts.length) return html`<span class="soft">nothing</span>`;
  return html`<dl class="diff">${parts.map(([name, old, now]) => html`<${Fragment} key=${name}><dt>${name}</dt>
    <dd>${old === undefined ? null : html`<del>${old}</del> `}${now === undefined ? null : html`<ins>${now}</ins>`}</dd><//>`)}</dl>`;
}

/** Of all overrides, or of one. */
export function History({ override, measures, round = 0 }) {
  const [older, setOlder] = useState([]);
  const [tail, setTail] = useState(null);
  const load = (after, signal) => (override ? historyOf(override, { limit: PAGE, after }, signal) : historyOfAll({ limit: PAGE, after }, signal));
  useEffect(() => { setOlder([]); }, [round]);
  const first = useLoad((signal) => load(undefined, signal), [override?.id ?? 0, round]);
  return html`<${Loaded} of=${first}>${(data) => {
    const rows = [...data.changes, ...older];
    const next = older.length ? tail : data.next;
    const more = async () => {
      const page = await load(next);
      setOlder([...older, ...page.changes]);
      setTail(page.next);
    };
    return html`<${Table} caption="What was done to overrides" hideCaption rows=${rows} rowKey="revision" filename="override-history" columns=${columns(measures)}
        order=${{ key: "revision", down: true }} empty="Nobody has ever changed a limit here." />
      ${next ? html`<div class="row"><${Button} onClick=${more}>Older<//></div>` : null}`;
  }}<//>`;
}

const about = (row) => row.after ?? row.before ?? { scope: {}, limit: "" };

const columns = (measures) => [
  { key: "revision", title: "Revision", align: "right" },
  { key: "at", title: "When", filter: false, render: (row) => html`<span title=${time(row.at, { whole: true })}>${ago(row.at)}</span>` },
  { key: "who", title: "Who" },
  { key: "did", title: "Did", render: (row) => html`<${Tag} tone=${DID[row.did] ?? ""}>${WORDS[row.did] ?? row.did}<//>` },
  { key: "limit", title: "Limit", value: (row) => about(row).limit, filter: (row) => about(row).limit, sort: (row) => about(row).limit, render: (row) => (about(row).limit === ALL_LIMITS ? "all limits" : about(row).limit) },
  { key: "scope", title: "For whom", value: (row) => whom(about(row).scope), filter: (row) => whom(about(row).scope), sort: (row) => whom(about(row).scope), render: (row) => whom(about(row).scope) },
  { key: "diff", title: "Difference", sort: false, filter: false, value: (row) => diff(row.before, row.after).map((one) => one.join(" ")).join("; "), render: (row) => html`<${Diff} row=${row} measure=${measures[about(row).limit]} />` },
  { key: "reason", title: "Why", render: (row) => html`<span class="reason">${row.reason}</span>` },
];
