// Plots: time series by uPlot, heat maps, and small lines beside a number. Each has the same numbers as a table.
import uPlot from "../vendor/uPlot.js";
import { Fragment, html, useEffect, useMemo, useRef, useState } from "../vendor/ui.js";
import { quantity, time } from "./format.js";

const TONES = 8;
const TABLE_ROWS = 30;

/** The time of day alone. */
const clock = (at, seconds) => new Date(at * 1000).toTimeString().slice(0, seconds ? 8 : 5);

/** A colour of the style sheet as it is in the theme that is shown: canvases know nothing of light-dark(). */
export function colour(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** The name of a series' colour: its own, or by its place. */
export const toneOf = (series, index) => series.tone ?? `c${(index % TONES) + 1}`;

/** Counts up when the theme changes. */
function useTheme() {
  const [theme, setTheme] = useState(0);
  useEffect(() => {
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const changed = () => setTheme((old) => old + 1);
    dark.addEventListener("change", changed);
    return () => dark.removeEventListener("change", changed);
  }, []);
  return theme;
}

/** Stacked values: each on the ones after it, so what is drawn first is the tallest. */
function stack(series) {
  const sums = [];
  for (let index = series.length - 1; index >= 0; index--) {
    const above = sums[0];
    sums.unshift(series[index].values.map((value, at) => (value ?? 0) + (above ? above[at] : 0)));
  }
  return sums;
}

function options({ series, unit, stacked, height, width, onZoom, hidden, zones }) {
  const ink = colour("soft");
  const line = colour("line");
  const font = "12px system-ui, sans-serif";
  const axis = { stroke: ink, font, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
  return {
    width, height, legend: { show: false }, padding: [8, 18, 0, 0],
    cursor: { y: false, drag: { x: Boolean(onZoom), y: false }, points: { size: 6 } },
    scales: { x: { time: true }, y: { range: (_, low, high) => [Math.min(0, low ?? 0), high > 0 ? high * 1.08 : 1] } },
    axes: [{ ...axis, size: 30, space: 70, values: (_, splits) => splits.map((one) => clock(one, splits[1] - splits[0] < 60)) },
      { ...axis, size: 62, values: (_, splits) => splits.map((one) => quantity(one, unit)) }],
    series: [{}, ...series.map((one, index) => {
      const stroke = colour(toneOf(one, index));
      return { label: one.label, stroke, width: stacked ? 1 : 1.75, fill: stacked ? stroke : one.fill ? stroke.replace("rgb(", "rgba(").replace(")", ", 0.12)") : undefined,
        dash: one.dashed ? [5, 4] : undefined, points: { show: false }, show: !hidden.has(one.label), spanGaps: false };
    })],
    hooks: { ...zones,
      setSelect: onZoom ? [(plot) => { if (plot.select.width > 3) onZoom(plot.posToVal(plot.select.left, "x"), plot.posToVal(plot.select.left + plot.select.width, "x")); }] : [] },
  };
}

function Numbers({ series, times, unit, title }) {
  const [open, setOpen] = useState(false);
  const from = Math.max(0, times.length - TABLE_ROWS);
  return html`<details class="numbers" onToggle=${(event) => setOpen(event.currentTarget.open)}><summary>The last numbers as a table</summary>
    ${open ? html`<div class="scroll" tabindex="0" role="region" aria-label=${`${title}: numbers`}><table><caption class="unseen">${title}</caption>
      <thead><tr><th scope="col">Time</th>${series.map((one) => html`<th key=${one.label} scope="col" class="n">${one.label}</th>`)}</tr></thead>
      <tbody>${times.slice(from).map((at, index) => html`<tr key=${at}><td>${time(at)}</td>${series.map((one) => html`<td key=${one.label} class="n">${quantity(one.values[from + index], unit)}</td>`)}</tr>`).reverse()}</tbody></table></div>` : null}</details>`;
}

/**
 * series: [{label, values, tone?, dashed?, fill?}] beside `times` (Unix seconds). `unit`: seconds, bytes, spend, share or a word.
 * `onZoom(from, until)` is called by dragging. Names in the legend hide and show their series.
 */
export function TimePlot({ title, series, times, unit = "", stacked = false, height = 200, onZoom }) {
  const box = useRef(null);
  const plot = useRef(null);
  const [hidden, setHidden] = useState(() => new Set());
  const [at, setAt] = useState(null);
  const theme = useTheme();
  const shown = series.filter((one) => !hidden.has(one.label));
  const data = useMemo(() => {
    const sums = stacked ? stack(shown) : null;
    return [times, ...series.map((one) => (hidden.has(one.label) ? times.map(() => null) : sums ? sums[shown.indexOf(one)] : one.values))];
  }, [series, times, stacked, hidden]);
  const kind = series.map((one) => `${one.label}\u0000${one.tone ?? ""}`).join("\u0001");
  useEffect(() => {
    const width = box.current.clientWidth || 600;
    const made = new uPlot(options({ series, unit, stacked, height, width, onZoom, hidden, zones: { setCursor: [(one) => setAt(one.cursor.idx ?? null)] } }), data, box.current);
    plot.current = made;
    const resized = new ResizeObserver(([entry]) => { if (entry.contentRect.width) made.setSize({ width: Math.floor(entry.contentRect.width), height }); });
    resized.observe(box.current);
    return () => {
      resized.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [kind, unit, stacked, height, hidden, theme, Boolean(onZoom)]);
  useEffect(() => { plot.current?.setData(data); }, [data]);
  const index = at ?? times.length - 1;
  const toggle = (label) => setHidden((old) => { const next = new Set(old); if (!next.delete(label)) next.add(label); return next; });
  const words = times.length ? series.map((one) => `${one.label} ${quantity(one.values[times.length - 1], unit)}`).join(", ") : "no numbers yet";
  return html`<figure class="plot">
    <div class="plot-box" ref=${box} role="img" aria-label=${`${title}: ${words}`} style=${{ height: `${height}px` }}></div>
    <figcaption class="legend">${series.map((one, place) => html`<button type="button" key=${one.label} class="quiet key" aria-pressed=${hidden.has(one.label) ? "false" : "true"} onClick=${() => toggle(one.label)}>
      <span class="swatch" style=${{ background: `var(--${toneOf(one, place)})` }} aria-hidden="true"></span>${one.label} <b class="n">${quantity(one.values[index], unit)}</b></button>`)}
      ${at !== null && times[at] ? html`<span class="soft small">at ${time(times[at])}</span>` : null}</figcaption>
    <${Numbers} series=${series} times=${times} unit=${unit} title=${title} /></figure>`;
}

/** rows: names; columns: names (of times); values[row][column]. `onPick(row, column)` by a click; the table has the same. */
export function HeatMap({ title, rows, columns, values, unit = "", tone = "c7", onPick }) {
  const [open, setOpen] = useState(false);
  const most = Math.max(1e-9, ...values.flat());
  const sum = (row) => row.reduce((all, one) => all + one, 0);
  const top = rows.map((name, index) => [name, sum(values[index])]).sort((one, other) => other[1] - one[1])[0];
  const step = Math.max(1, Math.ceil(columns.length / 6));
  return html`<figure class="heat" style=${{ color: `var(--${tone})` }}>
    <div class="heat-grid" role="img" aria-label=${`${title}: ${top ? `most of ${top[0]}, ${quantity(top[1], unit)}` : "nothing"}`}>
      ${rows.map((name, row) => html`<${Fragment} key=${name}><span class="heat-name" title=${name}>${name}</span>
        <span class="heat-row" style=${{ gridTemplateColumns: `repeat(${columns.length}, minmax(0, 1fr))` }}>${columns.map((column, index) => {
          const value = values[row][index];
          return html`<span key=${index} class="heat-cell" title=${value ? `${name}, ${column}: ${quantity(value, unit)}` : undefined} style=${{ opacity: value ? 0.2 + 0.8 * Math.sqrt(value / most) : 0 }}
            onClick=${onPick && value ? () => onPick(name, column) : undefined}></span>`;
        })}</span><span class="heat-sum n">${quantity(sum(values[row]), unit)}</span><//>`)}
      <span></span><span class="heat-times">${columns.filter((_, index) => index % step === 0).map((column) => html`<span key=${column}>${column}</span>`)}</span><span></span></div>
    <details class="numbers" onToggle=${(event) => setOpen(event.currentTarget.open)}><summary>The same as a table</summary>
      ${open ? html`<div class="scroll" tabindex="0" role="region" aria-label=${`${title}: numbers`}><table><thead><tr><th scope="col">Name</th>${columns.map((column) => html`<th key=${column} scope="col" class="n">${column}</th>`)}</tr></thead>
        <tbody>${rows.map((name, row) => html`<tr key=${name}><th scope="row">${name}</th>${values[row].map((value, index) => html`<td key=${index} class="n">${value ? quantity(value, unit) : "–"}</td>`)}</tr>`)}</tbody></table></div>` : null}</details></figure>`;
}

/** A line as tall as a word. */
export function Spark({ values, label, width = 96, height = 22 }) {
  const most = Math.max(1e-9, ...values);
  const points = values.map((value, index) => `${((index / Math.max(1, values.length - 1)) * width).toFixed(1)},${(height - 2 - (value / most) * (height - 4)).toFixed(1)}`).join(" ");
  return html`<svg class="spark" role="img" aria-label=${label} viewBox=${`0 0 ${width} ${height}`} width=${width} height=${height}><polyline points=${points} /></svg>`;
}
