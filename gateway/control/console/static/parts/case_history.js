// What was done and noted, the newest first; and another note.
import { Button, Field, Loaded, Notice, Section, html, useLoad, useState } from "./ui.js";
import { get, send } from "./api.js";
import { ago, time } from "./format.js";
import { may } from "./session.js";

const LONGEST = 4000;

export function CaseHistory({ one, onNoted }) {
  const found = useLoad((signal) => get(`/cases/${one.id}/history`, {}, { signal }), [one.id, one.revision, one.notes]);
  return html`<${Section} title="History" note="Decisions stand in the audit for good; notes are for whoever looks next.">
    ${may("judge") ? html`<${Note} id=${one.id} onNoted=${() => { found.reload(); onNoted(); }} />` : null}
    <${Loaded} of=${found}>${(data) => html`<ul class="case-notes">${data.lines.map((line, index) => html`<li key=${index} class=${line.did === "note" ? "note" : ""}>
      <span class="soft small"><span title=${time(line.at, { whole: true })}>${ago(line.at)}</span>, ${line.who}${line.did === "note" ? " noted" : ""}</span><p>${line.words || line.did}</p></li>`)}</ul>`}<//><//>`;
}

function Note({ id, onNoted }) {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const keep = async (event) => {
    event.preventDefault();
    if (!text.trim() || busy) return;
    setBusy(true);
    setError(null);
    try {
      await send("POST", `/cases/${id}/notes`, { text: text.trim() });
      setText("");
      onNoted();
    } catch (failure) {
      setError(failure);
    }
    setBusy(false);
  };
  return html`<form class="stack" onSubmit=${keep}>
    <${Field} label="Note" error=${error?.fields?.text}><textarea rows="2" maxlength=${LONGEST} value=${text} onInput=${(event) => setText(event.target.value)}></textarea><//>
    ${error && !error.fields?.text ? html`<${Notice} tone="bad">${error.message}<//>` : null}
    <div class="row end"><${Button} type="submit" class="small" busy=${busy} disabled=${!text.trim()}>Keep the note<//></div></form>`;
}
