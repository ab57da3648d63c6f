// Dialogs, and words that pass. The browser's own <dialog>: it holds the focus, closes by Escape, and gives the focus back.
import { html, signal, useEffect, useRef, useState } from "../vendor/ui.js";
import { Button, Notice, useId } from "./ui.js";

/** A modal dialog; `onClose` is called by Escape, by the cross and by a click beside it. */
export function Dialog({ title, onClose, children, actions, wide = false }) {
  const ref = useRef(null);
  const id = useId("dialog");
  useEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    dialog.showModal();
    return () => {
      dialog.close();
      if (before?.isConnected) before.focus();
    };
  }, []);
  const cancel = (event) => {
    event.preventDefault();
    onClose();
  };
  const beside = (event) => { if (event.target === ref.current) onClose(); };
  return html`<dialog ref=${ref} class=${wide ? "wide" : ""} aria-labelledby=${id} onCancel=${cancel} onMouseDown=${beside}>
    <div class="dialog">
      <header><h2 id=${id}>${title}</h2>
        <button type="button" class="quiet icon" aria-label="Close" onClick=${onClose}>✕</button></header>
      <div class="dialog-body">${children}</div>
      ${actions ? html`<footer>${actions}</footer>` : null}
    </div></dialog>`;
}

/**
 * A question before something is done. `onConfirm` may be asynchronous: while it runs the button waits, and what it throws
 * is shown. With `word`, that word has to be typed first.
 */
export function Confirm({ title, children, confirm = "Do it", tone = "primary", word = "", onConfirm, onClose }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const [typed, setTyped] = useState("");
  const id = useId("word");
  const act = async (event) => {
    event.preventDefault();
    if (busy || (word && typed !== word)) return;
    setBusy(true);
    setError(null);
    try {
      await onConfirm();
      onClose();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <form onSubmit=${act}>
      ${children}
      ${word ? html`<div class="field"><label for=${id}>Type <b>${word}</b> to go on</label>
        <input id=${id} autocomplete="off" value=${typed} onInput=${(event) => setTyped(event.target.value)} /></div>` : null}
      ${error ? html`<${Notice} tone="bad">${error.message}<//>` : null}
      <div class="row end">
        <${Button} onClick=${onClose}>Cancel<//>
        <${Button} type="submit" tone=${tone} busy=${busy} disabled=${Boolean(word) && typed !== word}>${confirm}<//>
      </div>
    </form><//>`;
}

const said = signal([]);
const spoken = signal("");
let last = 0;
const STAYS = 6000;

/** A word that passes, for eyes and for screen readers. Tones: ok, bad, warn, info. */
export function toast(text, tone = "ok") {
  const one = { id: ++last, text, tone };
  said.value = [...said.value.slice(-3), one];
  setTimeout(() => { said.value = said.value.filter((other) => other.id !== one.id); }, tone === "bad" ? 2 * STAYS : STAYS);
}

/** Said to screen readers only, politely. */
export const announce = (text) => { spoken.value = text; };

/** Stands once in the frame. */
export function Toasts() {
  return html`<div class="unseen" aria-live="polite" role="status" id="spoken">${spoken.value}</div>
    <div class="toasts" role="status" aria-live="polite">
      ${said.value.map((one) => html`<p key=${one.id} class="toast ${one.tone}">${one.text}</p>`)}</div>`;
}
