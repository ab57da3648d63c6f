// The admin API, as the console asks it: JSON, the CSRF field of the session with each change, and live feeds.

const CSRF = "X-Tidegate-CSRF";
const FIRST_WAIT = 500;
const LONGEST_WAIT = 10_000;
/** One document (RFC 8259, RFC 6839): application/x-ndjson is lines of them, and stays text. */
const JSON_KIND = /^application\/(?:[\w.-]+\+)?json\b/i;

let csrf = "";
let signedOut = () => {};

/** What the session has to send with each change. */
export const bearCsrf = (value) => { csrf = value; };
/** Who is told that the session is over. */
export const onSignedOut = (told) => { signedOut = told; };

/** An answer that is no success, or none at all (status 0). */
export class ApiError extends Error {
  constructor(status, message, content = {}, etag = "") {
    super(message);
    this.status = status;
    this.fields = content.fields ?? {};
    this.content = content;
    this.etag = etag;
  }
}

const WORDS = {
  0: "The gateway does not answer. It may be starting again, or the connection is lost.",
  401: "You are signed out.",
  403: "Your role may not do this.",
  404: "There is no such thing, or no longer.",
  412: "Somebody else changed this meanwhile.",
  429: "Too many tries. Wait a moment.",
  503: "The gateway cannot do this now.",
};

/** The address of a path with what is stated of a query; empty values are left out. */
export function address(path, query = {}) {
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given.map(([key, value]) => [key, String(value)]))}` : path;
}

async function ask(url, options) {
  let answer;
  try {
    answer = await fetch(url, { credentials: "same-origin", cache: "no-store", redirect: "error", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, WORDS[0]);
  }
  if (answer.ok) return answer;
  const text = await answer.text().catch(() => "");
  let content = {};
  try {
    content = JSON.parse(text);
  } catch { /* Not ours: a proxy's page. */ }
  const said = typeof content.error === "string" ? content.error : WORDS[answer.status];
  if (answer.status === 401 && !url.startsWith("/session")) signedOut();
  throw new ApiError(answer.status, said ?? `The gateway answered ${answer.status}.`, content, answer.headers.get("ETag") ?? "");
}

async function read(answer) {
  const text = await answer.text();
  let content = text;
  if (JSON_KIND.test(answer.headers.get("Content-Type") ?? "")) content = text ? JSON.parse(text) : null;
  return { status: answer.status, content, etag: answer.headers.get("ETag") ?? "" };
}

/** The content of a GET. `whole`: {status, content, etag}. Throws ApiError. */
export async function get(path, query, { signal, whole = false } = {}) {
  const answer = await read(await ask(address(path, query), { signal, headers: { Accept: "application/json" } }));
  return whole ? answer : answer.content;
}

/** A change: {status, content, etag}. `content` is JSON unless it is text. `etag` goes as If-Match. Throws ApiError. */
export async function send(method, path, content, { etag, signal, type } = {}) {
  const headers = { Accept: "application/json" };
  if (csrf) headers[CSRF] = csrf;
  if (etag) headers["If-Match"] = /^(W\/)?"/.test(etag) ? etag : `"${etag}"`;
  let body;
  if (content !== undefined && content !== null) {
    const text = typeof content === "string";
    headers["Content-Type"] = type ?? (text ? "text/plain; charset=utf-8" : "application/json");
    body = text ? content : JSON.stringify(content);
  }
  return read(await ask(path, { method, headers, body, signal }));
}

/**
 * Server-sent events (WHATWG HTML, 9.2), by fetch: an EventSource would not tell a 401 from a lost line.
 * `on` maps event names to functions of the data. `onState` hears "connecting", "live", "lost" (tries again by itself)
 * and "over" with an ApiError (it does not). Returns what closes it.
 */
export function stream(path, query, on, onState = () => {}) {
  const control = new AbortController();
  let wait = FIRST_WAIT;
  let timer = 0;
  const again = (error) => {
    if (control.signal.aborted) return;
    onState("lost", error);
    timer = setTimeout(run, wait * (0.75 + Math.random() / 2));
    wait = Math.min(wait * 2, LONGEST_WAIT);
  };
  const run = async () => {
    onState("connecting");
    try {
      const answer = await ask(address(path, query), { signal: control.signal, headers: { Accept: "text/event-stream" } });
      onState("live");
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      const parse = parser((event, data) => on[event]?.(JSON.parse(data)));
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        wait = FIRST_WAIT;
        parse(value);
      }
      again(new ApiError(0, "The feed ended."));
    } catch (error) {
      if (control.signal.aborted) return;
      if ([400, 401, 403, 404, 422].includes(error.status)) onState("over", error);
      else again(error);
    }
  };
  run();
  return () => {
    clearTimeout(timer);
    control.abort();
  };
}

/** Feed it text as it comes; it calls `emit(event, data)` for each whole event. */
export function parser(emit) {
  let rest = "";
  let event = "";
  let data = [];
  const line = (one) => {
    if (one === "") {
      if (data.length) emit(event || "message", data.join("\n"));
      event = "";
      data = [];
      return;
    }
    if (one.startsWith(":")) return;
    const colon = one.indexOf(":");
    const name = colon < 0 ? one : one.slice(0, colon);
    const value = colon < 0 ? "" : one.slice(colon + 1).replace(/^ /, "");
    if (name === "event") event = value;
    else if (name === "data") data.push(value);
  };
  return (text) => {
    rest += text;
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    lines.forEach(line);
  };
}
