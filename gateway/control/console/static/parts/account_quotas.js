// The quotas of an account as live bars: what is used, of what, which override bites, and when there is room again.
import { Bar, Button, Failed, Fragment, Loading, Notice, Section, Tag, html, useLoad, useState } from "./ui.js";
import { get } from "./api.js";
import { duration, number } from "./format.js";
import { amount, brief, numbers, unit, whom } from "./limit_words.js";
import { TimeLeft, useNow } from "./override_table.js";
import { may } from "./session.js";
import { WhatIf } from "./what_if.js";

const EVERY = 2;
const MOST = 5;
const LOOSE = { set: "info", scaled: "info", frozen: "bad", unlimited: "warn" };

/** A limit as words have it, of a row of the API: with the numbers that hold, or those of the rules. */
export const limitOf = (row, figures = row.holds) => (figures ? { ...row, ...figures } : null);

export function AccountQuotas({ id, onDo, round }) {
  const found = useLoad((signal) => get(`/accounts/${encodeURIComponent(id)}/limits`, {}, { signal }), [id, round ? 1 : 0], { every: EVERY });
  const [all, setAll] = useState(false);
  const data = found.data;
  if (!data) return html`<${Section} title="Quotas">${found.error ? html`<${Failed} error=${found.error} retry=${found.reload} />` : html`<${Loading} />`}<//>`;
  const own = data.limits.filter((row) => row.applies);
  const others = data.limits.length - own.length;
  return html`<${Section} title="Quotas" note=${`As tier ${data.tier || "none"}, live: asked again every ${EVERY} seconds.`}
    actions=${others ? html`<${Button} class="small" aria-pressed=${all ? "true" : "false"} onClick=${() => setAll(!all)}>${all ? "Only its own" : `${number(others)} for others`}<//>` : null}>
    ${found.error ? html`<${Notice} tone="warn">Shown is what was last known. ${found.error.message}<//>` : null}
    ${data.notes.map((note) => html`<${Notice} key=${note} tone="warn">${note}<//>`)}
    ${data.frozen ? html`<${Notice} tone="bad" title="Frozen: nothing of it passes.">${data.frozen.said}; set by ${data.frozen.by}: ${data.frozen.reason}<//>` : null}
    ${data.shadow ? html`<${Notice} tone="warn" title="Everything is in shadow: no limit refuses anybody just now.">${data.shadow.reason}<//>` : null}
    <div class="quotas">${(all ? data.limits : own).map((row) => html`<${Quota} key=${row.name} row=${row} onDo=${onDo} />`)}</div>
    ${own.length ? null : html`<${Notice} tone="warn">No limit of the rules is for its tier: the rules say what becomes of its requests (<code>unmatched</code>).<//>`}
    ${own.length && may("tune") ? html`<${WhatIf} id=${id} rows=${own.filter((row) => row.store !== "local")} onDo=${onDo} />` : null}<//>`;
}

function Quota({ row, onDo }) {
  const buckets = row.buckets ?? [];
  const holds = limitOf(row);
  return html`<div class=${`quota ${row.applies ? "" : "other"}`} role="group" aria-label=${row.name}>
    <div class="quota-name"><b>${row.name}</b><br /><span class="soft small">${holds ? numbers(holds) : "not asked"}</span></div>
    <div class="stack">${!row.applies ? html`<span class="soft">${row.why_not}</span>` : row.buckets === null ? html`<span class="soft">What is used is not known just now.</span>`
      : !holds ? html`<span class="soft">Nothing is counted.</span>`
      : row.store === "local" ? html`<span class="soft">${row.buckets_note || "counted in each worker apart"}</span>`
      : buckets.length ? buckets.slice(0, MOST).map((bucket) => html`<${Bucket} key=${bucket.partition} bucket=${bucket} row=${row} many=${buckets.length > 1} />`)
      : html`<${Bar} used=${0} capacity=${holds.capacity} unit=${row.measure} label=${`Used of ${row.name}`} />`}
      ${row.store !== "local" && row.buckets_note ? html`<span class="soft small">${row.buckets_note}</span>` : null}
      ${buckets.length > MOST ? html`<span class="soft small">and ${number(buckets.length - MOST)} more that are less full</span>` : null}</div>
    <div class="row tight">${row.applies && may("tune") ? html`<${Button} class="small" aria-label=${`Change ${row.name}`} onClick=${() => onDo({ kind: "override", given: { limit: row.name } })}>Change<//>
      ${row.store === "shared" && row.measure !== "concurrency" ? html`<${Button} class="small" tone="quiet" aria-label=${`Reset usage of ${row.name}`} onClick=${() => onDo({ kind: "reset", limit: row.name })}>Reset<//>` : null}` : null}</div>
    ${row.applies ? html`<${Bites} row=${row} />` : null}</div>`;
}

function Bucket({ bucket, row, many }) {
  const by = Object.entries(bucket.by).filter(([name]) => name !== "account").map(([name, value]) => `${name} ${value}`).join(", ");
  const room = bucket.next_in > 0 ? `room again in ${duration(bucket.next_in)}` : "";
  const debt = bucket.debt > 0 ? `${amount(bucket.debt, row.measure)} ${unit(row.measure)} on debt` : "";
  const said = [debt, room].filter(Boolean).join(", ");
  return html`<div>${many && by ? html`<span class="soft small">${by}</span>` : null}
    <${Bar} used=${bucket.used} capacity=${bucket.capacity} unit=${row.measure} full=${bucket.full_in} label=${`Used of ${row.name}${by ? `, ${by}` : ""}`} />
    ${said || bucket.shadow ? html`<p class=${`small ${bucket.debt > 0 ? "error" : "soft"}`}>${bucket.shadow ? "counted aside, in shadow. " : ""}${said}</p>` : null}</div>`;
}

/** Which override bites, and why others do not. */
function Bites({ row }) {
  const now = useNow();
  const biting = row.overrides.find((one) => one.bites);
  const others = row.overrides.filter((one) => !one.bites);
  if (!row.overrides.length && row.mode === "enforced" && !row.note) return null;
  return html`<div class="quota-more">
    ${row.mode === "enforced" ? null : html`<${Tag} tone="shadow">${row.mode === "shadow" ? "in shadow: refuses nobody" : "for a share of accounts"}<//>`}
    ${row.note ? html`<span class="soft">${row.note}</span>` : null}
    ${biting ? html`<${Fragment}><${Tag} tone=${LOOSE[row.state] ?? "info"}>${brief(biting.change, row.measure)}<//> <span>for ${whom(biting.scope)}, by ${biting.by}</span> <${TimeLeft} override=${biting} now=${now} />
      <span class="soft">the rules say ${numbers(limitOf(row, row.stated))}</span><//>` : null}
    ${others.length ? html`<details class="inline"><summary>${number(others.length)} that ${others.length === 1 ? "does" : "do"} not bite</summary><ul class="plain">${others.map((one) => html`<li key=${one.id}><${Tag}>${brief(one.change, row.measure)}<//> for ${whom(one.scope)}: <span class="soft">${one.why}</span></li>`)}</ul></details>` : null}
  </div>`;
}
