// The fields of an override: what instead, of which limit, for whom, until when, why.
import { Button, Field, Select, html, useId } from "./ui.js";
import { ALL_LIMITS, numbers, typed, typedSpan } from "./limit_words.js";
import { CONDITIONS, KINDS, endings, localMoment } from "./override_draft.js";

const NEW = 86400;

/** `set(part)` takes what is changed of the draft; `fixed`: limit and scope are those of an override that is there. */
export function OverrideFields({ draft, set, limits, errors, editing }) {
  const limit = limits.find((one) => one.name === draft.limit);
  return html`<div class="override-fields">
    <${Kinds} value=${draft.kind} onChange=${(kind) => set({ kind, ends: kind === "boost" && draft.ends === "never" ? "1h" : draft.ends })} />
    <${Field} label="Limit" error=${errors.limit} hint=${limit ? `The rules say: ${numbers(limit)}.` : ""}>
      <${Select} value=${draft.limit} disabled=${Boolean(editing)} onChange=${(name) => set({ limit: name })} options=${[
        { value: "", label: "Choose …" }, { value: ALL_LIMITS, label: "All limits", disabled: draft.kind === "set" },
        ...limits.map((one) => ({ value: one.name, label: `${one.name} (${numbers(one)})` })),
        ...(draft.limit && draft.limit !== ALL_LIMITS && !limit ? [{ value: draft.limit, label: `${draft.limit} (not in the rules)` }] : []),
      ]} /><//>
    <${Conditions} conditions=${draft.conditions} errors=${errors} fixed=${Boolean(editing)} onChange=${(conditions) => set({ conditions })} />
    <${Numbers} draft=${draft} set=${set} limit=${limit} errors=${errors} />
    <div class="fields-row">
      <${Field} label="It ends"><${Select} value=${draft.ends} onChange=${(ends) => set({ ends })} options=${endings(draft, editing)} /><//>
      ${draft.ends === "at" ? html`<${Field} label="At" error=${errors.at} hint="By your own clock.">
        <input type="datetime-local" value=${draft.at} onInput=${(event) => set({ at: event.target.value })} /><//>` : null}
      <${Field} class="twice" label="Reason" error=${errors.reason} hint="It stands in the audit for good: name a ticket rather than a person.">
        <input value=${draft.reason} maxlength="256" onInput=${(event) => set({ reason: event.target.value })} /><//>
    </div>
  </div>`;
}

function Kinds({ value, onChange }) {
  const name = useId("kind");
  return html`<fieldset class="kinds"><legend>What</legend>
    <div class="choices">${KINDS.map((kind) => html`<label key=${kind.value} class="choice">
      <input type="radio" name=${name} value=${kind.value} checked=${kind.value === value} onChange=${() => onChange(kind.value)} /><span>${kind.label}</span></label>`)}</div>
    <p class="hint">${KINDS.find((kind) => kind.value === value)?.hint}</p></fieldset>`;
}

function Conditions({ conditions, errors, fixed, onChange }) {
  const change = (index, part) => onChange(conditions.map((one, at) => (at === index ? { ...one, ...part } : one)));
  const free = CONDITIONS.filter(({ value }) => !conditions.some(({ what }) => what === value));
  const add = () => onChange([...conditions, fresh(free[0].value)]);
  return html`<fieldset class="conditions"><legend>For whom</legend>
    ${conditions.length ? null : html`<p class="soft">Everybody.</p>`}
    ${conditions.map(({ what, value }, index) => html`<div class="condition" key=${index}>
      <${Field} label="Condition" hidden><${Select} value=${what} disabled=${fixed} onChange=${(next) => change(index, fresh(next))}
        options=${CONDITIONS.filter((one) => one.value === what || free.includes(one))} /><//>
      <${Field} class="grow" label=${CONDITIONS.find((one) => one.value === what).label} hidden error=${errors[`scope.${index}`]}>
        <input type=${what === "created_after" ? "datetime-local" : "text"} disabled=${fixed} value=${value} autocapitalize="none" spellcheck=${false}
          placeholder=${CONDITIONS.find((one) => one.value === what).hint} onInput=${(event) => change(index, { value: event.target.value })} /><//>
      ${fixed ? null : html`<${Button} class="small" tone="quiet" aria-label=${`Take condition ${index + 1} away`} onClick=${() => onChange(conditions.filter((_, at) => at !== index))}>✕<//>`}
    </div>`)}
    ${fixed || !free.length ? null : html`<${Button} class="small" onClick=${add}>${conditions.length ? "And …" : "Only for …"}<//>`}
  </fieldset>`;
}

const fresh = (what) => ({ what, value: what === "created_after" ? localMoment(Date.now() / 1000 - NEW) : "" });

function Numbers({ draft, set, limit, errors }) {
  const typedIn = (name) => ({ value: draft[name], inputmode: "decimal", autocomplete: "off", onInput: (event) => set({ [name]: event.target.value }) });
  if (draft.kind === "boost" || draft.kind === "scale") {
    return html`<div class="fields-row"><${Field} label="Times" error=${errors.factor}><input ...${typedIn("factor")} /><//>
      <div class="chips" role="group" aria-label="Usual factors">${(draft.kind === "boost" ? ["1.5", "2", "3", "5", "10"] : ["0.1", "0.25", "0.5", "2", "5"]).map((one) => html`<${Button} key=${one} class="small"
        aria-pressed=${draft.factor === one ? "true" : "false"} onClick=${() => set({ factor: one })}>× ${one}<//>`)}</div></div>`;
  }
  if (draft.kind !== "set") return null;
  const slots = limit?.measure === "concurrency";
  return html`<div class="fields-row">
    <${Field} label="At most" error=${errors.capacity}><input placeholder=${limit ? typed(limit.capacity) : ""} ...${typedIn("capacity")} /><//>
    ${slots ? null : html`<${Field} label="Back" error=${errors.refill}><input placeholder=${limit ? typed(limit.refill) : ""} ...${typedIn("refill")} /><//>
      <${Field} label="Every" error=${errors.every}><input placeholder=${limit ? typedSpan(limit.every) : ""} ...${typedIn("every")} /><//>`}
  </div>`;
}
