// Overrides, as the admin API has them: asked for, changed, taken back, tried out.
import { get, send } from "./api.js";

const PAUSE = 250;

const path = (override) => `/overrides/${override.id}`;
const etag = (override) => ({ etag: String(override.revision) });

/** {overrides: [...]}; `query`: limit, account, all. */
export const listOverrides = (query, signal) => get("/overrides", query, { signal });

/** {override, applied}. Throws ApiError: 409 with the one that is there, 422. */
export const setOverride = async (content) => (await send("POST", "/overrides", content)).content;

/** {override, applied}. `override` is what was looked at when it was changed: 412 where somebody was faster. */
export const changeOverride = async (override, content) => (await send("PUT", path(override), content, etag(override))).content;

export const withdrawOverride = async (override, reason) => (await send("DELETE", path(override), { reason }, etag(override))).content;

/** To what it was before its last change. */
export const undoOverride = async (override, reason) => (await send("POST", `${path(override)}/undo`, { reason }, etag(override))).content;

export const historyOf = (override, query, signal) => get(`${path(override)}/history`, query, { signal });

/** Of all overrides, the newest first. */
export const historyOfAll = (query, signal) => get("/overrides/history", query, { signal });

/** The result of a job, once it has ended; `tell` hears the share that is done. Throws an Error with the job's own words. */
export async function resultOf(job, tell, signal) {
  for (;;) {
    const found = await get(`/jobs/${encodeURIComponent(job)}`, {}, { signal });
    tell(found.progress ?? 0);
    if (found.state === "done") return found.result;
    if (found.state === "failed" || found.state === "cancelled") throw new Error(found.error || `It was ${found.state}.`);
    await wait(PAUSE, signal);
  }
}

/** Who would be refused, or no longer, by the last 24 hours. */
export async function preview(content, tell, signal) {
  const { job } = (await send("POST", "/overrides/preview", content, { signal })).content;
  return resultOf(job, tell, signal);
}

const wait = (milliseconds, signal) => new Promise((done, fail) => {
  const timer = setTimeout(done, milliseconds);
  signal?.addEventListener("abort", () => {
    clearTimeout(timer);
    fail(signal.reason);
  }, { once: true });
});

/** The state of an override by its times. */
export function stateOf(override, now) {
  if (override.state === "unreadable") return "unreadable";
  if (override.withdrawn) return "withdrawn";
  return override.expires && override.expires <= now ? "expired" : "in force";
}
