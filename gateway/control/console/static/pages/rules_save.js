// The dialogs of a save: what will change and why; what somebody else changed meanwhile; a file that is new.
import { send } from "../parts/api.js";
import { TextDiff, merged } from "../parts/diff.js";
import { Problems } from "../parts/problems.js";
import { Button, Dialog, Field, Notice, html, useState } from "../parts/ui.js";
import { drafts, put } from "./rules_drafts.js";

const address = (path) => `/policies/files/${path.split("/").map(encodeURIComponent).join("/")}`;

export function SaveDialog({ path, draft, check, onSaved, onClose, onConflict }) {
  const [reason, setReason] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const save = async (event) => {
    event.preventDefault();
    if (busy) return;
    if (!reason.trim()) return void setError({ fields: { reason: "Say why: it stands in the audit." }, content: {} });
    setBusy(true);
    setError(null);
    try {
      const answer = draft.digest === ""
        ? await send("POST", "/policies/files", { path, text: draft.text, reason })
        : await send("PUT", address(path), { text: draft.text, reason }, { etag: draft.digest });
      onSaved({ text: draft.text, answer: answer.content });
    } catch (failure) {
      if (failure.status === 412) return void onConflict(failure.content);
      setError(failure);
      setBusy(false);
    }
  };
  const problems = error?.content?.problems ?? [];
  return html`<${Dialog} wide title=${`Save ${path}`} onClose=${onClose}><form onSubmit=${save} novalidate>
    <${TextDiff} before=${draft.base ?? ""} after=${draft.text} label=${`What changes in ${path}`} />
    ${check.ok === false && !check.busy ? html`<${Notice} tone="warn">The check says that this would be refused: see what is wrong before you save.<//>` : null}
    <p>The whole folder is checked, then written, then put into force on all workers. Where one refuses, all stays as it is.</p>
    <${Field} label="Why" error=${error?.fields?.reason} hint="Stands in the audit for good."><input value=${reason} maxlength="256" autofocus onInput=${(event) => setReason(event.target.value)} /><//>
    ${error?.message ? html`<${Notice} tone="bad" title=${error.message}>${problems.length ? html`<${Problems} problems=${problems} path=${path} onJump=${onClose} label="Why it was refused" />` : null}<//>` : null}
    <div class="row end"><${Button} onClick=${onClose}>Cancel<//><${Button} type="submit" tone="primary" busy=${busy}>Save and put into force<//></div></form><//>`;
}

/** Somebody saved first: theirs and yours, each against what both began with. */
export function ConflictDialog({ path, draft, theirs, onClose }) {
  const gone = theirs.text === null;
  const both = gone ? null : merged(draft.base, draft.text, theirs.text);
  const take = (text) => {
    put(path, gone ? { text, base: null, digest: "" } : { text, base: theirs.text, digest: theirs.digest });
    onClose();
  };
  return html`<${Dialog} wide title="Somebody saved this file meanwhile" onClose=${onClose}>
    <p>${gone ? `${path} was removed.` : `${path} is another since you opened it.`} Nothing of yours is lost, and nothing was saved.</p>
    ${gone ? null : html`<div class="sides">
      <div><h3>Theirs</h3><${TextDiff} before=${draft.base} after=${theirs.text} label="What somebody else changed" /></div>
      <div><h3>Yours</h3><${TextDiff} before=${draft.base} after=${draft.text} label="What you changed" /></div></div>
      ${both === null ? html`<${Notice} tone="warn">Both touch the same lines: they cannot be put together by themselves.<//>` : null}`}
    <div class="row end"><${Button} onClick=${onClose}>Decide later<//>
      ${gone ? html`<${Button} onClick=${() => take(draft.text)}>Make it anew<//>` : html`
        <${Button} onClick=${() => take(theirs.text)}>Take theirs<//>
        <${Button} tone="danger" onClick=${() => take(draft.text)}>Keep mine over theirs<//>
        ${both !== null ? html`<${Button} tone="primary" onClick=${() => take(both)}>Put both together<//>` : null}`}</div>
    <p class="soft small">Then look at it again, and save.</p><//>`;
}

/** What is written, what is on the disk, what is in force. */
export function Differs({ path, draft, inForce, onClose }) {
  return html`<${Dialog} wide title=${`Differences of ${path}`} onClose=${onClose}>
    ${draft.text !== draft.base ? html`<h3>Not saved yet</h3><${TextDiff} before=${draft.base ?? ""} after=${draft.text} label="What is not saved yet" />` : null}
    ${inForce !== null && inForce !== undefined ? html`<h3>On the disk, against what is in force</h3><${TextDiff} before=${inForce} after=${draft.base ?? ""} label="The disk against what is in force" />` : null}<//>`;
}

const NAME = /^[A-Za-z0-9_][\w.+@-]*(\/[A-Za-z0-9_][\w.+@-]*){0,5}\.(yaml|yml|txt|csv|json|jwks|pem|cel|md)$/;

export function NewFile({ files, onMake, onClose }) {
  const [path, setPath] = useState("");
  const [error, setError] = useState("");
  const make = (event) => {
    event.preventDefault();
    if (!NAME.test(path)) return setError("Plain words, such as tests/limits.yaml: .yaml for policies and tests, .txt for lists.");
    if (files.some((one) => one.path === path) || drafts.value[path]) return setError("There is such a file already.");
    return onMake(path);
  };
  return html`<${Dialog} title="New file" onClose=${onClose}><form onSubmit=${make} novalidate>
    <${Field} label="Name" error=${error} hint="Below the folder of the policies. An entry of chain.yaml reads NAME.yaml or KIND.yaml."><input value=${path} autofocus spellcheck=${false} onInput=${(event) => { setPath(event.target.value.trim()); setError(""); }} /><//>
    <div class="row end"><${Button} onClick=${onClose}>Cancel<//><${Button} type="submit" tone="primary">Begin<//></div></form><//>`;
}
