// Clusters of accounts that act as one, for people to judge.
import "../parts/case_style.js";
import { Link, Loaded, Page, Section, Tag, html, useLoad } from "../parts/ui.js";
import { get } from "../parts/api.js";
import { Detector } from "../parts/case_detector.js";
import { FAMILIES, LEVELS, STATES, TONES } from "../parts/case_words.js";
import { ago, number, time } from "../parts/format.js";
import { navigate, setQuery } from "../parts/router.js";
import { Table } from "../parts/table.js";
import { Segments } from "./reviews.js";

const EVERY = 15;
const PAGE = 100;
const WHICH = [{ value: "open", label: "Open" }, { value: "decided", label: "Decided" }, { value: "all", label: "All" }];

export default function Cases({ query }) {
  const state = query.state ?? "open";
  const level = query.level ?? "";
  const skip = Number(query.skip ?? 0) || 0;
  const found = useLoad((signal) => get("/cases", { state, level, limit: PAGE, skip }, { signal }), [state, level, skip], { every: EVERY });
  const actions = html`<label class="row small">Level <select value=${level} onChange=${(event) => setQuery({ level: event.target.value, skip: "" })}>
      <option value="" selected=${!level}>any</option>${Object.keys(LEVELS).map((one) => html`<option key=${one} value=${one} selected=${one === level}>${one}</option>`)}</select></label>
    <${Segments} label="Which cases" options=${WHICH} value=${state} onChange=${(one) => setQuery({ state: one, skip: "" })} />`;
  return html`<${Page} title="Cases" lead="Accounts that act as one. The rules act on them by themselves up to verification; to suspend is for people.">
    <${Detector} />
    <${Section} title="Clusters" actions=${actions} note=${found.data ? counted(found.data.counts) : ""}>
      <${Loaded} of=${found}>${(data) => html`<div class="as-cards"><${Table} caption="Cases, the surest first" hideCaption rows=${data.cases} filename=${`cases-${state}`} columns=${COLUMNS}
          onRow=${(row) => navigate(`cases/${row.id}`)} empty=${state === "open" ? "No cluster waits for anybody. Without a detector there never is one." : "There is none."} /></div>
        ${data.next || skip ? html`<p class="row end">${skip ? html`<${Link} to="cases" query=${{ ...query, skip: Math.max(0, skip - PAGE) || "" }}>Before<//>` : null}${data.next ? html`<${Link} to="cases" query=${{ ...query, skip: data.next }}>Next<//>` : null}</p>` : null}`}<//><//><//>`;
}

const counted = (counts) => `${number(counts.open)} open; ${number(counts.approved)} approved, ${number(counts.rejected)} rejected, ${number(counts.merged)} merged, ${number(counts.closed)} closed.`;
const strongest = (row) => row.families.filter((one) => one.nats >= 1).map((one) => one.family);

const COLUMNS = [
  { key: "id", title: "Case", render: (row) => html`<${Link} to=${`cases/${row.id}`} aria-label=${`Case ${row.id}`}>${row.id}<//>` },
  { key: "accounts", title: "Accounts", align: "right", render: (row) => number(row.accounts) },
  { key: "exchanges", title: "Exchanges", align: "right", render: (row) => number(row.exchanges) },
  { key: "score", title: "Score", align: "right", render: (row) => `${number(row.score)} nats` },
  { key: "families", title: "By", sort: (row) => row.kinds, filter: (row) => strongest(row).join(" "), value: (row) => strongest(row).join(" "), render: (row) => strongest(row).map((family) => html`<${Tag} key=${family} title=${FAMILIES[family]}>${family}<//> `) },
  { key: "level", title: "The rules say", filter: (row) => row.level ?? "", render: (row) => (row.level ? html`<span title=${LEVELS[row.level]}>${row.level}</span>` : html`<span class="soft">nothing</span>`) },
  { key: "began", title: "Since", filter: false, render: (row) => html`<span title=${time(row.began, { whole: true })}>${ago(row.began)}</span>` },
  { key: "updated", title: "Last news", filter: false, render: (row) => html`<span title=${time(row.updated, { whole: true })}>${ago(row.updated)}</span>` },
  { key: "state", title: "State", filter: (row) => `${STATES[row.state]} ${row.wanted}`, render: (row) => html`<${Tag} tone=${TONES[row.state]}>${STATES[row.state]}<//>${row.wanted ? html` <${Tag} tone="warn">waits for a second person<//>` : null}` },
];
