// Series of the overview: what `GET /overview` tells, and the seconds that are added to it.

const KEPT = 300;
const NAMED = ["reasons", "entries", "by_country", "by_model"];
const TABLES = ["countries", "models"];

const push = (values, value) => {
  const next = [...(values ?? []), value];
  return next.length > KEPT ? next.slice(next.length - KEPT) : next;
};

/** The same with one `event: second` more; whatever began or ended in it has nothing before or after. */
export function append(told, second) {
  if (!told || told.step !== 1 || (told.times.length && second.time <= told.times[told.times.length - 1])) return told;
  const length = told.times.length;
  const series = {};
  for (const name of Object.keys(told.series)) series[name] = push(told.series[name], second[name] ?? null);
  const next = { ...told, now: second, times: push(told.times, second.time), series };
  for (const group of NAMED) {
    const counts = group === "by_country" ? requests(second.countries) : group === "by_model" ? requests(second.models) : second[group] ?? {};
    const names = [...new Set([...Object.keys(told[group] ?? {}), ...Object.keys(counts)])];
    const made = {};
    for (const name of names) {
      const values = push(told[group]?.[name] ?? new Array(length).fill(0), counts[name] ?? 0);
      if (values.some(Boolean)) made[name] = values;
    }
    next[group] = made;
  }
  for (const table of TABLES) next[table] = add(told[table], second[table]);
  return next;
}

const requests = (table) => Object.fromEntries(Object.entries(table ?? {}).map(([name, used]) => [name, used.requests]));

function add(table = {}, more = {}) {
  const sums = { ...table };
  for (const [name, used] of Object.entries(more)) {
    const before = sums[name] ?? { requests: 0, refused: 0, tokens: 0 };
    sums[name] = { requests: before.requests + used.requests, refused: before.refused + used.refused, tokens: before.tokens + used.tokens };
  }
  return sums;
}

/** The largest names first; `other` last. */
export const ranked = (named) => Object.entries(named ?? {})
  .map(([name, values]) => [name, values, values.reduce((all, one) => all + (one ?? 0), 0)])
  .sort((one, other) => (one[0] === "other") - (other[0] === "other") || other[2] - one[2]);

/** Values by slots of time, summed to at most so many columns: {columns: [time], values: [[number]]}. Values are rates. */
export function columns(times, rows, most, step) {
  const size = Math.max(1, Math.ceil(times.length / most));
  const starts = [];
  // From the end, so that the column of now is whole and a picture does not shift with each second.
  for (let at = times.length - size; at > -size; at -= size) starts.unshift(at);
  return {
    columns: starts.map((at) => times[Math.max(0, at)]),
    values: rows.map((row) => starts.map((at) => Math.round(row.slice(Math.max(0, at), at + size).reduce((all, one) => all + (one ?? 0), 0) * step))),
  };
}

/** The mean of the last values, for a tile: one second alone jumps. */
export function recent(values, count = 5) {
  const last = (values ?? []).slice(-count).filter((one) => one !== null);
  return last.length ? last.reduce((all, one) => all + one, 0) / last.length : null;
}
