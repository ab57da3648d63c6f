// A cluster as a picture: accounts are dots, marks are squares, lines say by their dashes what holds them together.
// One stop for the keyboard: arrows go to the nearest node in that direction, Enter opens an account. The table below has the same.
import { html, useMemo, useRef, useState } from "../vendor/ui.js";
import { edgeWords } from "./case_words.js";
import { number } from "./format.js";
import { navigate } from "./router.js";
import { Table } from "./table.js";
import { AccountLink } from "./ui.js";

const WIDTH = 960;
const HEIGHT = 560;
const KINDS = 8;
const ARROWS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
const NEIGHBOURS = 6;

/** The node that an arrow goes to: near, and more or less in its direction; the one it left where there is none. */
export function towards(nodes, from, [dx, dy]) {
  let best = from;
  let least = Infinity;
  nodes.forEach((node, index) => {
    const along = (node.x - nodes[from].x) * dx + (node.y - nodes[from].y) * dy;
    const aside = Math.abs((node.x - nodes[from].x) * dy) + Math.abs((node.y - nodes[from].y) * dx);
    if (index === from || along <= 0 || aside > 2 * along) return;
    if (along + 2 * aside < least) [best, least] = [index, along + 2 * aside];
  });
  return best;
}

/** Kind of line -> its place among the dashes, in the order in which they are frequent. */
export function dashes(edges) {
  const counts = new Map();
  for (const { kind } of edges) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return new Map([...counts].sort((one, other) => other[1] - one[1] || (one[0] < other[0] ? -1 : 1)).map(([kind, count], index) => [kind, { dash: index % KINDS, count }]));
}

/** `graph` as GET /cases/{id}/graph answers it. */
export function CaseGraph({ graph }) {
  const [at, setAt] = useState(0);
  const [picked, setPicked] = useState(false);
  const box = useRef(null);
  const { nodes, edges } = graph;
  const kinds = useMemo(() => dashes(edges), [edges]);
  const lines = useMemo(() => edges.map((edge, index) => ({ ...edge, index, d: `M${x(nodes[edge.one])} ${y(nodes[edge.one])}L${x(nodes[edge.other])} ${y(nodes[edge.other])}` })), [graph]);
  if (!nodes.length) return html`<p class="soft">There is nobody to draw.</p>`;
  const go = (index) => {
    setAt(index);
    setPicked(true);
    box.current.querySelector(`[data-node="${index}"]`)?.focus();
  };
  const pressed = (event) => {
    if (ARROWS[event.key]) {
      event.preventDefault();
      go(towards(nodes, at, ARROWS[event.key]));
    }
    if (event.key === "Enter") open(nodes[at], graph.veiled);
  };
  const few = graph.drawn < graph.accounts ? `The ${number(graph.drawn)} that belong the most are drawn, of ${number(graph.accounts)} accounts.` : `All ${number(graph.accounts)} accounts are drawn.`;
  return html`<div class=${`cluster${picked ? " picked" : ""}`} ref=${box}>
    <p class="soft small">${few} Dots are accounts, squares are what they are known by; those in rows at the bottom are held by nothing that is drawn. Arrow keys go from one to the next, Enter opens an account.</p>
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="group" aria-label=${`The cluster: ${graph.drawn} accounts, ${nodes.length - graph.drawn} marks, ${edges.length} lines`} onKeyDown=${pressed} onFocusOut=${() => setPicked(false)}>
      <g aria-hidden="true">${lines.map((line) => html`<path key=${line.index} class=${`edge e${kinds.get(line.kind).dash}${picked && (line.one === at || line.other === at) ? " near" : ""}`} d=${line.d} />`)}</g>
      ${nodes.map((node, index) => html`<${Node} key=${index} node=${node} index=${index} current=${index === at} picked=${picked && index === at} veiled=${graph.veiled} onPick=${() => { setAt(index); setPicked(true); }} />`)}
    </svg>
    <ul class="edge-kinds" aria-label="What the lines say">${[...kinds].map(([kind, { dash, count }]) => html`<li key=${kind}><svg viewBox="0 0 38 10" aria-hidden="true"><path class=${`edge e${dash}`} d="M0 5L38 5" /></svg>${edgeWords(kind)} <span class="soft">${number(count)}</span></li>`)}</ul>
    <p class="picked-words small" aria-live="polite">${picked ? words(graph, at) : ""}</p>
    <${Numbers} graph=${graph} /></div>`;
}

