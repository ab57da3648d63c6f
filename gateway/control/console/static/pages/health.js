// How the parts are, side by side, and what to do where one is not well.
import { get } from "../parts/api.js";
import { ago, bytes, duration, number } from "../parts/format.js";
import { Table } from "../parts/table.js";
import { Bar, Empty, Link, Loaded, Page, Section, Tag, html, useLoad } from "../parts/ui.js";

const EVERY = 3;

/** What most of them say: who differs is marked. */
function usual(values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort((one, other) => other[1] - one[1])[0]?.[0];
}

const Yes = ({ is, yes = "yes", no = "no", bad = true }) => html`<${Tag} tone=${is ? "ok" : bad ? "bad" : ""}>${is ? yes : no}<//>`;

function Verdict({ data }) {
  const grave = data.warnings.filter((one) => one.grave).length;
  if (data.well) return html`<section class="card verdict ok" aria-label="Verdict"><p class="in-words">All is well.</p><p class="soft">${data.workers.length} ${data.workers.length === 1 ? "worker serves" : "workers serve"} by generation ${data.rules.generation}; Redis answers in ${duration(data.redis.latency)}; the directory is there.</p></section>`;
  return html`<section class=${`card verdict ${grave ? "bad" : "warn"}`} aria-label="Verdict"><p class="in-words">${grave ? `${number(grave)} ${grave === 1 ? "thing" : "things"} to see to at once` : `${number(data.warnings.length)} ${data.warnings.length === 1 ? "thing" : "things"} to see to`}</p>
    <ul class="warnings">${data.warnings.map((one, index) => html`<li key=${index} class=${one.grave ? "bad" : "warn"}><b>${one.what}</b><span>What to do: ${one.do}.</span></li>`)}</ul></section>`;
}

