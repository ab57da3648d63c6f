// What everybody has to know on every page: what is frozen or in shadow, files that are refused, Redis away.
import { html, signal, useEffect } from "../vendor/ui.js";
import { get } from "./api.js";
import { ago } from "./format.js";
import { Link } from "./ui.js";

const EVERY = 5000;

const HEALTH_EVERY = 3;

/** {generation, revision, files, shown, overrides, grave, lost}: asked anew every few seconds. */
export const standing = signal({});
let turn = 0;

async function ask() {
  // What costs more is asked for less often: health asks Redis and the directory.
  const health = turn++ % HEALTH_EVERY === 0 ? get("/health") : Promise.resolve(null);
  const [rules, overrides, looked] = await Promise.allSettled([get("/policies"), get("/overrides"), health]);
  const [r, o, h] = [rules, overrides, looked].map((one) => (one.status === "fulfilled" ? one.value : null));
  const before = standing.value;
  const revisions = h?.workers?.map((one) => one.revision);
  standing.value = {
    lost: rules.status === "rejected" && rules.reason.status === 0,
    name: r?.gateway ?? h?.gateway ?? before.name,
    generation: r?.generation ?? before.generation,
    revision: o?.revision ?? (revisions?.length ? Math.min(...revisions) : before.revision),
    files: r ? r.files : before.files,
    shown: r?.shown ?? before.shown ?? [],
    overrides: o?.overrides ?? before.overrides ?? [],
    grave: h ? h.warnings.filter((one) => one.grave) : before.grave ?? [],
  };
}

/** Ask now: after a change that the strip should tell of. */
export const lookAgain = () => ask().catch(() => {});

export function useStanding() {
  useEffect(() => {
    lookAgain();
    const timer = setInterval(() => { if (!document.hidden) lookAgain(); }, EVERY);
    return () => clearInterval(timer);
  }, []);
  return standing.value;
}

const SCOPES = { account: "account", organisation: "organisation", tier: "tier", model: "model", country: "country" };

/** For whom an override is, in words. */
export function scopeWords(scope = {}) {
  const parts = Object.entries(SCOPES).filter(([key]) => scope[key]).map(([key, word]) => `${word} ${scope[key]}`);
  if (scope.accounts?.length) parts.push(`a cluster of ${scope.accounts.length} accounts`);
  if (scope.created_after) parts.push("new accounts");
  return parts.join(", ") || "everybody";
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** [tone, title, words, where] of what is wrong now, the worst first. */
export function alarms(now) {
  const all = [];
  if (now.lost) all.push(["bad", "The gateway does not answer", "What you see is what was last known.", null]);
  for (const one of now.grave ?? []) all.push(["bad", sentence(one.what), `${sentence(one.do)}.`, "health"]);
  if (now.files === "refused") all.push(["bad", "The rules on disk are refused", `What is in force stays in force. ${now.shown[0] ?? ""}`, "rules"]);
  if (now.files === "set_aside") all.push(["warn", "The rules on disk are set aside", "Somebody went back from them.", "rules"]);
  for (const one of now.overrides ?? []) {
    const kind = one.change?.kind ?? one.kind;
    const until = one.expires ? `, ends ${ago(one.expires)}` : "";
    const by = `by ${one.by ?? "somebody"}${until}. ${one.reason ?? ""}`;
    if (kind === "shadow") all.push(["warn", "Everything is in shadow", `Nothing but auth refuses: ${by}`, "limits"]);
    if (kind === "freeze") all.push(["warn", `Frozen: ${scopeWords(one.scope)}`, `${one.limit === "*" ? "All limits" : one.limit}, ${by}`, "limits"]);
  }
  return all;
}

const MOST = 3;

export function Alarms({ standing: now }) {
  const all = alarms(now);
  if (!all.length) return null;
  return html`<aside class="alarms" aria-label="Alarms">${all.slice(0, MOST).map(([tone, title, words, where]) => html`<p key=${title + words} class=${`alarm ${tone}`}>
    <b>${title}.</b> <span>${words}</span> ${where ? html`<${Link} to=${where}>Look<//>` : null}</p>`)}
    ${all.length > MOST ? html`<p class="alarm warn"><b>${all.length - MOST} more.</b> <${Link} to="limits">All of them<//></p>` : null}</aside>`;
}
