// The accounts of a case, a page at a time; some of them are taken out.
import { AccountLink, Button, Loaded, Section, Tag, html, useEffect, useLoad, useState } from "./ui.js";
import { get } from "./api.js";
import { MEMBERS } from "./case_words.js";
import { ago, number, time } from "./format.js";
import { may } from "./session.js";
import { Table } from "./table.js";

const PAGE = 25;

/** `onSplit(accounts)` is called with those that are picked. */
export function CasePeople({ one, onSplit }) {
  const [from, setFrom] = useState([""]);
  const [picked, setPicked] = useState(() => new Set());
  const page = from.length - 1;
  const found = useLoad((signal) => get(`/cases/${one.id}/accounts`, { limit: PAGE, after: from[page] }, { signal }), [one.id, from[page], one.revision, one.updated]);
  useEffect(() => setPicked(new Set()), [one.revision]);
  const pick = (account) => setPicked((old) => { const next = new Set(old); if (!next.delete(account)) next.add(account); return next; });
  const judges = may("judge") && ["open", "approved"].includes(one.state);
  const actions = judges ? html`<${Button} class="small" disabled=${!picked.size} onClick=${() => onSplit([...picked])}>Take ${picked.size ? number(picked.size) : ""} out …<//>` : null;
  return html`<${Section} title="Accounts" note=${counted(one)}><${Loaded} of=${found}>${(data) => html`
    <div class="as-cards"><${Table} caption=${`Accounts, those that belong the most first, page ${page + 1}`} hideCaption rows=${data.accounts} rowKey="account" filename=${`case-${one.id}-accounts-${page + 1}`} actions=${actions} columns=${columns(judges, picked, pick)} empty="There are none." /></div>
    <div class="row end"><${Button} class="small" disabled=${!page} onClick=${() => setFrom(from.slice(0, -1))}>Before<//><span class="soft small">page ${page + 1} of ${Math.max(1, Math.ceil(everybody(one) / PAGE))}</span>
      <${Button} class="small" disabled=${!data.next} onClick=${() => setFrom([...from, data.next])}>Next<//></div>`}<//><//>`;
}

const everybody = (one) => Object.values(one.members).reduce((sum, count) => sum + count, 0);
const counted = (one) => Object.entries(one.members).map(([state, count]) => `${number(count)} ${MEMBERS[state] ?? state}`).join(", ");
const KNOWN = { file: "in accounts.yaml", token: "named by tokens alone" };

const columns = (judges, picked, pick) => [
  ...(judges ? [{ key: "pick", title: "Pick", sort: false, filter: false, value: () => "", render: (row) => (["in", "restored", "left"].includes(row.state)
    ? html`<input type="checkbox" aria-label=${`Pick ${row.account}`} checked=${picked.has(row.account)} onChange=${() => pick(row.account)} />` : null) }] : []),
  { key: "account", title: "Account", render: (row) => html`<${AccountLink} id=${row.account} />${KNOWN[row.known] ? html` <span class="soft small">${KNOWN[row.known]}</span>` : null}` },
  { key: "nats", title: "Belongs by", align: "right", render: (row) => `${number(row.nats)} nats` },
  { key: "state", title: "Is", filter: (row) => MEMBERS[row.state], render: (row) => html`${MEMBERS[row.state]}${row.suspended && row.state !== "suspended" ? html` <${Tag} tone="bad">suspended<//>` : null}` },
  { key: "tier", title: "Tier" },
  { key: "verification", title: "Verified", align: "right", render: (row) => (row.verification ? `step ${row.verification}` : "no") },
  { key: "level", title: "Level in force", render: (row) => row.level ?? html`<span class="soft">none</span>` },
  { key: "joined", title: "Joined", filter: false, render: (row) => html`<span title=${time(row.joined, { whole: true })}>${ago(row.joined)}</span>` },
];
