// What somebody types of an override, as text, and what it means: pure functions.
//
// A draft is {kind, limit, conditions: [{what, value}], capacity, refill, every, factor, ends, at, reason}: `kind` is that of
// a change, or `boost` (a scale that has to end); `ends` a span such as 1h, or `at` (the moment in `at`), `keep` or `never`.
import { ALL_LIMITS, readAmount, readSpan, typed, typedSpan } from "./limit_words.js";
import { time } from "./format.js";

export const KINDS = [
  { value: "boost", label: "Boost", hint: "More, for a while: the numbers of the rules times a factor." },
  { value: "scale", label: "Scale", hint: "The numbers of the rules times a factor, more or less." },
  { value: "set", label: "Set numbers", hint: "These numbers instead of those of the rules." },
  { value: "freeze", label: "Freeze", hint: "Nothing passes." },
  { value: "unlimited", label: "Unlimited", hint: "The limit is not asked, and does not count." },
];
export const CONDITIONS = [
  { value: "account", label: "account", hint: "its id, such as acme" },
  { value: "accounts", label: "cluster of accounts", hint: "their ids, with spaces or commas between" },
  { value: "organisation", label: "organisation", hint: "its id" },
  { value: "tier", label: "tier", hint: "such as free" },
  { value: "created_after", label: "accounts made since", hint: "a moment" },
  { value: "model", label: "requests for model", hint: "a name or a pattern, such as m-*" },
  { value: "country", label: "requests from country", hint: "two letters, such as NO" },
];
const ENDS = [
  { value: "15m", label: "in 15 minutes" }, { value: "1h", label: "in 1 hour" }, { value: "4h", label: "in 4 hours" },
  { value: "1d", label: "in 1 day" }, { value: "7d", label: "in 7 days" }, { value: "at", label: "at a time …" },
];
const NUMBERS = { capacity: readAmount, refill: readAmount, every: readSpan };
const CREATED = "created_after";

/** What may be chosen for the end of it. */
export function endings(draft, editing) {
  const keep = editing?.expires ? [{ value: "keep", label: `as it is: at ${time(editing.expires)}` }] : [];
  return [...keep, ...ENDS, ...(draft.kind === "boost" ? [] : [{ value: "never", label: "when somebody takes it back" }])];
}

/** A draft of nothing; `given` names what is known of it. */
export const emptyDraft = (given = {}) => ({
  kind: "boost", limit: "", conditions: [], capacity: "", refill: "", every: "", factor: "2", ends: "1h", at: "", reason: "", confirm: false, ...given,
});

/** The draft that says what an override says. */
export function draftOf(override) {
  const { change, scope } = override;
  return emptyDraft({
    kind: change.kind,
    limit: override.limit,
    conditions: conditionsOf(scope),
    capacity: typed(change.capacity), refill: typed(change.refill), every: typedSpan(change.every),
    factor: change.kind === "scale" ? String(change.factor) : "2",
    ends: override.expires ? "keep" : "never",
  });
}

/** A scope as conditions. */
export const conditionsOf = (scope) => CONDITIONS.filter(({ value }) => given(scope[value])).map(({ value }) => ({ what: value, value: written(value, scope[value]) }));

const given = (value) => Boolean(Array.isArray(value) ? value.length : value);

function written(what, value) {
  if (what === "accounts") return value.join(" ");
  return what === CREATED ? localMoment(value) : String(value);
}

/** Unix time as <input type="datetime-local"> has it. */
export function localMoment(unix) {
  const then = new Date(unix * 1000);
  return new Date(then.getTime() - then.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

const readMoment = (text) => (text && !Number.isNaN(Date.parse(text)) ? Date.parse(text) / 1000 : null);

/**
 * What is meant: {limit, scope, change, expires, end, reason, errors}. `limit` is a name or `*`; `expires` Unix time or null, by
 * the clock here; `end` the same as the API takes it; `errors` names what is wrong, by field, and is empty when all is right.
 */
export function meant(draft, limits, editing, now) {
  const errors = {};
  const limit = limits.find((one) => one.name === draft.limit) ?? null;
  if (!draft.limit) errors.limit = "Choose a limit.";
  if (draft.kind === "set" && draft.limit === ALL_LIMITS) errors.limit = "Numbers are set for one limit: scale all of them instead.";
  if (!draft.reason.trim()) errors.reason = "Say why: somebody will ask.";
  const scope = scopeOf(draft.conditions, errors);
  const change = changeOf(draft, limit, errors);
  const everything = change.kind === "freeze" && draft.limit === ALL_LIMITS && !Object.keys(scope).length && !draft.conditions.length;
  if (everything && !draft.confirm) errors.confirm = "Say that you mean it.";
  const end = endOf(draft, now, errors);
  const expires = end.lasts ? now + end.lasts : end.expires !== undefined ? end.expires : editing?.expires ?? null;
  return { limit: draft.limit, scope, change, expires, end, everything, confirm: draft.confirm, reason: draft.reason.trim(), errors };
}

function scopeOf(conditions, errors) {
  const scope = {};
  conditions.forEach(({ what, value }, index) => {
    const text = value.trim();
    let read = text;
    if (what === "accounts") read = [...new Set(text.split(/[\s,]+/).filter(Boolean))];
    if (what === CREATED) read = readMoment(text);
    if (what === "country") read = text.toUpperCase();
    if (!given(read)) errors[`scope.${index}`] = "Fill it in, or take the condition away.";
    else if (what === "country" && !/^[A-Z]{2}$/.test(read)) errors[`scope.${index}`] = "Two letters, such as NO.";
    else if (what in scope) errors[`scope.${index}`] = "Stated twice.";
    else scope[what] = read;
  });
  return scope;
}

function changeOf(draft, limit, errors) {
  if (draft.kind === "scale" || draft.kind === "boost") {
    const factor = /^\d{1,9}(\.\d{1,6})?$/.test(draft.factor.trim()) ? Number(draft.factor) : 0;
    if (!factor) errors.factor = "A number above 0, such as 2 or 0.5.";
    return { kind: "scale", factor: factor || 1 };
  }
  const change = { kind: draft.kind };
  if (draft.kind !== "set") return change;
  for (const [name, read] of Object.entries(NUMBERS)) {
    if (!draft[name].trim() || (limit?.measure === "concurrency" && name !== "capacity")) continue;
    const value = read(draft[name]);
    if (value === null) errors[name] = name === "every" ? "A time such as 10s or 1m." : "A number such as 500, 20k or 1.5M.";
    else change[name] = value;
  }
  if (Object.keys(change).length === 1 && !Object.keys(NUMBERS).some((name) => errors[name])) errors.capacity = "State a number.";
  return change;
}

/** A span goes as a span, so that only the gateway's clock counts; nothing where the end stays. */
function endOf(draft, now, errors) {
  if (draft.ends === "never") return { expires: null };
  if (draft.ends === "keep") return {};
  if (draft.ends !== "at") return { lasts: readSpan(draft.ends) };
  const at = readMoment(draft.at);
  if (at === null || at <= now) errors.at = "A moment that is still to come.";
  return { expires: at };
}

/** As POST /overrides and PUT /overrides/{id} take it. */
export const contentOf = (wish) => ({
  limit: wish.limit, scope: wish.scope, change: wish.change, ...wish.end, reason: wish.reason, ...(wish.everything ? { confirm: Boolean(wish.confirm) } : {}),
});
