// Rules: the files of the policies written, checked, tried on the past, put into force, and taken back.
import "../parts/author_style.js";
import { get } from "../parts/api.js";
import { ago, number } from "../parts/format.js";
import { setQuery } from "../parts/router.js";
import { may } from "../parts/session.js";
import { Button, Loaded, Notice, Page, html, useEffect, useId, useLoad, useRef, useState } from "../parts/ui.js";
import { changed, drafts } from "./rules_drafts.js";
import { Files } from "./rules_files.js";
import { History } from "./rules_history.js";
import { Replay } from "./rules_replay.js";
import { Shadow } from "./rules_shadow.js";
import { Tests } from "./rules_tests.js";

const EVERY = 5;
const TABS = [
  { key: "files", title: "Files", needs: "write", part: Files },
  { key: "tests", title: "Tests", needs: "write", part: Tests },
  { key: "replay", title: "Replay", needs: "write", part: Replay },
  { key: "shadow", title: "Shadow and rollout", needs: "look", part: Shadow },
  { key: "history", title: "History", needs: "look", part: History },
];

export default function Rules({ query }) {
  const standing = useLoad((signal) => get("/policies", {}, { signal }), [], { every: EVERY });
  const tabs = TABS.filter((one) => may(one.needs));
  const tab = tabs.find((one) => one.key === query.tab) ?? tabs[0];
  const unsaved = (drafts.value, changed());
  const lead = standing.data ? inWords(standing.data) : "What is asked of every request, in which order.";
  return html`<${Page} title="Rules" lead=${lead} wide>
    <${Loaded} of=${standing} lines=${1}>${(data) => html`<${Standing} policies=${data} onLook=${(key) => setQuery({ tab: key })} />`}<//>
    ${unsaved.length && tab.key !== "files" ? html`<${Notice} tone="info">Not saved yet: ${unsaved.join(", ")}. Tests and replay go by what is written.<//>` : null}
    <${Tabs} tabs=${tabs} tab=${tab}>
      <${tab.part} key=${tab.key} query=${query} standing=${standing} onDone=${standing.reload} /><//><//>`;
}

function inWords({ generation, who, since, workers }) {
  const all = Object.values(workers ?? {});
  const serving = all.filter((one) => one.generation === generation).length;
  return `Generation ${number(generation)} is in force on ${serving} of ${all.length} workers here, by ${who}, ${ago(since)}.`;
}

/** What is in force against what is on the disk, always in sight. */
function Standing({ policies, onLook }) {
  if (policies.files === "refused") {
    return html`<${Notice} tone="bad" title="The files on the disk are refused" actions=${may("write") ? html`<${Button} class="small" onClick=${() => onLook("files")}>Mend them<//>` : null}>
      <p>Generation ${policies.generation} stays in force until they are right.</p>
      <ul>${policies.problems.slice(0, 5).map((one) => html`<li key=${one}><code>${one}</code></li>`)}</ul><//>`;
  }
  if (policies.files === "set_aside") {
    return html`<${Notice} tone="warn" title="The files on the disk are set aside" actions=${html`<${Button} class="small" onClick=${() => onLook("history")}>See what differs<//>`}>
      Somebody went back from them to generation ${policies.generation}. They are not applied by themselves; saving any file puts the folder as it is on the disk into force.<//>`;
  }
  return null;
}

/** ARIA Authoring Practices, "Tabs" with activation by hand: arrows move, Enter opens. */
function Tabs({ tabs, tab, children }) {
  const id = useId("tabs");
  const list = useRef(null);
  const [at, setAt] = useState(tab.key);
  useEffect(() => setAt(tab.key), [tab.key]);
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const index = event.key === "Home" ? 0 : event.key === "End" ? tabs.length - 1 : (tabs.findIndex((one) => one.key === at) + (step ?? 0) + tabs.length) % tabs.length;
    if (!step && event.key !== "Home" && event.key !== "End") return;
    event.preventDefault();
    setAt(tabs[index].key);
    list.current.children[index].focus();
  };
  return html`<div class="tabs" role="tablist" aria-label="Parts of this page" ref=${list} onKeyDown=${move}>
      ${tabs.map((one) => html`<button key=${one.key} type="button" role="tab" id=${`${id}-${one.key}`} aria-selected=${one.key === tab.key ? "true" : "false"}
        aria-controls=${`${id}-panel`} tabindex=${one.key === at ? 0 : -1} onClick=${() => setQuery({ tab: one.key })}>${one.title}</button>`)}</div>
    <div role="tabpanel" id=${`${id}-panel`} aria-labelledby=${`${id}-${tab.key}`} class="stack">${children}</div>`;
}
