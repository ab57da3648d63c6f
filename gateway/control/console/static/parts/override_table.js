// Overrides that are in force, with the time they have left; and what became of all others.
import { AccountLink, Button, Confirm, Field, Tag, html, toast, useEffect, useState } from "./ui.js";
import { ago, duration, percent, time } from "./format.js";
import { ALL_LIMITS, brief, whom } from "./limit_words.js";
import { stateOf, undoOverride, withdrawOverride } from "./override_api.js";
import { appliedWords } from "./override_applied.js";
import { Table } from "./table.js";

const clock = () => Date.now() / 1000;
const TONES = { freeze: "bad", shadow: "shadow", unlimited: "warn", scale: "info", set: "info" };
const SOON = 300;

/** Unix time, anew each second while the page is seen. */
export function useNow() {
  const [now, setNow] = useState(clock());
  useEffect(() => {
    const timer = setInterval(() => { if (!document.hidden) setNow(clock()); }, 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

/** How much is left, as a bar that drains. */
export function TimeLeft({ override, now }) {
  if (!override.expires) return html`<span class="soft">until taken back</span>`;
  const left = Math.max(0, override.expires - now);
  const share = Math.min(1, left / Math.max(1, override.expires - override.created));
  return html`<div class=${`drain ${left < SOON ? "soon" : ""}`} role="meter" aria-label="Time left" aria-valuemin="0" aria-valuemax="100"
    aria-valuenow=${Math.round(share * 100)} aria-valuetext=${`${duration(left)} left`} title=${`until ${time(override.expires)}`}>
    <span class="drain-track"><span class="drain-fill" style=${{ width: percent(share) }}></span></span><span>${left ? duration(left) : "over"}</span></div>`;
}

/** For whom, with links to accounts. */
export function Whom({ scope }) {
  if (scope.account) return html`<span>account <${AccountLink} id=${scope.account} />${whom({ ...scope, account: "" }).replace(/^everybody/, "")}</span>`;
  if (!scope.accounts?.length) return whom(scope);
  return html`<details class="inline"><summary>${whom(scope)}</summary>${scope.accounts.map((id, index) => html`${index ? ", " : ""}<${AccountLink} key=${id} id=${id} />`)}</details>`;
}

export const Doing = ({ override, measure }) => html`<${Tag} tone=${TONES[override.change.kind] ?? ""}>${brief(override.change, measure)}<//>`;

const limitName = (override) => (override.limit === ALL_LIMITS ? "all limits" : override.limit);

/** `measures`: limit -> measure. `onChange(override)` opens the dialog; `mayTune`: whether there are actions. */
export function OverrideTable({ overrides, measures, caption, empty, mayTune, onChange, onDone, ended = false, filename }) {
  const [asking, setAsking] = useState(null);
  const now = useNow();
  const columns = [
    { key: "limit", title: "Limit", filter: limitName, render: (row) => html`<b>${limitName(row)}</b>` },
    { key: "scope", title: "For whom", sort: (row) => whom(row.scope), filter: (row) => `${whom(row.scope)} ${(row.scope.accounts ?? []).join(" ")}`, value: (row) => whom(row.scope), render: (row) => html`<${Whom} scope=${row.scope} />` },
    { key: "change", title: "What", sort: (row) => brief(row.change), filter: (row) => brief(row.change), value: (row) => brief(row.change), render: (row) => html`<${Doing} override=${row} measure=${measures[row.limit]} />` },
    ended
      ? { key: "state", title: "Became", sort: (row) => endOf(row), filter: (row) => stateOf(row, now), value: (row) => stateOf(row, now), render: (row) => html`${stateOf(row, now)} <span class="soft">${ago(endOf(row), now)}</span>` }
      : { key: "expires", title: "Left", sort: (row) => row.expires ?? Infinity, filter: false, render: (row) => html`<${TimeLeft} override=${row} now=${now} />` },
    { key: "by", title: "Who", render: (row) => html`${row.by} <span class="soft" title=${time(row.created, { whole: true })}>${ago(row.created, now)}</span>` },
    { key: "reason", title: "Why", render: (row) => html`<span class="reason">${row.reason}</span>` },
    ...(mayTune ? [{ key: "actions", title: "Actions", sort: false, filter: false, value: () => "", render: (row) => html`<div class="row tight">
      ${ended ? null : html`<${Button} class="small" aria-label=${`Change ${what(row)}`} onClick=${() => onChange(row)}>Change<//>
        <${Button} class="small" aria-label=${`Take back ${what(row)}`} onClick=${() => setAsking({ row, back: true })}>Take back<//>`}
      <${Button} class="small" tone="quiet" aria-label=${`Undo the last change of ${what(row)}`} onClick=${() => setAsking({ row, back: false })}>Undo<//></div>` }] : []),
  ];
  return html`<div class="as-cards"><${Table} caption=${caption} hideCaption rows=${overrides} columns=${columns} empty=${empty} filename=${filename} filter=${overrides.length > 5}
      rowKey="id" tone=${(row) => (row.change.kind === "freeze" && !ended ? "alarm" : "")} /></div>
    ${asking ? html`<${TakeBack} ...${asking} onDone=${onDone} onClose=${() => setAsking(null)} />` : null}`;
}

const endOf = (row) => row.withdrawn || row.expires || 0;
const what = (row) => `${brief(row.change)} of ${limitName(row)} for ${whom(row.scope)}`;

/** Withdraw it, or undo its last change; both ask why. Where somebody was faster it shows what is there now, and asks again. */
export function TakeBack({ row: first, back, onDone, onClose }) {
  const [row, setRow] = useState(first);
  const [reason, setReason] = useState("");
  const act = async () => {
    if (!reason.trim()) throw new Error("Say why: somebody will ask.");
    try {
      const answer = await (back ? withdrawOverride : undoOverride)(row, reason.trim());
      onDone?.(answer, back ? "Taken back." : "Undone.");
    } catch (error) {
      if (error.status === 412 && error.content.current) setRow(error.content.current);
      throw error;
    }
  };
  return html`<${Confirm} title=${back ? "Take it back" : "Undo the last change"} confirm=${back ? "Take back" : "Undo"} onConfirm=${act} onClose=${onClose}>
    <p>${back ? html`From then on the rules hold again for <b>${whom(row.scope)}</b>.` : "It is again what it was before its last change, to the digit. One that was just made is taken back."}</p>
    <p class="soft">${row.revision === first.revision ? "" : "Now: "}${what(row)}, by ${row.by}: ${row.reason}</p>
    <${Field} label="Reason"><input value=${reason} maxlength="256" onInput=${(event) => setReason(event.target.value)} /><//><//>`;
}

/** A toast that says what is in force now, with an undo where there is one. */
export function told(answer, words, onDone) {
  const again = async (event) => {
    event.currentTarget.disabled = true;
    try {
      const back = await undoOverride(answer.override, "undone at once");
      toast(`Undone. ${appliedWords(back.applied)}`);
      onDone?.(back);
    } catch (error) {
      toast(error.message, "bad");
    }
  };
  toast(html`${words} ${appliedWords(answer.applied)} ${onDone ? html`<button type="button" class="small" onClick=${again}>Undo</button>` : null}`, answer.applied.missing.length ? "warn" : "ok");
}
