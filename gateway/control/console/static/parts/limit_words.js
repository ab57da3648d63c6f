// What limits, overrides and their changes are called, for people: pure functions. What somebody types is read here, and
// said back in sentences before it is saved.
//
// A limit is {name, measure, per, capacity, refill, every, tiers, models} as GET /limits has it; a change is
// {kind, capacity?, refill?, every?, factor?}; a scope is as POST /overrides has it, empty for everybody.
import { country, duration, money, number, time } from "./format.js";

export const ALL_LIMITS = "*";
const UNITS = {
  requests: "requests", input_tokens: "input tokens", output_tokens: "output tokens", total_tokens: "tokens",
  spend: "US dollars", concurrency: "requests at once",
};
const SECONDS = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400, w: 604800 };
const PIECES = { "": 1, k: 1e3, M: 1e6, G: 1e9 };

/** The unit in which a measure is counted. */
export const unit = (measure) => UNITS[measure] ?? measure;

/** 1234 of requests -> "1,234"; 5 of spend -> "$5.00". */
export const amount = (value, measure) => (measure === "spend" ? money(value) : number(value));

/** "every minute", "every 10 s". */
export function each(seconds) {
  const one = { 1: "second", 60: "minute", 3600: "hour", 86400: "day" }[seconds];
  return `every ${one ?? duration(seconds)}`;
}

/** "20 requests every minute"; "1,000 requests at most, 600 back every minute" where a full bucket holds another number. */
export function numbers(limit) {
  const { measure, capacity, refill, every } = limit;
  if (!(capacity > 0)) return "nothing";
  const most = measure === "spend" ? money(capacity) : `${number(capacity)} ${capacity === 1 ? unit(measure).replace(/s(?= |$)/, "") : unit(measure)}`;
  if (measure === "concurrency" || !refill) return most;
  if (capacity === refill) return `${most} ${each(every)}`;
  return `${most} at most, ${amount(refill, measure)} back ${each(every)}`;
}

/** Text such as "20k", "1.5M", "$5", "1,000" -> a number; null where it is none. */
export function readAmount(text) {
  const plain = text.trim().replace(/(\d)[_, ](?=\d{3})/g, "$1");
  const found = /^\$?\s*(\d{1,15}(?:\.\d{1,9})?)\s*([kMG]?)$/.exec(plain);
  return found === null ? null : Number((Number(found[1]) * PIECES[found[2]]).toPrecision(15));
}

/** Text such as "90s", "15m", "1.5h", "2d" -> seconds; null where it is none. */
export function readSpan(text) {
  const found = /^(\d{1,9}(?:\.\d{1,6})?)\s*(ms|s|m|h|d|w)$/.exec(text.trim());
  return found === null || Number(found[1]) === 0 ? null : Number(found[1]) * SECONDS[found[2]];
}

/** A number as somebody types it: 20000 -> "20k". */
export function typed(value) {
  if (value === null || value === undefined) return "";
  for (const [letter, size] of [["G", 1e9], ["M", 1e6], ["k", 1e3]]) {
    if (value >= size && (value * 10) % size === 0) return `${value / size}${letter}`;
  }
  return String(value);
}

/** Seconds as somebody types them: 60 -> "1m". */
export function typedSpan(seconds) {
  if (!seconds) return "";
  for (const letter of ["d", "h", "m"]) if (seconds % SECONDS[letter] === 0) return `${seconds / SECONDS[letter]}${letter}`;
  return `${seconds}s`;
}

/** Whether everybody is meant. */

/** For whom, in words: "account acme asking for m-* from Norway". */
export function whom(scope) {
  const who = [];
  if (scope.account) who.push(`account ${scope.account}`);
  if (scope.accounts?.length) who.push(`a cluster of ${number(scope.accounts.length)} accounts`);
  if (scope.organisation) who.push(`organisation ${scope.organisation}`);
  if (scope.tier) who.push(`tier ${scope.tier}`);
  if (scope.created_after) who.push(`accounts made since ${time(scope.created_after)}`);
  const how = [];
  if (scope.model) how.push(`asking for ${scope.model}`);
  if (scope.country) how.push(`from ${country(scope.country)}`);
  return [who.length ? who.join(", ") : "everybody", ...how].join(" ");
}

