// The chain as a picture: a step an entry, what each said, which one refused; what is in shadow is dashed.
import { Tag, html } from "./ui.js";

const SAID = {
  denied: ["bad", "Denied"], challenged: ["bad", "Asked for a challenge"], throttled: ["bad", "Throttled"],
  applied: ["ok", "Applied"], "nothing applied": ["", "Nothing applied"], "not reached": ["off", "Not reached"], "not asked": ["off", "Not asked"],
  "in shadow: changed nothing": ["shadow", "In shadow: changed nothing"],
};
const MARKS = { bad: "✕", ok: "✓", "": "✓", off: "·", shadow: "◌" };

function Rule({ rule }) {
  const shadow = rule.mode === "shadow" || rule.enforced === false;
  return html`<li class=${shadow ? "shadowed" : ""}><b>${rule.rule || "the entry itself"}</b> ${rule.action}${rule.reason ? html`: <code>${rule.reason}</code>` : null}
    ${shadow ? html` <${Tag} tone="shadow">shadow<//>` : null}</li>`;
}

/** steps: [{entry, said, rules: [{rule, action, reason, enforced, mode}]}] of a trail. */
export function Chain({ steps, passed, status }) {
  return html`<ol class="chain"><li class="step end"><span class="dot" aria-hidden="true">→</span><div><b>The request comes in</b></div></li>
    ${steps.map((step, index) => {
      const [tone, words] = SAID[step.said] ?? ["", step.said];
      return html`<li key=${index} class=${`step ${tone}`}><span class="dot" aria-hidden="true">${MARKS[tone] ?? "·"}</span>
        <div><b>${step.entry}</b><span class="said">${words}</span>${step.rules?.length ? html`<ul>${step.rules.map((rule, at) => html`<${Rule} key=${at} rule=${rule} />`)}</ul>` : null}</div></li>`;
    })}
    <li class=${`step end ${passed ? "" : "off"}`}><span class="dot" aria-hidden="true">${passed ? "→" : "·"}</span><div><b>${passed ? "On to the inference API" : "The inference API never saw it"}</b><span class="said">answered with ${status || "nothing"}</span></div></li></ol>`;
}
