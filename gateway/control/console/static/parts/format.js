// Numbers and times as people read them. Times are Unix seconds; the words are English, the digits grouped.

const GROUPED = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 2 });
const COMPACT = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

/** Whether there is a number to show. */
const known = (value) => typeof value === "number" && Number.isFinite(value);

/** `12,345.6`; a dash where nothing is known. */
export const number = (value) => (known(value) ? GROUPED.format(value) : value === Infinity ? "∞" : "–");

/** `12.3K`: for axes and tiles. */
export const compact = (value) => (known(value) ? COMPACT.format(value) : value === Infinity ? "∞" : "–");

/** `1.2M tokens`. */
export const tokens = (value) => `${compact(value)} tokens`;

/** Dollars: two decimals, four below a cent. */
export function money(value) {
  if (!known(value)) return "–";
  const small = value !== 0 && Math.abs(value) < 0.01;
  return `$${value.toLocaleString("en-GB", { minimumFractionDigits: 2, maximumFractionDigits: small ? 6 : 2 })}`;
}

/** `12.5%` of a share between 0 and 1. */
export const percent = (share) => (known(share) ? `${GROUPED.format(Math.round(share * 1000) / 10)}%` : "–");

/** `1 h 5 min`, `350 ms`: the two largest units. */
export function duration(seconds) {
  if (seconds === Infinity) return "for ever";
  if (!known(seconds)) return "–";
  if (seconds < 0) return `-${duration(-seconds)}`;
  if (seconds > 0 && seconds < 1) return `${number(Number((seconds * 1000).toPrecision(3)))} ms`;
  if (seconds < 60) return `${number(Math.round(seconds * 10) / 10)} s`;
  const whole = Math.round(seconds);
  const parts = [["d", Math.floor(whole / 86400)], ["h", Math.floor(whole / 3600) % 24], ["min", Math.floor(whole / 60) % 60], ["s", whole % 60]];
  const first = parts.findIndex(([, count]) => count);
  return parts.slice(first, first + 2).filter(([, count]) => count).map(([unit, count]) => `${count} ${unit}`).join(" ");
}

/** `3 minutes ago`, `in 2 hours`. */
export function ago(then, now = Date.now() / 1000) {
  if (!known(then)) return "–";
  const past = now - then;
  const [unit, length] = UNITS.find(([, one]) => Math.abs(past) >= one) ?? ["second", 1];
  const count = Math.round(Math.abs(past) / length);
  if (!count) return "now";
  const words = `${count} ${unit}${count === 1 ? "" : "s"}`;
  return past > 0 ? `${words} ago` : `in ${words}`;
}

/** `2026-05-04 13:14:15` in the reader's zone; the day is left out of today's. */
export function time(then, { whole = false } = {}) {
  if (!known(then)) return "–";
  const one = new Date(then * 1000);
  const pad = (part) => String(part).padStart(2, "0");
  const clock = `${pad(one.getHours())}:${pad(one.getMinutes())}:${pad(one.getSeconds())}`;
  if (!whole && one.toDateString() === new Date().toDateString()) return clock;
  return `${one.getFullYear()}-${pad(one.getMonth() + 1)}-${pad(one.getDate())} ${clock}`;
}

/** `1.5 GB`: of bytes. */
export function bytes(value) {
  if (!known(value)) return "–";
  const step = Math.min(4, Math.max(0, Math.floor(Math.log10(Math.max(1, value)) / 3)));
  return `${number(Math.round((value / 1000 ** step) * 10) / 10)} ${["B", "kB", "MB", "GB", "TB"][step]}`;
}

const REGIONS = new Intl.DisplayNames(["en"], { type: "region", fallback: "code" });

/** The English name of an ISO 3166-1 alpha-2 code; whatever is no code is shown as it is. */
export function country(code) {
  try {
    return code ? REGIONS.of(code) : "Unknown";
  } catch {
    return code;
  }
}

const WORDS = {
  requests: (value) => number(value),
  concurrency: (value) => number(value),
  spend: money,
  seconds: duration,
  bytes,
  share: percent,
};

/** A quantity in a limit's measure or a plot's unit. */
export const quantity = (value, unit = "") => (WORDS[unit] ?? ((one) => (unit.includes("tokens") ? compact(one) : number(one))))(value);
