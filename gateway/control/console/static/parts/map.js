// The world: countries shaded by a number, small states as points, and marks at places.
import { world } from "../vendor/world.js";
import { html, useMemo } from "../vendor/ui.js";
import { country, quantity } from "./format.js";

/** Equal Earth (Šavrič, Patterson and Jenny, 2018): longitude and latitude in degrees -> [x, y] of the map. */
export function project(lon, lat) {
  const [a1, a2, a3, a4] = [1.340264, -0.081106, 0.000893, 0.003796];
  const root = Math.sqrt(3) / 2;
  const l = Math.asin(root * Math.sin((lat * Math.PI) / 180));
  const l2 = l * l;
  const l6 = l2 * l2 * l2;
  const x = ((lon * Math.PI) / 180) * Math.cos(l) / (root * (a1 + 3 * a2 * l2 + l6 * (7 * a3 + 9 * a4 * l2)));
  const y = l * (a1 + a2 * l2 + l6 * (a3 + a4 * l2));
  return [world.x + world.scale * x, world.y - world.scale * y];
}

const valueOf = (one) => (typeof one === "object" && one !== null ? one.value : one) ?? 0;
const SMALL = new Set(world.small);
const CODES = Object.keys(world.land);
const STEPS = 5;

/**
 * byCountry: {DE: 12} or {DE: {value, label}} by ISO 3166-1 alpha-2. marks: [{lat, lon, label, value?, tone?}].
 * The picture has a name; whoever shows it puts a table of the same beside it, which is what screen readers read.
 */
export function WorldMap({ title, byCountry = {}, marks = [], unit = "", tone = "c1", onPick }) {
  const shaded = useMemo(() => {
    const most = Math.max(1e-9, ...Object.values(byCountry).map(valueOf));
    // By the cube root: one country that sends most would leave the others white.
    const step = (value) => (value > 0 ? Math.ceil(Math.cbrt(value / most) * STEPS) : 0);
    return Object.fromEntries(Object.entries(byCountry).map(([code, one]) => [code, step(valueOf(one))]));
  }, [byCountry]);
  const known = Object.keys(byCountry).filter((code) => valueOf(byCountry[code]) > 0).sort((one, other) => valueOf(byCountry[other]) - valueOf(byCountry[one]));
  const words = known.slice(0, 3).map((code) => `${country(code)} ${quantity(valueOf(byCountry[code]), unit)}`).join(", ");
  const say = (code) => `${country(code)}: ${byCountry[code]?.label ?? quantity(valueOf(byCountry[code]), unit)}`;
  const pick = (code) => (onPick && shaded[code] ? () => onPick(code) : undefined);
  const most = Math.max(1, ...marks.map((mark) => mark.value ?? 1));
  return html`<figure class="map" style=${{ color: `var(--${tone})` }}><svg viewBox=${`0 0 ${world.width} ${world.height}`} role="img" aria-label=${`${title}: ${words || (marks.length ? `${marks.length} places` : "nothing yet")}`}>
    ${CODES.map((code) => html`<path key=${code} d=${world.land[code]} class=${`land s${shaded[code] ?? 0}`} onClick=${pick(code)}>${shaded[code] ? html`<title>${say(code)}</title>` : null}</path>`)}
    ${known.filter((code) => SMALL.has(code)).map((code) => html`<circle key=${code} cx=${world.at[code][0]} cy=${world.at[code][1]} r="5" class=${`point s${shaded[code]}`} onClick=${pick(code)}><title>${say(code)}</title></circle>`)}
    ${marks.filter((mark) => Number.isFinite(mark.lat) && Number.isFinite(mark.lon)).map((mark, index) => {
      const [x, y] = project(mark.lon, mark.lat);
      return html`<circle key=${`mark-${index}`} cx=${x.toFixed(1)} cy=${y.toFixed(1)} r=${(4 + 7 * Math.sqrt((mark.value ?? 1) / most)).toFixed(1)} class=${`mark ${mark.tone ?? ""}`}><title>${mark.label}</title></circle>`;
    })}</svg></figure>`;
}
