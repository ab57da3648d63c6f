// Decisions on a case: each says what follows, asks why, and holds for what its author has seen.
import { Button, Dialog, Field, Notice, html, toast, useState } from "./ui.js";
import { send } from "./api.js";
import { ACTIONS } from "./case_words.js";
import { number } from "./format.js";

const FOREVER = "0";
const LASTS = [{ value: "30", label: "30 days" }, { value: "180", label: "half a year" }, { value: FOREVER, label: "for good" }];

/**
 * `what`: {kind, accounts?}; kinds approve, reject, split, merge, reopen, undo. `preview` may be missing still.
 * `onDone(answer)` hears {case, waits, job}; `onStale()` that somebody was faster.
 */
export function CaseDecide({ what, one, preview, onDone, onStale, onClose }) {
  const deed = DEEDS[what.kind];
  const [given, setGiven] = useState(() => deed.given(one, what));
  const [reason, setReason] = useState("");
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const act = async (event) => {
    event.preventDefault();
    setTried(true);
    if (!reason.trim() || busy) return;
    setBusy(true);
    setError(null);
    try {
      const { content } = await send("POST", `/cases/${one.id}/${what.kind}`, { reason: reason.trim(), ...deed.content(given, one) }, { etag: String(one.revision) });
      toast(deed.done(content, given));
      onDone(content);
      onClose();
    } catch (failure) {
      setError(failure);
      setBusy(false);
      if (failure.status === 412) onStale();
    }
  };
  const fields = Object.entries(error?.fields ?? {}).filter(([name]) => name !== "reason");
  return html`<${Dialog} title=${deed.title} onClose=${onClose}><form onSubmit=${act}>
    <${deed.Fields} one=${one} preview=${preview} given=${given} onChange=${(part) => setGiven({ ...given, ...part })} />
    <${Field} label="Reason" error=${error?.fields?.reason ?? (tried && !reason.trim() ? "Say why: somebody will ask." : "")} hint="It stands in the audit for good: name a ticket rather than a person.">
      <input value=${reason} maxlength="256" onInput=${(event) => setReason(event.target.value)} /><//>
    ${error ? html`<${Notice} tone="bad">${error.message}${fields.map(([name, said]) => html` <span key=${name}>${said}</span>`)}<//>` : null}
    <div class="row end"><${Button} onClick=${onClose}>Cancel<//><${Button} type="submit" tone=${deed.tone} busy=${busy}>${deed.confirm(given, one)}<//></div></form><//>`;
}

const nothing = () => ({});

const DEEDS = {
  approve: {
    title: "It is a campaign", tone: "primary", given: (one) => ({ action: one.wanted || "rules" }), content: ({ action }, one) => ({ action, seen: one.updated }), Fields: Approve,
    confirm: ({ action }, one) => (action === "suspend" && one.wanted === "suspend" ? "Approve as the second" : "Approve"),
    done: (answer) => (answer.waits ? "A second person has to say the same." : answer.job ? "Approved: it is being done now." : "Approved."),
  },
  reject: {
    title: "It is no campaign", tone: "primary", given: (one) => ({ marks: one.marks.map((mark) => mark.id), days: "180" }), Fields: Reject, confirm: () => "Reject",
    content: ({ marks, days }) => ({ marks, days: Number(days) }), done: () => "Rejected: the detector learns it with its next look.",
  },
  split: {
    title: "Take accounts out", tone: "primary", given: (_, what) => ({ accounts: what.accounts }), Fields: Split, confirm: ({ accounts }) => `Take ${number(accounts.length)} out`,
    content: ({ accounts }) => ({ accounts }), done: (_, { accounts }) => `${number(accounts.length)} taken out: the detector holds them against this cluster no more.`,
  },
  merge: {
    title: "Take another case in", tone: "primary", given: () => ({ other: "" }), Fields: Merge, confirm: () => "Merge",
    content: ({ other }) => ({ other: Number(other) }), done: (_, { other }) => `Case ${other} went into this one.`,
  },
  reopen: { title: "Decide it once more", tone: "primary", given: nothing, content: nothing, Fields: Reopen, confirm: () => "Reopen", done: () => "It is open again." },
  undo: { title: "Take back what was done", tone: "danger", given: nothing, content: nothing, Fields: Undo, confirm: () => "Take it back", done: () => "It is being taken back; the case is open again." },
};

function Approve({ one, preview, given, onChange }) {
  return html`${one.wanted ? html`<${Notice} tone="warn" title=${`${one.wanted_by} wants to ${one.wanted} them.`}><p>${one.wanted_why}</p>
      <p>${one.you_were_first ? "That was you: somebody else has to say the same. You may still decide otherwise." : "You are the second pair of eyes."}</p><//>` : null}
    <fieldset class="radios"><legend>What becomes of its accounts</legend>${Object.entries(ACTIONS).map(([action, title]) => html`<label key=${action}>
      <input type="radio" name="action" value=${action} checked=${given.action === action} onChange=${() => onChange({ action })} /><span>${title}</span><small>${preview?.[action].said ?? "Being counted …"}</small></label>`)}</fieldset>
    <p class="soft small">Whoever joins after you saw it is not meant. The detector holds what it is known by fully against whoever uses it.</p>`;
}

function Reject({ one, preview, given, onChange }) {
  const toggle = (id) => onChange({ marks: given.marks.includes(id) ? given.marks.filter((other) => other !== id) : [...given.marks, id] });
  return html`<p>${preview?.reject.said ?? "Its accounts go free."}.</p>
    ${one.marks.length ? html`<fieldset class="radios"><legend>What counts for nothing from now on</legend>${one.marks.map((mark) => html`<label key=${mark.id}>
      <input type="checkbox" checked=${given.marks.includes(mark.id)} onChange=${() => toggle(mark.id)} /><span>${mark.words}</span><small>${mark.family}, ${number(mark.nats)} nats</small></label>`)}</fieldset>` : null}
    <${Field} label="For how long"><select value=${given.days} onChange=${(event) => onChange({ days: event.target.value })}>${LASTS.map((one) => html`<option key=${one.value} value=${one.value} selected=${one.value === given.days}>${one.label}</option>`)}</select><//>`;
}

function Split({ given }) {
  return html`<p>The detector holds ${given.accounts.length === 1 ? "it" : "them"} against this cluster no more, whatever it finds.</p>
  <p class="reason">${given.accounts.slice(0, 20).join(", ")}${given.accounts.length > 20 ? ` and ${number(given.accounts.length - 20)} more` : ""}</p>`;
}

function Merge({ given, onChange }) {
  return html`<p>Its accounts come here, and the detector takes both for one cluster. The other case is closed.</p>
  <${Field} label="Number of the other case"><input inputmode="numeric" autocomplete="off" value=${given.other} onInput=${(event) => onChange({ other: event.target.value.replace(/\D/g, "") })} /><//>`;
}

function Reopen({ one }) {
  return html`<p>${one.wanted ? "What waits for a second person is forgotten." : "What the detector has learnt of it stays so, until it is decided otherwise. What was done to accounts stays done: that is taken back by itself."}</p>`;
}

function Undo({ one }) {
  return html`<p>${number((one.members.suspended ?? 0) + (one.members.asked ?? 0))} accounts get back what this case took from them. Whoever was suspended for something else since stays suspended.</p>`;
}
