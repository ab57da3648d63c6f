// Switches for an incident: freeze a model, a country, new accounts, a cluster; everything in shadow. Each ends by itself,
// and before it is on it says in numbers whom it hits.
import { Button, Dialog, Field, Notice, Select, Tag, html, useState } from "./ui.js";
import { duration, number } from "./format.js";
import { setOverride } from "./override_api.js";
import { Applied } from "./override_applied.js";
import { conflicting } from "./override_dialog.js";
import { OverridePreview } from "./override_preview.js";
import { TakeBack, TimeLeft, Whom, useNow } from "./override_table.js";
import { useTrial } from "./trial.js";
import { localMoment } from "./override_draft.js";
import { readSpan, whom } from "./limit_words.js";

const DAY = 86400;
const ENDS = [
  { value: "15m", label: "15 minutes" }, { value: "1h", label: "1 hour" }, { value: "4h", label: "4 hours" }, { value: "1d", label: "1 day" },
];
const clock = () => Date.now() / 1000;
const list = (text) => [...new Set(text.split(/[\s,]+/).filter(Boolean))];

/** Each: what is asked for, and the scope that it makes; null while it makes none. */
const SWITCHES = [
  { key: "model", title: "Freeze a model", word: "Freeze", label: "Model", hint: "A name, or a pattern such as m-*.", lead: "Nobody gets an answer of it.", scope: (text) => (text.trim() ? { model: text.trim() } : null) },
  { key: "country", title: "Freeze a country", word: "Freeze", label: "Country", hint: "Two letters, such as NO.", lead: "What comes from there is refused.", scope: (text) => (/^[a-z]{2}$/i.test(text.trim()) ? { country: text.trim().toUpperCase() } : null) },
  { key: "created_after", title: "Freeze new accounts", word: "Freeze", label: "Made since", type: "datetime-local", hint: "Whose age is unknown is not new.", lead: "Who signed up lately waits.", scope: (text) => (Date.parse(text) ? { created_after: Date.parse(text) / 1000 } : null) },
  { key: "accounts", title: "Freeze a cluster", word: "Freeze", label: "Accounts", area: true, hint: "Ids, with spaces, commas or line breaks between.", lead: "Accounts that act as one.", scope: (text) => (list(text).length ? { accounts: list(text) } : null) },
  { key: "shadow", title: "Everything in shadow", word: "Put in shadow", lead: "Every rule but auth only watches: for when the rules themselves do harm.", scope: () => ({}) },
];

const kindOf = (one) => (one.key === "shadow" ? "shadow" : "freeze");
const isOf = (one, override) => override.limit === "*" && override.change.kind === kindOf(one) && (one.key === "shadow" || Boolean(override.scope[one.key]));

