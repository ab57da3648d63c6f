// The files and the editor: checked as one types, saved with a reason, put into force on all workers.
import { get, send } from "../parts/api.js";
import { Editor } from "../parts/editor.js";
import { Problems, counted } from "../parts/problems.js";
import { bytes } from "../parts/format.js";
import { setQuery } from "../parts/router.js";
import { Button, Confirm, Failed, Loaded, Loading, Notice, Section, Tag, announce, html, toast, useEffect, useLoad, useMemo, useRef, useState } from "../parts/ui.js";
import { changed, drafts, drop, files, isChanged, put } from "./rules_drafts.js";
import { ConflictDialog, Differs, NewFile, SaveDialog } from "./rules_save.js";
import { ShareDialog } from "./rules_share.js";

const PAUSE = 400;
const GROUPS = [["Chain", (one) => ["chain", "prices", "feeds"].includes(one.kind)], ["Policies", (one) => !["chain", "prices", "feeds", "tests", "list", "unread"].includes(one.kind)],
  ["Tests", (one) => one.kind === "tests"], ["Lists", (one) => one.kind === "list"], ["Read by nothing", (one) => one.kind === "unread"]];
const STATES = { differs: ["warn", "not in force"], new: ["warn", "not in force"], gone: ["bad", "gone"] };

/** POST /policies/check as one types: {problems, ok, busy, error}. */
function useCheck(texts) {
  const [found, setFound] = useState({ problems: [], ok: null, busy: true, error: null });
  const key = JSON.stringify(texts);
  useEffect(() => {
    const control = new AbortController();
    setFound((old) => ({ ...old, busy: true }));
    const timer = setTimeout(() => {
      send("POST", "/policies/check", { files: texts }, { signal: control.signal }).then(
        ({ content }) => setFound({ problems: content.problems, ok: content.ok, busy: false, error: null }),
        (error) => { if (!control.signal.aborted) setFound((old) => ({ ...old, busy: false, error })); },
      );
    }, PAUSE);
    return () => { clearTimeout(timer); control.abort(); };
  }, [key]);
  return found;
}

export function Files({ query, onDone }) {
  const tree = useLoad((signal) => get("/policies/files", {}, { signal }));
  const words = useLoad((signal) => get("/policies/words", {}, { signal }));
  return html`<${Loaded} of=${tree}>${(data) => html`<${Desk} tree=${data} words=${words.data} query=${query}
    again=${() => { tree.reload(); words.reload(); onDone(); }} />`}<//>`;
}

function Desk({ tree, words, query, again }) {
  const path = query.file ?? (tree.files.find((one) => one.kind === "rules") ?? tree.files[0])?.path;
  const [jump, setJump] = useState(query.line ? { line: Number(query.line), column: Number(query.column ?? 1), at: 1 } : null);
  const [dialog, setDialog] = useState(null);
  const texts = (drafts.value, files());
  const check = useCheck(texts);
  const open = (to) => { setJump(null); setQuery({ file: to, line: undefined, column: undefined }); };
  const go = (problem) => {
    setJump({ line: problem.line, column: problem.column, at: performance.now() });
    if (problem.path !== path) setQuery({ file: problem.path, line: undefined, column: undefined });
  };
  const spoken = check.busy || check.ok === null ? "" : counted(check.problems);
  useEffect(() => { if (spoken) announce(spoken); }, [spoken]);
  const news = Object.keys(drafts.value).filter((one) => !tree.files.some((file) => file.path === one));
  return html`${tree.refusal ? html`<${Notice} tone="warn" title="Nothing can be saved from here">${tree.refusal}. Checks, tests and replay work all the same.<//>` : null}
    <div class="author">
      <${Tree} files=${[...tree.files, ...news.map((one) => ({ path: one, kind: "unread", state: "beside" }))]} path=${path} onOpen=${open} onNew=${tree.writable ? () => setDialog("new") : null} />
      <div class="stack">
        ${path ? html`<${OneFile} key=${path} path=${path} words=${words} check=${check} jump=${jump} again=${again} writable=${tree.writable} />` : html`<${Notice}>The folder of the policies is empty.<//>`}
        <${Section} title="Check" actions=${html`<${Verdict} check=${check} />`} note="Of the whole folder with what is written here.">
          ${check.problems.length ? html`<${Problems} problems=${check.problems} path=${path} onJump=${go} />` : html`<p class="soft">${check.busy ? "Checking …" : "Nothing is wrong."}</p>`}<//>
      </div></div>
    ${dialog === "new" ? html`<${NewFile} files=${tree.files} onClose=${() => setDialog(null)} onMake=${(to) => { put(to, { text: "", base: null, digest: "" }); setDialog(null); open(to); }} />` : null}`;
}

function Verdict({ check }) {
  if (check.error) return html`<span class="check-state"><${Tag} tone="warn">not checked<//> <span class="soft">${check.error.message}</span></span>`;
  if (check.busy) return html`<span class="check-state soft"><span class="spinner" aria-hidden="true"></span> checking</span>`;
  return html`<span class="check-state"><${Tag} tone=${check.ok ? "ok" : "bad"}>${check.ok ? "✓ could be in force" : "✕ would be refused"}<//><span class="soft">${counted(check.problems)}</span></span>`;
}

