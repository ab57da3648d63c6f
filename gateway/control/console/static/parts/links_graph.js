// Accounts that belong together, as a small picture: one in the middle, the others around it, and what holds them together.
// The picture is for the eye; the table that callers put beside it holds the same, with links.
import { html } from "../vendor/ui.js";
import { navigate } from "./router.js";

const WIDTH = 520;
const HEIGHT = 300;
const SHOWN = 24;
const SHORT = 16;

/**
 * `others`: [{id, how: ["identity" | "organisation"]}]. Those of the same people stand nearer than those of the same
 * organisation alone.
 */
export function LinksGraph({ account, others }) {
  const shown = others.slice(0, SHOWN);
  const places = shown.map((one, index) => place(index, shown.length, one.how.includes("identity")));
  const many = others.length > SHOWN ? `, of whom ${SHOWN} are drawn` : "";
  return html`<svg class="links-graph" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img"
    aria-label="${account} in the middle of ${others.length} linked account${others.length === 1 ? "" : "s"}${many}">
    ${shown.map((one, index) => html`<line key=${one.id} class=${edge(one)} x1=${WIDTH / 2} y1=${HEIGHT / 2} x2=${places[index].x} y2=${places[index].y} />`)}
    ${shown.map((one, index) => html`<g key=${one.id} class="node ${edge(one)}" onClick=${() => navigate(`accounts/${encodeURIComponent(one.id)}`)}>
      <title>${one.id}</title>
      <circle cx=${places[index].x} cy=${places[index].y} r="7" />
      <text x=${places[index].x} y=${places[index].y + (places[index].y < HEIGHT / 2 ? -13 : 21)}>${short(one.id)}</text>
    </g>`)}
    <g class="node self"><circle cx=${WIDTH / 2} cy=${HEIGHT / 2} r="11" /><text x=${WIDTH / 2} y=${HEIGHT / 2 + 27}>${short(account)}</text></g>
  </svg>`;
}

const edge = (one) => (one.how.includes("identity") ? "same-people" : "same-organisation");

const short = (id) => (id.length > SHORT ? `${id.slice(0, SHORT - 1)}…` : id);

/** Around the middle, on the nearer or the farther ellipse; the first one above. */
function place(index, count, near) {
  const angle = (2 * Math.PI * index) / count - Math.PI / 2;
  const reach = near ? 0.72 : 1;
  return {
    x: Math.round(WIDTH / 2 + Math.cos(angle) * (WIDTH / 2 - 70) * reach),
    y: Math.round(HEIGHT / 2 + Math.sin(angle) * (HEIGHT / 2 - 35) * reach),
  };
}