function Workers({ data }) {
  const { workers } = data;
  const most = { generation: usual(workers.map((one) => one.generation)), digest: usual(workers.map((one) => one.digest)), revision: usual(workers.map((one) => one.revision)) };
  const same = (key) => (row) => (row[key] === most[key] ? row[key] : html`<${Tag} tone="warn" title="Differs from the others">${row[key]}<//>`);
  const columns = [
    { key: "name", title: "Worker" }, { key: "pid", title: "Process", align: "right" }, { key: "uptime", title: "Up for", align: "right", render: (row) => duration(row.uptime) },
    { key: "lag", title: "Late by", align: "right", render: (row) => (row.lag > 0.25 ? html`<${Tag} tone="bad">${duration(row.lag)}<//>` : duration(row.lag)) },
    { key: "active", title: "Under way", align: "right", render: (row) => number(row.active) }, { key: "connections", title: "Connections", align: "right", render: (row) => number(row.connections) },
    { key: "memory", title: "Memory", align: "right", render: (row) => bytes(row.memory) },
    { key: "generation", title: "Generation", align: "right", render: same("generation") }, { key: "digest", title: "Rules", render: (row) => html`<code title=${row.digest}>${(row.digest ?? "").slice(0, 8)}</code>${row.digest === most.digest ? null : html` <${Tag} tone="warn">differs<//>`}` },
    { key: "revision", title: "Overrides", align: "right", render: same("revision") },
    { key: "store_available", title: "Redis", render: (row) => html`<${Yes} is=${row.store_available} yes="there" no="away" />` }, { key: "directory_available", title: "Directory", render: (row) => html`<${Yes} is=${row.directory_available} yes="there" no="away" />` },
    { key: "events_dropped", title: "Lost events", align: "right", render: (row) => (row.events_dropped ? html`<${Tag} tone="warn">${number(row.events_dropped)}<//>` : "0") },
  ];
  const agree = workers.every((one) => one.digest === most.digest && one.revision === most.revision);
  return html`<${Section} title="Workers" note="All serve the same port" actions=${workers.length ? html`<${Tag} tone=${agree ? "ok" : "warn"}>${agree ? "All go by the same rules and overrides" : "They do not agree yet"}<//>` : null}>
    <${Table} columns=${columns} rows=${workers} rowKey="name" caption="Workers" hideCaption filter=${false} filename="workers" empty="No worker answers." /><//>`;
}

const Facts = ({ facts }) => html`<dl class="facts">${facts.filter(([, value]) => value !== undefined && value !== "" && value !== null).flatMap(([name, value]) => [html`<dt key=${name}>${name}</dt>`, html`<dd key=${`${name}-value`}>${value}</dd>`])}</dl>`;

function Redis({ redis }) {
  const title = html`<${Yes} is=${redis.available} yes="There" no="Away" />`;
  if (!redis.available) return html`<${Section} title="Redis" actions=${title}><p>It does not answer: <code>${redis.error}</code></p><p class="soft">Meanwhile each entry does what its on_failure says. See whether it runs, and the network to it.</p><//>`;
  return html`<${Section} title="Redis" actions=${title}><${Facts} facts=${[["Answers in", duration(redis.latency)], ["Version", redis.version], ["Role", redis.role], ["Up for", duration(redis.uptime)], ["Clients", number(redis.clients)],
    ["Memory", redis.memory_limit ? html`<${Bar} used=${redis.memory} capacity=${redis.memory_limit} unit="bytes" label="Memory of Redis" />` : `${bytes(redis.memory)}, no limit set`],
    ["When it is full", redis.policy], ["Evicted", redis.evicted ? html`<${Tag} tone="bad">${number(redis.evicted)} keys<//>` : "nothing"]]} /><//>`;
}

function Directory({ directory }) {
  const kinds = { sqlite: "SQLite", postgresql: "PostgreSQL", file: "A file: nothing can be changed here" };
  return html`<${Section} title="Directory" actions=${html`<${Yes} is=${directory.available} yes="There" no="Away" />`}>
    <${Facts} facts=${[["Kind", kinds[directory.kind] ?? directory.kind], ["Error", directory.error && html`<code>${directory.error}</code>`], ["Answers in", directory.latency && duration(directory.latency)], ["Size", directory.size && bytes(directory.size)], ["Schema", directory.schema], ["Version", directory.version && number(directory.version)]]} /><//>`;
}

function Processes({ processes }) {
  const columns = [
    { key: "name", title: "Kind" }, { key: "run", title: "Run", align: "right", sort: (row) => row.pids.length, render: (row) => html`<${Tag} tone=${row.pids.length < row.wanted ? "bad" : "ok"}>${row.pids.length} of ${row.wanted}<//>` },
    { key: "pids", title: "Processes", sort: false, render: (row) => row.pids.join(", ") }, { key: "restarts", title: "Started again", align: "right", render: (row) => (row.restarts ? html`<${Tag} tone="warn">${number(row.restarts)}<//>` : "never") },
  ];
  return html`<${Section} title="Processes" note="Kept alive by the supervisor"><${Table} columns=${columns} rows=${processes} rowKey="name" caption="Processes" hideCaption filter=${false} empty="None." /><//>`;
}

function Feeds({ feeds }) {
  const columns = [{ key: "name", title: "Name" }, { key: "age", title: "Age", align: "right", render: (row) => duration(row.age) }, { key: "stale", title: "State", sort: false, render: (row) => html`<${Yes} is=${!row.stale} yes="fresh" no="stale" />` }];
  return html`<${Section} title="Lists and feeds" actions=${html`<${Link} to="lists">All of them<//>`}>${feeds.length ? html`<${Table} columns=${columns} rows=${feeds} rowKey="name" caption="Lists and feeds by age" hideCaption filter=${false} order=${{ key: "age", down: true }} />` : html`<${Empty}>No list and no database is in use.<//>`}<//>`;
}

export default function Health() {
  const loaded = useLoad((signal) => get("/health", {}, { signal }), [], { every: EVERY });
  return html`<${Page} title="Health"><${Loaded} of=${loaded} lines=${10}>${(data) => html`<${Verdict} data=${data} />
    <${Workers} data=${data} />
    <div class="grid"><${Redis} redis=${data.redis} /><${Directory} directory=${data.directory} /><${Processes} processes=${data.processes} />
      <${Section} title="Rules and log" actions=${html`<${Link} to="rules">To the rules<//>`}><${Facts} facts=${[["Generation", data.rules.generation], ["Digest", html`<code>${data.rules.digest?.slice(0, 16)}</code>`], ["In force since", ago(data.rules.since)], ["By", data.rules.who], ["Problems on disk", data.rules.problems?.length ? html`<${Tag} tone="bad">${number(data.rules.problems.length)}<//>` : "none"], ["Exchange log", data.exchange_log.on ? `kept for ${duration(data.exchange_log.keep)}` : html`<${Tag} tone="warn">off<//>`]]} /><//>
      <${Feeds} feeds=${data.feeds} /></div>`}<//><//>`;
}
