// Natural Earth countries (world-atlas) -> SVG paths by ISO 3166-1 alpha-2, in the Equal Earth projection.
import { readFileSync, writeFileSync } from "node:fs";
import { feature } from "topojson-client";
import { geoEqualEarth, geoPath, geoArea } from "d3-geo";
import { createRequire } from "node:module";
const require = createRequire(import.meta.url);
const iso = require("i18n-iso-countries");
const OWN = { Kosovo: "XK", Somaliland: "SO", "N. Cyprus": "CY" };
const read = (scale) => { const t = JSON.parse(readFileSync(`node_modules/world-atlas/countries-${scale}.json`)); return feature(t, t.objects.countries).features; };
const code = (f) => (f.id && iso.numericToAlpha2(f.id)) || OWN[f.properties.name];
const coarse = read("110m").filter((f) => code(f) && code(f) !== "AQ");
const fine = read("50m").filter((f) => code(f) && code(f) !== "AQ");
const WIDTH = 1000;
const projection = geoEqualEarth().fitWidth ? geoEqualEarth().fitWidth(WIDTH, { type: "FeatureCollection", features: coarse }) : null;
const path = geoPath(projection).digits(1);
const bounds = path.bounds({ type: "FeatureCollection", features: coarse });
const [tx, ty] = projection.translate();
projection.translate([tx, ty - bounds[0][1] + 2]);
const height = Math.ceil(bounds[1][1] - bounds[0][1] + 4);
const land = {};
for (const f of coarse) { const d = path(f); if (d) land[code(f)] = (land[code(f)] ?? "") + d; }
// Where a mark of the country stands: in the middle of its largest part, so that France is not in the Atlantic.
const at = {}; const size = {};
for (const f of fine) {
  const parts = f.geometry.type === "MultiPolygon" ? f.geometry.coordinates.map((c) => ({ type: "Polygon", coordinates: c })) : [f.geometry];
  const best = parts.map((p) => [geoArea(p), p]).sort((a, b) => b[0] - a[0])[0];
  if (best[0] > (size[code(f)] ?? 0)) { size[code(f)] = best[0]; at[code(f)] = path.centroid(best[1]).map((n) => Math.round(n * 10) / 10); }
}
// Which Natural Earth counts to another country, or leaves out, while address databases have it: by longitude and latitude.
const MORE = { GF: [-53, 4], GI: [-5.35, 36.14], GP: [-61.5, 16.2], MQ: [-61, 14.65], RE: [55.5, -21.1], YT: [45.15, -12.8], SJ: [16, 78.5],
  TK: [-171.8, -9.2], TV: [179.2, -8.5], BQ: [-68.3, 12.2], CX: [105.65, -10.5], CC: [96.85, -12.15], UM: [166.6, 19.3], BV: [3.4, -54.4] };
for (const [c, place] of Object.entries(MORE)) at[c] ??= projection(place).map((n) => Math.round(n * 10) / 10);
// Too small to be seen or hit as a shape: they are points.
const small = Object.keys(at).filter((c) => !land[c] || path.area(coarse.find((f) => code(f) === c)) < 12).sort();
const [x, y] = projection.translate().map((n) => Math.round(n * 1000) / 1000);
const world = { width: WIDTH, height, scale: Math.round(projection.scale() * 1000) / 1000, x, y, land, at, small };
writeFileSync(process.argv[2], `// Made from Natural Earth (public domain); README.md beside this file says how.\nexport const world = ${JSON.stringify(world)};\n`);
console.log(Object.keys(land).length, Object.keys(at).length, small.length, height, projection.scale());
