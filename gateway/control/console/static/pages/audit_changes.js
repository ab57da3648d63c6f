// What a line of the audit says of before and after, as rows.
import { time } from "../parts/format.js";

const APART = new Set(["reason", "before", "after"]);
const DIGEST = /^[0-9a-f]{32,64}$/;
const TIME = /(^|[._])(expires|since|until)$/;
const isPlain = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** Objects within objects by their way: {"scope.account": "acme"}. */
function flat(value, prefix = "") {
  return Object.entries(value).flatMap(([key, inner]) => (isPlain(inner) && Object.keys(inner).length ? flat(inner, `${prefix}${key}.`) : [[`${prefix}${key}`, inner]]));
}

/** {reason, changes: [{key, before, after}], rest: [[key, value]]}: what stayed the same is left out. */
export function changesOf(detail) {
  const { reason = "", before, after } = detail;
  const rest = Object.entries(detail).filter(([key]) => !APART.has(key)).flatMap(([key, value]) => (isPlain(value) ? flat(value, `${key}.`) : [[key, value]]));
  if (!isPlain(before) && !isPlain(after)) {
    const changes = (before ?? "") === (after ?? "") ? [] : [{ key: DIGEST.test(before || after) ? "content" : "value", before: before || undefined, after: after || undefined }];
    return { reason, changes, rest };
  }
  const [was, is] = [before, after].map((one) => new Map(isPlain(one) ? flat(one) : []));
  const changes = [...new Set([...was.keys(), ...is.keys()])].filter((key) => !same(was.get(key), is.get(key))).map((key) => ({ key, before: was.get(key), after: is.get(key) }));
  return { reason, changes, rest };
}

/** A value of that name as people read it. */
export function inWords(value, key = "") {
  if (value === null || value === "") return "–";
  if (value === true) return "yes";
  if (value === false) return "no";
  if (Array.isArray(value) && value.every((one) => typeof one !== "object")) return value.join(", ") || "–";
  if (DIGEST.test(value)) return value.slice(0, 12);
  if (TIME.test(key) && value > 1e9) return time(value);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
