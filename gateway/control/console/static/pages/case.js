// One case: who acts as one, why we think so, what each action would do, and the decision.
import "../parts/case_style.js";
import { Button, Failed, Link, Loaded, Loading, Notice, Page, Section, Tag, html, useLoad, useState } from "../parts/ui.js";
import { get } from "../parts/api.js";
import { CaseCarried } from "../parts/case_carried.js";
import { CaseDecide } from "../parts/case_decide.js";
import { CaseEvidence, CaseMarks, CaseShares, CaseTimeline } from "../parts/case_evidence.js";
import { CaseGraph } from "../parts/case_graph.js";
import { CaseHistory } from "../parts/case_history.js";
import { CasePeople } from "../parts/case_people.js";
import { CaseWould } from "../parts/case_would.js";
import { DONE, LEVELS, STATES, TONES } from "../parts/case_words.js";
import { ago, number, time } from "../parts/format.js";
import { may } from "../parts/session.js";

const EVERY = 15;

export default function Case({ params: { id } }) {
  const path = `/cases/${encodeURIComponent(id)}`;
  const found = useLoad((signal) => get(path, {}, { signal }), [id], { every: EVERY });
  const one = found.data;
  const drawn = useLoad((signal) => (one ? get(`${path}/graph`, {}, { signal }) : undefined), [id, one?.revision]);
  const preview = useLoad((signal) => (one ? get(`${path}/preview`, {}, { signal }) : undefined), [id, one?.revision, one?.accounts]);
  const [doing, setDoing] = useState(null);
  const [job, setJob] = useState("");
  const title = `Case ${id}`;
  if (!one) return html`<${Page} title=${title}>${found.error ? html`<${Failed} error=${found.error} retry=${found.reload} />` : html`<${Loading} />`}<//>`;
  const decided = (answer) => {
    if (answer.job) setJob(answer.job);
    found.reload();
  };
  return html`<${Page} title=${title} lead=${`${number(one.accounts)} accounts that act as one, ${number(one.exchanges)} exchanges`} actions=${html`<${Actions} one=${one} onDo=${setDoing} />`}>
    <${Standing} one=${one} />
    <${CaseCarried} one=${one} job=${job} onJob=${setJob} onDone=${found.reload} />
    <div class="grid broad"><${CaseEvidence} one=${one} /><${Section} title="The cluster"><${Loaded} of=${drawn}>${(graph) => html`<${CaseGraph} graph=${graph} />`}<//><//></div>
    <${CaseWould} preview=${preview} />
    <${CaseMarks} one=${one} />
    <${CaseTimeline} one=${one} />
    <${CaseShares} one=${one} />
    ${may("people") ? html`<${CaseHistory} one=${one} onNoted=${found.reload} /><${CasePeople} one=${one} onSplit=${(accounts) => setDoing({ kind: "split", accounts })} />` : null}
    ${doing ? html`<${CaseDecide} key=${one.revision} what=${doing} one=${one} preview=${preview.data} onDone=${decided} onStale=${found.reload} onClose=${() => setDoing(null)} />` : null}<//>`;
}

function Actions({ one, onDo }) {
  if (!may("judge") || one.state === "merged") return null;
  const button = (kind, words, tone = "") => html`<${Button} tone=${tone} onClick=${() => onDo({ kind })}>${words}<//>`;
  if (one.state === "open") {
    return [button("approve", one.wanted && !one.you_were_first ? "Approve as the second …" : "Approve …", "primary"), button("reject", "Reject …"), button("merge", "Merge …"),
      one.wanted ? button("reopen", "Withdraw …") : null, undoable(one) ? button("undo", "Undo …", "danger") : null];
  }
  return [button("reopen", "Reopen …"), undoable(one) ? button("undo", "Undo …", "danger") : null];
}

const undoable = (one) => Boolean(one.members.suspended || one.members.asked);

function Standing({ one }) {
  return html`<${Section} title="Standing" actions=${html`<div class="account-head"><${Tag} tone=${TONES[one.state]}>${STATES[one.state]}<//>${one.wanted ? html`<${Tag} tone="warn">waits for a second person<//>` : null}</div>`}>
    <dl class="facts">
      ${one.wanted ? html`<dt>Wanted</dt><dd><b>${one.wanted_by}</b> wants to ${one.wanted} its accounts, ${ago(one.wanted_at)}: ${one.wanted_why}. ${one.you_were_first ? "That was you: somebody else has to say the same." : "A second person has to say the same."}</dd>` : null}
      ${one.decided ? html`<dt>Decided</dt><dd>${one.by}, ${ago(one.decided)}: ${one.reason}${one.action ? html` <span class="soft">(${DONE[one.action]})</span>` : null}</dd>` : null}
      ${one.merged_into ? html`<dt>Went into</dt><dd><${Link} to=${`cases/${one.merged_into}`}>case ${one.merged_into}<//></dd>` : null}
      <dt>The rules say</dt><dd>${one.level ? html`<b>${one.level}</b>: ${LEVELS[one.level]}` : "nothing of clusters"}${one.most === "verify" || one.most === "suspend" ? "" : html` <span class="soft">The detector allows no more than ${one.most}: it is in one place, and who wants to hide spreads out.</span>`}</dd>
      <dt>Began</dt><dd><span title=${time(one.began, { whole: true })}>${ago(one.began)}</span>, last news ${ago(one.updated)} <span class="soft">cluster ${one.cluster}</span></dd>
      ${one.joined_since ? html`<dt>Since then</dt><dd>${number(one.joined_since)} accounts have joined</dd>` : null}
    </dl>
    ${one.state === "open" && one.decided ? html`<${Notice} tone="info">It was decided before, and is open again: the history says why.<//>` : null}<//>`;
}
