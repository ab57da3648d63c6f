// Exchanges of the past under what is written: who would be refused, or no longer, before anybody is hurt.
import { get, send } from "../parts/api.js";
import { Problems } from "../parts/problems.js";
import { country, duration, number, percent, time } from "../parts/format.js";
import { setQuery } from "../parts/router.js";
import { AccountLink, Button, Failed, Field, Notice, Section, Select, Tag, html, useEffect, useRef, useState } from "../parts/ui.js";
import { Table } from "../parts/table.js";
import { files } from "./rules_drafts.js";

const LOOK = 400;
const PERIODS = [["1h", "The last hour"], ["6h", "The last 6 hours"], ["24h", "The last 24 hours"], ["7d", "The last 7 days"]].map(([value, label]) => ({ value, label }));
const AGAINST = [{ value: "in_force", label: "What the rules in force say of them" }, { value: "recorded", label: "What was decided then" }];
const GROUPS = [
  { key: "entry", title: "Entry" }, { key: "rule", title: "Rule" }, { key: "reason", title: "Reason" }, { key: "tier", title: "Tier" },
  { key: "country", title: "From", render: (row) => country(row.country) }, { key: "exchanges", title: "Exchanges", align: "right", render: (row) => number(row.exchanges) },
  { key: "accounts", title: "Accounts", align: "right", render: (row) => number(row.accounts) }, { key: "share", title: "Share", align: "right", render: (row) => percent(row.share) },
];
const HURT = [
  { key: "account", title: "Account", render: (row) => html`<${AccountLink} id=${row.account} />` }, { key: "tier", title: "Tier" },
  { key: "honest", title: "Looks", render: (row) => (row.honest ? html`<${Tag} tone="bad">honest<//>` : ""), filter: (row) => (row.honest ? "honest" : "") },
  { key: "age_days", title: "Age", align: "right", render: (row) => (row.age_days === null ? "–" : `${number(row.age_days)} d`) },
  { key: "refused_before", title: "Refused before", align: "right" }, { key: "newly_refused", title: "Newly refused", align: "right" },
  { key: "share", title: "Of its own", align: "right", render: (row) => percent(row.share) },
];

/** A job, asked for until it has ended; ended with the page. */
function useJob() {
  const [job, setJob] = useState(null);
  const id = useRef("");
  const timer = useRef(0);
  const look = async () => {
    try {
      const found = await get(`/jobs/${id.current}`);
      setJob(found);
      if (["waiting", "running"].includes(found.state)) timer.current = setTimeout(look, LOOK);
    } catch (error) {
      setJob({ state: "failed", error: error.message });
    }
  };
  const stop = () => { clearTimeout(timer.current); if (id.current) send("DELETE", `/jobs/${id.current}`).catch(() => {}); id.current = ""; };
  useEffect(() => stop, []);
  const start = async (content) => {
    setJob({ state: "waiting", progress: 0 });
    try {
      id.current = (await send("POST", "/policies/replay", content)).content.job;
      await look();
    } catch (error) {
      setJob({ state: "failed", error: error.message });
    }
  };
  return { job, start, cancel: () => { stop(); setJob(null); } };
}

export function Replay() {
  const [since, setSince] = useState("24h");
  const [against, setAgainst] = useState("in_force");
  const { job, start, cancel } = useJob();
  const runs = job && ["waiting", "running"].includes(job.state);
  const go = (event) => { event.preventDefault(); start({ files: files(), since, against }); };
  return html`<${Section} title="Replay" note="Past exchanges are asked again under what is written here. Buckets are full at the beginning; nothing is changed, and nobody is asked.">
    <form class="filters asked" onSubmit=${go}>
      <${Field} label="Exchanges of"><${Select} options=${PERIODS} value=${since} onChange=${setSince} /><//>
      <${Field} label="Against"><${Select} options=${AGAINST} value=${against} onChange=${setAgainst} /><//>
      <div class="row">${runs ? html`<${Button} onClick=${cancel}>End it<//>` : html`<${Button} type="submit" tone="primary">Replay<//>`}</div></form>
    <div aria-live="polite">
      ${runs ? html`<div class="progress"><label for="replayed">Replaying: ${percent(job.progress)}</label><progress id="replayed" max="1" value=${job.progress}></progress></div>` : null}
      ${job?.state === "failed" ? html`<${Failed} error=${new Error(job.error)} />` : null}
      ${job?.state === "done" ? html`<${Result} found=${job.result} />` : null}</div><//>`;
}

function Result({ found }) {
  if (found.problems?.length) return html`<${Notice} tone="bad" title="The files are wrong"><${Problems} problems=${found.problems} onJump=${(one) => setQuery({ tab: "files", file: one.path, line: one.line })} /><//>`;
  const change = (name) => found.changes.find((one) => one.change === name)?.exchanges ?? 0;
  const refused = change("newly refused");
  return html`<div class="stack">
    <${Notice} tone=${refused ? (found.hurt_honest ? "bad" : "warn") : "ok"} title=${found.verdict}>${number(found.exchanges)} exchanges of ${number(found.accounts)} accounts, ${time(found.first, { whole: true })} to ${time(found.last, { whole: true })} (${duration(found.last - found.first)}).<//>
    <div class="tiles">${found.changes.map((one) => html`<div key=${one.change} class=${`tile ${one.change === "newly refused" && one.exchanges ? "bad" : ""}`}><span class="name">${one.change}</span><span class="value">${number(one.exchanges)}</span><span class="more">${one.share === null ? "" : percent(one.share)}${one.accounts ? ` · ${number(one.accounts)} accounts` : ""}</span></div>`)}</div>
    ${["newly refused", "newly allowed", "refused for another reason"].map((name) => (found.groups[name]?.length ? html`<${Table} key=${name} caption=${name[0].toUpperCase() + name.slice(1)} columns=${GROUPS} rows=${found.groups[name]} filename=${name.replaceAll(" ", "-")} rowKey=${(row) => JSON.stringify([row.entry, row.rule, row.reason, row.tier, row.country])} order=${{ key: "exchanges", down: true }} />` : null))}
    ${found.hurt.length ? html`<${Table} caption=${`Accounts newly refused, those that look honest first (${found.hurt.length} of ${found.hurt_accounts})`} columns=${HURT} rows=${found.hurt} rowKey="account" filename="newly-refused" />` : null}
    ${found.people === false && found.hurt_accounts ? html`<p class="soft">Whose they are is for roles that may see people.</p>` : null}
    ${Object.keys(found.failures ?? {}).length ? html`<${Notice} tone="warn" title="Some could not be asked">${Object.entries(found.failures).map(([name, count]) => html`<p key=${name}>${name}: ${number(count)} times</p>`)}<//>` : null}</div>`;
}