/** What it does, in a few words for a row: "× 2", "frozen", "at most 40, 40 back every minute". */
export function brief(change, measure) {
  if (!change?.kind) return "cannot be read";
  if (change.kind === "freeze") return "frozen";
  if (change.kind === "unlimited") return "unlimited";
  if (change.kind === "shadow") return "all in shadow";
  if (change.kind === "scale") return `× ${number(change.factor)}`;
  const parts = [];
  if (known(change.capacity)) parts.push(`at most ${amount(change.capacity, measure)}`);
  if (known(change.refill)) parts.push(`${amount(change.refill, measure)} back`);
  if (change.every) parts.push(each(change.every));
  return parts.join(", ") || "as the rules say";
}

const known = (value) => value !== undefined && value !== null;

/** The limit as a change leaves it; null where it is not asked at all. As `changed` in gateway/overrides/whole.py. */
export function after(limit, change) {
  if (change.kind === "unlimited") return null;
  if (change.kind === "freeze") return { ...limit, capacity: 0 };
  if (change.kind === "scale") return scaled(limit, change.factor);
  if (change.kind !== "set") return limit;
  const set = { ...limit, capacity: known(change.capacity) ? whole(limit, change.capacity) : limit.capacity };
  if (limit.measure === "concurrency") return set;
  return { ...set, refill: known(change.refill) ? whole(limit, change.refill) : limit.refill, every: change.every ?? limit.every };
}

const nine = (value) => Math.round(value * 1e9) / 1e9;
const whole = (limit, value) => (limit.measure === "spend" ? value : Math.max(1, Math.ceil(nine(value))));

/** Half of one request every minute is one request every two. */
function scaled(limit, factor) {
  if (!(limit.capacity > 0)) return limit;
  const more = { ...limit, capacity: whole(limit, limit.capacity * factor) };
  if (limit.measure === "concurrency") return more;
  const refill = nine(limit.refill * factor);
  if (limit.measure === "spend" || Number.isInteger(refill)) return { ...more, refill };
  return { ...more, every: limit.every / factor };
}

/** Sentences that say what will happen, before it does. `limit` null: all limits. `expires` null: nobody said when. */
export function said(change, scope, limit, expires, now) {
  const lines = [what(change, scope, limit), ...unheard(scope, limit)];
  if (change.kind === "set" || change.kind === "scale") lines.push("What was used stays counted.");
  const end = expires ? `It ends by itself in ${duration(expires - now)}, at ${time(expires)}; then the rules hold again.` : "";
  lines.push(end || "It holds until somebody takes it back.");
  return lines;
}

function what(change, scope, limit) {
  const who = upper(whom(scope));
  const named = limit === null ? "every limit" : `the limit ${limit.name}`;
  if (change.kind === "shadow") {
    return "Everybody: every rule but those of kind auth only watches. Nothing that they would refuse is refused.";
  }
  if (change.kind === "freeze") {
    const which = limit === null ? "nothing passes" : `nothing passes that ${named} counts`;
    return `${who}: ${which}. Each such request is refused with 429 quota_frozen, and SDKs are told not to try again.`;
  }
  if (change.kind === "unlimited") return `${who}: ${named} is not asked, and does not count.`;
  if (limit === null) return `${who}: ${named} times ${number(change.factor)}, ${change.factor >= 1 ? "more" : "less"} than the rules say.`;
  return `${who}: ${numbers(after(limit, change))}, instead of ${numbers(limit)} (${limit.name}).`;
}

/** What somebody may not have thought of. */
function unheard(scope, limit) {
  const watched = limit?.mode === "shadow" ? [`The entry ${limit.entry} only watches: nothing is refused by ${limit.name} anyway.`] : [];
  return [...watched, ...ofTiers(scope, limit)];
}

function ofTiers(scope, limit) {
  if (!limit?.tiers?.length) return [];
  const tiers = limit.tiers.join(" or ");
  if (scope.tier && !limit.tiers.includes(scope.tier)) {
    return [`Only tier ${tiers} has the limit ${limit.name}: tier ${scope.tier} will notice nothing.`];
  }
  return scope.tier ? [] : [`Only accounts of tier ${tiers} have this limit.`];
}

export const upper = (text) => text.charAt(0).toUpperCase() + text.slice(1);
