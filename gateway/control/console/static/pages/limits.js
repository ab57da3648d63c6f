// Limits: those of the rules, what operators have set beside them, and the switches for an incident.
import "../parts/steer_style.js";
import { Button, Loaded, Notice, Page, Section, html, useLoad, useMemo, useState } from "../parts/ui.js";
import { lookAgain } from "../parts/alarms.js";
import { get } from "../parts/api.js";
import { History } from "../parts/override_history.js";
import { Incident } from "../parts/incident.js";
import { OverrideDialog } from "../parts/override_dialog.js";
import { Doing, OverrideTable, TimeLeft, told, useNow } from "../parts/override_table.js";
import { listOverrides, stateOf } from "../parts/override_api.js";
import { numbers, unit, whom } from "../parts/limit_words.js";
import { number } from "../parts/format.js";
import { may } from "../parts/session.js";
import { Table } from "../parts/table.js";

const EVERY = 5;

export default function Limits({ query }) {
  const rules = useLoad((signal) => get("/limits", {}, { signal }));
  const overrides = useLoad((signal) => listOverrides({ all: true }, signal), [], { every: EVERY });
  const [dialog, setDialog] = useState(() => (query.limit || query.account ? { given: asked(query) } : null));
  const [round, setRound] = useState(0);
  const mayTune = may("tune");
  const again = () => {
    overrides.reload();
    rules.reload();
    setRound((old) => old + 1);
    lookAgain();
  };
  const done = (answer, words = "Done.") => {
    again();
    told(answer, words, again);
  };
  const limits = rules.data?.limits ?? [];
  const measures = useMemo(() => Object.fromEntries(limits.map((one) => [one.name, one.measure])), [rules.data]);
  const change = mayTune ? html`<${Button} tone="primary" onClick=${() => setDialog({})}>Change a limit<//>` : null;
  return html`<${Page} title="Limits" lead="What the rules allow, and what operators have set beside them." actions=${change}>
    <${Loaded} of=${overrides}>${(data) => {
      const now = Date.now() / 1000;
      const live = data.overrides.filter((one) => stateOf(one, now) === "in force");
      const ended = data.overrides.filter((one) => stateOf(one, now) !== "in force");
      return html`<${Standing} overrides=${live} />
        ${data.left_out ? html`<${Notice}>${number(data.left_out)} more name accounts, which your role may not see.<//>` : null}
        <${Section} title="In force now" note=${live.length ? "Beside the rules. Of several for one request, a freeze bites first, then the most specific." : ""}>
          <${OverrideTable} caption="Overrides in force" filename="overrides" overrides=${live} measures=${measures} mayTune=${mayTune} onDone=${done} onChange=${(editing) => setDialog({ editing })}
            empty="Nothing is set beside the rules: each limit is as the files say." /><//>
        <${Section} title="In an incident" note="Each ends by itself, and says whom it hits before it is on.">
          <${Incident} overrides=${live} mayTune=${mayTune} onDone=${done} /><//>
        <${Section} title="Limits of the rules"><${Loaded} of=${rules}>${(found) => html`<${Rules} limits=${found.limits} overrides=${live} onChange=${mayTune ? (limit) => setDialog({ given: { limit } }) : null} />`}<//><//>
        ${ended.length ? html`<${Section} title="Ended" note="Expired or taken back. Undo brings back what was there before.">
          <${OverrideTable} ended caption="Overrides that have ended" filename="ended-overrides" overrides=${ended} measures=${measures} mayTune=${mayTune} onDone=${done} /><//>` : null}`;
    }}<//>
    <${Section} title="History"><${History} measures=${measures} round=${round} /><//>
    ${dialog ? html`<${OverrideDialog} ...${dialog} limits=${limits} onDone=${done} onClose=${() => setDialog(null)} />` : null}<//>`;
}

/** What the address of the page asks to change. */
const asked = ({ limit, account }) => ({ limit: limit ?? "", conditions: account ? [{ what: "account", value: account }] : [] });

/** What nobody may overlook: everything in shadow, or everybody frozen. */
function Standing({ overrides }) {
  const now = useNow();
  const grave = overrides.filter((one) => one.change.kind === "shadow" || (one.change.kind === "freeze" && one.limit === "*"));
  if (!grave.length) return null;
  return html`<div class="standing" role="status">${grave.map((one) => html`<div key=${one.id} class=${`grave ${one.change.kind}`}>
    <p class="grave-what">${one.change.kind === "shadow" ? "Everything is in shadow" : `Frozen: ${whom(one.scope)}`}</p>
    <${TimeLeft} override=${one} now=${now} /><p class="soft">by ${one.by}: ${one.reason}</p></div>`)}</div>`;
}

function Rules({ limits, overrides, onChange }) {
  const of = (limit) => overrides.filter((one) => one.limit === limit.name);
  const all = overrides.filter((one) => one.limit === "*").length;
  const columns = [
    { key: "name", title: "Limit", render: (row) => html`<b>${row.name}</b>` },
    { key: "entry", title: "Entry" },
    { key: "measure", title: "Counts", value: (row) => row.measure, filter: (row) => `${unit(row.measure)} ${row.measure}`, render: (row) => unit(row.measure) },
    { key: "per", title: "Per", sort: (row) => row.per.join(", "), render: (row) => row.per.join(", ") },
    { key: "capacity", title: "The rules say", filter: false, value: numbers, render: (row) => numbers(row) },
    { key: "tiers", title: "For", sort: (row) => meant(row), filter: (row) => meant(row), value: (row) => meant(row), render: (row) => meant(row) },
    { key: "overrides", title: "Set beside it", sort: (row) => of(row).length, filter: (row) => of(row).map((one) => whom(one.scope)).join(" "), value: (row) => of(row).length,
      render: (row) => (of(row).length ? html`<ul class="plain">${of(row).slice(0, 3).map((one) => html`<li key=${one.id}><${Doing} override=${one} measure=${row.measure} /> <span class="soft">${whom(one.scope)}</span></li>`)}
        ${of(row).length > 3 ? html`<li class="soft">and ${number(of(row).length - 3)} more</li>` : null}</ul>` : html`<span class="soft">–</span>`) },
    ...(onChange ? [{ key: "change", title: "Change", sort: false, filter: false, value: () => "", render: (row) => html`<${Button} class="small" aria-label=${`Change ${row.name}`} onClick=${() => onChange(row.name)}>Change<//>` }] : []),
  ];
  if (!limits.length) return html`<${Notice} tone="warn" title="No limit"><p>The rules in force have no entry of the kind quota: nothing is counted.</p><//>`;
  return html`${all ? html`<p class="soft">${all === 1 ? "One override" : `${number(all)} overrides`} above ${all === 1 ? "is" : "are"} for all limits at once.</p>` : null}
    <${Table} caption="Limits of the rules in force" hideCaption filename="limits" rows=${limits} rowKey="name" columns=${columns} />`;
}

const meant = (limit) => [
  limit.tiers?.length ? `tier ${limit.tiers.join(", ")}` : "every tier",
  limit.models?.length ? `models ${limit.models.join(", ")}` : "",
].filter(Boolean).join(", ");
