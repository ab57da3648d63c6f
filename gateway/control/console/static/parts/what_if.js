// What an override would do to an account, before anybody sets one: a factor on the bars, and on the last day.
import { Bar, Button, html, useEffect, useId, useState } from "./ui.js";
import { number } from "./format.js";
import { after } from "./limit_words.js";
import { OverridePreview } from "./override_preview.js";
import { useTrial } from "./trial.js";
import { limitOf } from "./account_quotas.js";

const STEPS = [0.1, 0.2, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 3, 4, 5, 10, 20, 50, 100];
const NONE = STEPS.indexOf(1);
const PATIENCE = 600;

export function WhatIf({ id, rows, onDo }) {
  const [step, setStep] = useState(NONE);
  const trial = useTrial();
  const range = useId("factor");
  const factor = STEPS[step];
  useEffect(() => {
    trial.forget();
    if (factor === 1) return undefined;
    const timer = setTimeout(() => trial.start({ limit: "*", scope: { account: id }, change: { kind: "scale", factor } }), PATIENCE);
    return () => clearTimeout(timer);
  }, [factor, id]);
  return html`<div class="what-if"><h3>What an override would do</h3>
    <div class="row"><label for=${range}>All its limits times</label>
      <input id=${range} type="range" min="0" max=${STEPS.length - 1} step="1" value=${step} aria-valuetext=${`times ${factor}`} onInput=${(event) => setStep(Number(event.target.value))} />
      <output for=${range}>× ${number(factor)}</output>
      <${Button} class="small" disabled=${factor === 1} onClick=${() => setStep(NONE)}>As it is<//>
      <${Button} class="small" tone="primary" disabled=${factor === 1} onClick=${() => onDo({ kind: "override", given: { kind: factor > 1 ? "boost" : "scale", limit: "*", factor: String(factor) } })}>Set it …<//></div>
    ${factor === 1 ? html`<p class="soft small">Move it: the bars show what would be left, and the last 24 hours who would have been refused.</p>` : html`
      ${rows.map((row) => html`<${Ghost} key=${row.name} row=${row} factor=${factor} />`)}
      ${trial.state ? html`<${OverridePreview} of=${trial.state} onCancel=${trial.forget} alone />` : null}`}</div>`;
}

/** The fullest bucket of a limit, as it would be. */
function Ghost({ row, factor }) {
  const stated = limitOf(row, row.stated);
  const would = after(stated, { kind: "scale", factor });
  const used = row.buckets?.[0]?.used ?? 0;
  return html`<div class="ghost"><span>${row.name}</span><${Bar} used=${used} capacity=${would.capacity} unit=${row.measure} label=${`${row.name}, times ${factor}`} /></div>`;
}
