// A table that is filtered, sorted, linked and exported, by keyboard too. Above some hundred rows only what is seen is in the DOM.
import { html, useEffect, useMemo, useRef, useState } from "../vendor/ui.js";
import { Button, Empty, useId } from "./ui.js";
import { number } from "./format.js";

const WHOLE = 300;
const ROW = 37;
const MORE = 12;

const plain = (value) => (value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value));
const valueOf = (column, row) => (typeof column.sort === "function" ? column.sort(row) : row[column.key]);
const textOf = (column, row) => plain(typeof column.filter === "function" ? column.filter(row) : row[column.key]);

const COLLATE = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

function compare(one, other) {
  const empty = (value) => value === null || value === undefined || value === "";
  if (empty(one) || empty(other)) return empty(one) - empty(other);
  if (typeof one === "number" && typeof other === "number") return one - other;
  return COLLATE.compare(plain(one), plain(other));
}

/** A cell that a spreadsheet takes for text: what begins like a formula gets a quote before it (OWASP, CSV injection). */
export function cell(value) {
  const text = plain(value);
  const safe = typeof value !== "number" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Have the browser keep a file. */
export function download(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** Rows of the columns as CSV (RFC 4180) or JSON. A column's `value(row)` goes before what it sorts by. */
export function exported(columns, rows, kind) {
  const value = (column, row) => (column.value ? column.value(row) : row[column.key] ?? valueOf(column, row));
  if (kind === "json") return JSON.stringify(rows, null, 2);
  const lines = [columns.map((column) => cell(column.title)), ...rows.map((row) => columns.map((column) => cell(value(column, row))))];
  return lines.map((line) => line.join(",")).join("\r\n") + "\r\n";
}

function Head({ columns, order, onSort }) {
  return html`<thead><tr>${columns.map((column) => {
    const sorted = order.key === column.key ? (order.down ? "descending" : "ascending") : undefined;
    const can = column.sort !== false;
    return html`<th key=${column.key} scope="col" class=${column.align === "right" ? "n" : ""} aria-sort=${can ? sorted ?? "none" : undefined}>
      ${can ? html`<button type="button" class="sort" onClick=${() => onSort(column)}>${column.title}<span aria-hidden="true" class="arrow">${sorted ? (order.down ? "▼" : "▲") : "↕"}</span></button>` : column.title}</th>`;
  })}</tr></thead>`;
}

/**
 * columns: [{key, title, render(row)?, sort (row) => value | false?, align?: "right", filter (row) => text | false?, value (row)?}].
 * `rowKey` is a key of rows or a function. `filter={false}` leaves the box out. `order`: {key, down} at first.
 * `onRow(row)` opens a row by a click as well; the link in it is what the keyboard has. `tone(row)` is a class of the row.
 */
export function Table({ columns, rows, rowKey = "id", caption, empty = "Nothing yet.", filename = "", filter = true, order: first = {}, actions, onRow, tone, hideCaption = false }) {
  const [word, setWord] = useState("");
  const [order, setOrder] = useState(first);
  const [top, setTop] = useState(0);
  const box = useRef(null);
  const id = useId("filter");
  const shown = useMemo(() => {
    const words = word.toLowerCase().split(/\s+/).filter(Boolean);
    const searched = columns.filter((column) => column.filter !== false);
    const found = words.length
      ? rows.filter((row) => { const text = searched.map((column) => textOf(column, row)).join(" ").toLowerCase(); return words.every((one) => text.includes(one)); })
      : rows;
    const column = columns.find((one) => one.key === order.key);
    if (!column) return found;
    const sorted = [...found].sort((one, other) => compare(valueOf(column, one), valueOf(column, other)));
    return order.down ? sorted.reverse() : sorted;
  }, [rows, word, order, columns]);
  useEffect(() => { if (box.current) box.current.scrollTop = 0; setTop(0); }, [word, order]);
  const sort = (column) => setOrder((old) => ({ key: column.key, down: old.key === column.key ? !old.down : column.align === "right" }));
  const keyOf = (row, index) => (typeof rowKey === "function" ? rowKey(row) : row[rowKey] ?? index);

  const virtual = shown.length > WHOLE;
  const room = box.current?.clientHeight || 600;
  const from = virtual ? Math.max(0, Math.floor(top / ROW) - MORE) : 0;
  const to = virtual ? Math.min(shown.length, Math.ceil((top + room) / ROW) + MORE) : shown.length;
  const space = (count) => (virtual && count > 0 ? html`<tr class="space" aria-hidden="true"><td colspan=${columns.length} style=${{ height: `${count * ROW}px` }}></td></tr>` : null);
  const few = word ? `${number(shown.length)} of ${number(rows.length)}` : number(rows.length);

  return html`<div class="table">
    ${filter || filename || actions ? html`<div class="table-tools">
      ${filter ? html`<label class="unseen" for=${id}>Filter ${caption}</label>
        <input id=${id} type="search" class="filter" data-filter placeholder="Filter" value=${word} onInput=${(event) => setWord(event.target.value)} />
        <span class="soft small" role="status">${few} ${rows.length === 1 ? "row" : "rows"}</span>` : null}
      <div class="row end grow">${actions}
        ${filename ? html`<${Button} class="small" disabled=${!shown.length} onClick=${() => download(`${filename}.csv`, "text/csv", exported(columns, shown, "csv"))}>CSV<//>
          <${Button} class="small" disabled=${!shown.length} onClick=${() => download(`${filename}.json`, "application/json", exported(columns, shown, "json"))}>JSON<//>` : null}</div>
    </div>` : null}
    ${!rows.length ? html`<${Empty}>${empty}<//>` : html`<div class=${`scroll${virtual ? " virtual" : ""}`} ref=${box} tabindex="0" role="region" aria-label=${`${caption}: table`}
      onScroll=${virtual ? (event) => setTop(event.target.scrollTop) : undefined}>
      <table aria-rowcount=${virtual ? shown.length + 1 : undefined}>
        ${caption ? html`<caption class=${hideCaption ? "unseen" : ""}>${caption}</caption>` : null}
        <${Head} columns=${columns} order=${order} onSort=${sort} />
        <tbody>${space(from)}${shown.slice(from, to).map((row, index) => html`<tr key=${keyOf(row, from + index)} class=${tone?.(row) ?? ""}
          aria-rowindex=${virtual ? from + index + 2 : undefined}
          onClick=${onRow ? (event) => { if (!event.target.closest("a,button,input,select,label") && !getSelection().toString()) onRow(row); } : undefined}>
          ${columns.map((column) => html`<td key=${column.key} class=${column.align === "right" ? "n" : ""}>${column.render ? column.render(row) : plain(row[column.key])}</td>`)}</tr>`)}
          ${space(shown.length - to)}</tbody></table>
      ${!shown.length ? html`<${Empty}>Nothing matches “${word}”.<//>` : null}</div>`}
  </div>`;
}