const x = (node) => Math.round(24 + node.x * (WIDTH - 48));
const y = (node) => Math.round(24 + node.y * (HEIGHT - 48));
const open = (node, veiled) => { if (node.kind === "account" && !veiled) navigate(`accounts/${encodeURIComponent(node.id)}`); };
const called = (node) => (node.kind === "mark" ? node.words : node.id);

function Node({ node, index, current, picked, veiled, onPick }) {
  const size = node.kind === "mark" ? 9 : 4.5 + Math.min(3, Math.max(0, node.nats / 2));
  const [left, top] = [x(node), y(node)];
  return html`<g class=${`node ${node.kind}${picked ? " at" : ""}`} data-node=${index} role=${node.kind === "account" && !veiled ? "link" : "img"} tabindex=${current ? "0" : "-1"}
    aria-label=${node.kind === "mark" ? `Mark: ${node.words}` : `${node.id}, belongs by ${number(node.nats)} nats`} onFocus=${onPick} onClick=${() => open(node, veiled)}>
    <circle class="halo" cx=${left} cy=${top} r=${size + 5} />
    ${node.kind === "mark" ? html`<rect x=${left - size} y=${top - size} width=${2 * size} height=${2 * size} rx="2" />` : html`<circle cx=${left} cy=${top} r=${size} />`}
    ${picked ? html`<text x=${Math.min(WIDTH - 90, Math.max(90, left))} y=${top < 40 ? top + 26 : top - 14}>${shortened(called(node))}</text>` : null}</g>`;
}

const shortened = (text) => (text.length > 40 ? `${text.slice(0, 39)}…` : text);

/** Who a node is, and what holds it to whom. */
function words({ nodes, edges }, at) {
  const near = edges.filter((edge) => edge.one === at || edge.other === at);
  const said = near.slice(0, NEIGHBOURS).map((edge) => `${edgeWords(edge.kind)}: ${called(nodes[edge.one === at ? edge.other : edge.one])}`);
  const more = near.length > NEIGHBOURS ? `, and ${number(near.length - NEIGHBOURS)} more` : "";
  return `${called(nodes[at])} – ${said.join("; ") || "nothing that is drawn holds it"}${more}.`;
}

function Numbers({ graph }) {
  const [shown, setShown] = useState(false);
  const rows = useMemo(() => (shown ? graph.edges.map((edge, index) => ({ index, one: graph.nodes[edge.one], other: graph.nodes[edge.other], kind: edgeWords(edge.kind), weight: edge.weight })) : []), [graph, shown]);
  const end = (node) => (node.kind === "account" && !graph.veiled ? html`<${AccountLink} id=${node.id} />` : called(node));
  return html`<details class="numbers" onToggle=${(event) => setShown(event.currentTarget.open)}><summary>The same as a table</summary>
    ${shown ? html`<${Table} caption="What holds whom together" hideCaption rows=${rows} rowKey="index" filename="cluster" empty="Nothing that is drawn." columns=${[
      { key: "one", title: "One", sort: (row) => called(row.one), filter: (row) => called(row.one), value: (row) => called(row.one), render: (row) => end(row.one) },
      { key: "kind", title: "How" },
      { key: "other", title: "Other", sort: (row) => called(row.other), filter: (row) => called(row.other), value: (row) => called(row.other), render: (row) => end(row.other) },
      { key: "weight", title: "Weight", align: "right", render: (row) => number(row.weight) },
    ]} />` : null}</details>`;
}