/** `overrides`: those in force. */
export function Incident({ overrides, mayTune, onDone }) {
  const [open, setOpen] = useState(null);
  const [back, setBack] = useState(null);
  const now = useNow();
  return html`<div class="switches">${SWITCHES.map((one) => {
    const on = overrides.filter((override) => isOf(one, override));
    return html`<article key=${one.key} class=${`switch ${on.length ? "on" : ""}`} aria-label=${one.title}>
      <header class="row"><h3>${one.title}</h3>${on.length ? html`<${Tag} tone=${one.key === "shadow" ? "shadow" : "bad"}>on<//>` : null}</header>
      ${on.map((override) => html`<div key=${override.id} class="switch-on">
        <div>${one.key === "shadow" ? "All rules but auth" : html`<${Whom} scope=${override.scope} />`}</div><${TimeLeft} override=${override} now=${now} />
        <p class="soft small">by ${override.by}: ${override.reason}</p>
        ${mayTune ? html`<${Button} class="small" aria-label=${`End: ${whom(override.scope)}`} onClick=${() => setBack(override)}>End it<//>` : null}</div>`)}
      ${on.length ? null : html`<p class="soft small">${one.lead}</p>`}
      ${mayTune && !(one.key === "shadow" && on.length) ? html`<${Button} class="small" tone="danger" aria-label=${`${one.title} …`} onClick=${() => setOpen(one)}>${one.word} …<//>` : null}
    </article>`;
  })}</div>
  ${open ? html`<${Switch} of=${open} onDone=${onDone} onClose=${() => setOpen(null)} />` : null}
  ${back ? html`<${TakeBack} row=${back} back onDone=${onDone} onClose=${() => setBack(null)} />` : null}`;
}

function Switch({ of: one, onDone, onClose }) {
  const [text, setText] = useState(one.type ? localMoment(clock() - DAY) : "");
  const [ends, setEnds] = useState("1h");
  const [reason, setReason] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const [done, setDone] = useState(null);
  const trial = useTrial();
  const scope = one.scope(text);
  const content = () => ({ limit: "*", scope, change: { kind: kindOf(one) }, lasts: readSpan(ends), reason: reason.trim() });
  const again = (set) => (value) => {
    set(value);
    trial.forget();
    setError(null);
  };
  const count = (event) => {
    event.preventDefault();
    if (scope && reason.trim()) trial.start(content());
  };
  const act = async () => {
    setBusy(true);
    setError(null);
    try {
      const answer = await setOverride(content());
      setDone(answer);
      onDone(answer);
    } catch (failure) {
      setError(failure);
    }
    setBusy(false);
  };
  if (done) return html`<${Dialog} title="It is on" onClose=${onClose} actions=${html`<${Button} tone="primary" onClick=${onClose}>Done<//>`}><${Applied} answer=${done} /><//>`;
  const there = error && conflicting(error);
  const typed = { value: text, onInput: (event) => again(setText)(event.target.value), autocapitalize: "none", spellcheck: false };
  return html`<${Dialog} title=${one.title} wide onClose=${onClose}>
    <form onSubmit=${count}>
      <p class="soft">${one.lead}</p>
      ${one.label ? html`<${Field} label=${one.label} hint=${one.hint}>${one.area ? html`<textarea ...${typed}></textarea>` : html`<input type=${one.type ?? "text"} ...${typed} />`}<//>` : null}
      <div class="fields-row"><${Field} label="It ends in"><${Select} value=${ends} options=${ENDS} onChange=${again(setEnds)} /><//>
        <${Field} class="grow" label="Reason" hint="It stands in the audit for good: name a ticket."><input value=${reason} maxlength="256" onInput=${(event) => setReason(event.target.value)} /><//></div>
      ${there ? html`<${Notice} tone="warn" title="That is on already"><p>${there.by} has set it: ${there.reason}</p><//>` : error ? html`<${Notice} tone="bad"><p>${error.message}</p><//>` : null}
      ${trial.state ? html`<${OverridePreview} of=${trial.state} onCancel=${trial.forget} />` : null}
      <div class="row end"><${Button} onClick=${onClose}>Cancel<//>
        ${trial.state ? html`<${Button} tone="danger" busy=${busy} disabled=${!scope || !reason.trim()} onClick=${act}>${sure(one, scope, ends, trial.state)}<//>`
          : html`<${Button} type="submit" tone="primary" disabled=${!scope || !reason.trim()}>Whom does it hit?<//>`}</div>
    </form><//>`;
}

/** What the button says that does it: in numbers, once they are known. */
function sure(one, scope, ends, trial) {
  const long = duration(readSpan(ends));
  if (!scope) return "Freeze";
  if (one.key === "shadow") return `Let nothing be refused for ${long}`;
  const named = whom(scope).replace(/^everybody (asking for |from )?/, "");
  const hit = trial.result?.accounts_more ?? 0;
  return `Freeze ${named} for ${long}${hit ? `: ${number(hit)} account${hit === 1 ? "" : "s"}` : ""}`;
}