function Tree({ files: all, path, onOpen, onNew }) {
  return html`<nav class="card" aria-label="Files of the policies"><ul class="tree">
    ${GROUPS.map(([title, belongs]) => {
      const own = all.filter(belongs);
      return own.length ? html`<li key=${title} class="tree-group">${title}</li>${own.map((one) => html`<li key=${one.path}>
        <button type="button" aria-current=${one.path === path ? "page" : undefined} onClick=${() => onOpen(one.path)} title=${one.size ? bytes(one.size) : undefined}>
          <span class="name">${one.path}</span><span class="chips">${isChanged(drafts.value[one.path]) ? html`<${Tag} tone="info">unsaved<//>` : null}
          ${STATES[one.state] ? html`<${Tag} tone=${STATES[one.state][0]}>${STATES[one.state][1]}<//>` : null}</span></button></li>`)}` : null;
    })}</ul>${onNew ? html`<${Button} class="small" onClick=${onNew}>New file<//>` : null}</nav>`;
}

/** Reads the file once, unless there is a draft of it already. */
function useFile(path) {
  const [state, setState] = useState({ error: null, file: null });
  const load = () => {
    setState({ error: null, file: null });
    if (drafts.value[path]?.digest === "") return setState({ error: null, file: { kind: "unread", in_force: null } });
    return get(`/policies/files/${path.split("/").map(encodeURIComponent).join("/")}`).then((file) => {
      if (!isChanged(drafts.value[path])) put(path, { text: file.text, base: file.text, digest: file.digest });
      setState({ error: null, file });
    }, (error) => setState({ error, file: null }));
  };
  useEffect(() => { load(); }, [path]);
  return { ...state, load };
}

function OneFile({ path, words, check, jump, again, writable }) {
  const { error, file, load } = useFile(path);
  const [dialog, setDialog] = useState(null);
  const [saving, setSaving] = useState(null);
  const draft = drafts.value[path];
  const own = useMemo(() => check.problems.filter((one) => one.path === path), [check.problems, path]);
  const unsaved = isChanged(draft);
  const canSave = writable && unsaved && !file?.refusal;
  const latest = useRef();
  latest.current = () => { if (canSave) setDialog("save"); };
  if (error) return html`<${Section} title=${path}><${Failed} error=${error} retry=${load} /><//>`;
  if (!draft || !file) return html`<${Section} title=${path}><${Loading} /><//>`;
  const elsewhere = file.digest && draft.digest && file.digest !== draft.digest;
  const saved = ({ text, answer }) => {
    put(path, { text, base: text, digest: answer.digest });
    setSaving(answer);
    load();
    again();
    setDialog(null);
    const serving = answer.workers.filter((one) => one.in_force).length;
    toast(answer.outcome === "applied" ? `Saved: generation ${answer.generation} is in force on ${serving} of ${answer.workers.length} workers.` : "Saved. The rules in force are the same as before.");
  };
  const actions = html`${file.kind === "rules" || file.kind === "chain" ? html`<${Button} class="small" onClick=${() => setDialog("share")}>Rollout …<//>` : null}
    <${Button} class="small" disabled=${!unsaved && file.in_force === null} onClick=${() => setDialog("diff")}>Differences<//>
    <${Button} class="small" disabled=${!unsaved} onClick=${() => setDialog("drop")}>Discard<//>
    <${Button} class="small" tone="primary" disabled=${!canSave} onClick=${() => setDialog("save")}>Save …<//>`;
  return html`<section class="card stack" aria-label=${`File ${path}`}>
    <div class="editor-bar"><h2>${path}</h2>${unsaved ? html`<${Tag} tone="info">unsaved<//>` : null}
      ${file.readers?.length ? html`<span class="soft small">${file.kind === "list" ? "list" : `kind ${file.kind}`}, read by ${file.readers.join(", ")}</span>` : null}
      <div class="row end grow">${actions}</div></div>
    ${elsewhere && unsaved ? html`<${Notice} tone="warn" title="Somebody saved this file since you began">Saving will show you both.<//>` : null}
    ${file.in_force !== null && !unsaved ? html`<${Notice} tone="warn">What is in force is another text than this one on the disk. “Differences” shows it.<//>` : null}
    ${saving ? html`<${Saved} answer=${saving} />` : null}
    <${Editor} path=${path} text=${draft.text} problems=${own} words=${words} jump=${jump} onSave=${() => latest.current()}
      onChange=${(text) => { setSaving(null); put(path, { ...drafts.value[path], text }); }} />
    ${dialog === "save" ? html`<${SaveDialog} path=${path} draft=${draft} check=${check} onSaved=${saved} onClose=${() => setDialog(null)} onConflict=${(theirs) => setDialog({ theirs })} />` : null}
    ${dialog?.theirs ? html`<${ConflictDialog} path=${path} draft=${draft} theirs=${dialog.theirs} onClose=${() => setDialog(null)} />` : null}
    ${dialog === "diff" ? html`<${Differs} path=${path} draft=${draft} inForce=${file.in_force} onClose=${() => setDialog(null)} />` : null}
    ${dialog === "share" ? html`<${ShareDialog} path=${path} text=${draft.text} onText=${(text) => put(path, { ...draft, text })} onClose=${() => setDialog(null)} />` : null}
    ${dialog === "drop" ? html`<${Confirm} title="Discard what is not saved?" confirm="Discard" tone="danger" onClose=${() => setDialog(null)} onConfirm=${() => { drop(path); if (draft.digest === "") setQuery({ file: undefined }); else load(); }}>
      <p>What you wrote in ${path} since it was read is lost.</p><//>` : null}</section>`;
}

function Saved({ answer }) {
  return html`<${Notice} tone="ok" title=${answer.outcome === "applied" ? `In force: generation ${answer.generation}` : "Saved; the rules in force did not change"}>
    <div class="chips">${answer.workers.map((one) => html`<${Tag} key=${one.worker} tone=${one.in_force ? "ok" : "warn"}>${one.worker}: generation ${one.generation}<//>`)}</div>
    ${answer.warnings.length ? html`<p>${counted(answer.warnings)} remain.</p>` : null}<//>`;
}
