// A person ends a challenge: to which step, and why.
import { Confirm, Field, Select, html, toast, useState } from "./ui.js";
import { send } from "./api.js";

export const STEPS = ["observe", "slow", "work", "captcha", "verify", "review"].map((value) => ({ value, label: value }));
const WORDS = {
  observe: "Nothing is asked; it is only watched.",
  slow: "Only so many requests in so much time.",
  work: "A proof of work is asked for, which a program can give.",
  captcha: "A challenge is asked for that a person passes.",
  verify: "The owner has to show evidence of who they are.",
  review: "Nothing passes until somebody has looked, or it has waited long enough.",
};

/** What a step asks of whoever stands on it. */
export const stepWords = (step) => WORDS[step] ?? step;

export function LiftDialog({ row, onDone, onClose }) {
  const below = STEPS.slice(0, Math.max(1, STEPS.findIndex((one) => one.value === row.step))).filter((one) => one.value !== "review");
  const [to, setTo] = useState("observe");
  const [reason, setReason] = useState("");
  const lift = async () => {
    if (!reason.trim()) throw new Error("Say why: somebody will ask.");
    await send("POST", `/challenges/${encodeURIComponent(row.account)}/lift`, { to, rule: row.rule, reason: reason.trim() });
    toast(`${row.account} stands on ${to} under ${row.rule} now.`);
    onDone();
  };
  return html`<${Confirm} title="Lift a challenge" confirm="Lift" onConfirm=${lift} onClose=${onClose}>
    <p><b>${row.account}</b> stands on <b>${row.step}</b> by the rule <code>${row.rule}</code>. ${stepWords(row.step)}</p>
    <${Field} label="Down to" hint=${stepWords(to)}><${Select} value=${to} options=${below} onChange=${setTo} /><//>
    <p class="soft">Whoever gives cause anew climbs again.</p>
    <${Field} label="Reason" hint="It stands in the audit for good."><input value=${reason} maxlength="256" onInput=${(event) => setReason(event.target.value)} /><//><//>`;
}
