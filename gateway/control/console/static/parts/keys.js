// The keys of the console: `/` the filter, `g` and a letter a page, `?` what keys there are, Escape out of a field.
import { html } from "../vendor/ui.js";
import { Dialog } from "./dialog.js";
import { ROOT, navigate } from "./router.js";
import { may } from "./session.js";

const PATIENCE = 1500;

const writes = (element) => element.matches?.("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable], .cm-editor *");

/** Listens until the answer is called. Pages have {key, path, needs}. */
export function listen(pages, onHelp) {
  let going = -Infinity;
  const pressed = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || event.isComposing) return;
    const modal = document.querySelector("dialog[open]");
    if (event.key === "Escape" && !modal && writes(event.target)) return void event.target.blur();
    if (writes(event.target) || modal) return;
    const now = performance.now();
    const page = now - going < PATIENCE && pages.find((one) => one.key === event.key && may(one.needs));
    going = -Infinity;
    if (page) navigate(ROOT + page.path);
    else if (event.key === "g") going = now;
    else if (event.key === "?") onHelp();
    else if (event.key === "/") {
      const filter = document.querySelector("main [data-filter]");
      if (!filter) return;
      filter.focus();
      filter.select?.();
    } else return;
    event.preventDefault();
  };
  addEventListener("keydown", pressed);
  return () => removeEventListener("keydown", pressed);
}

export function Keys({ pages, onClose }) {
  const row = (keys, words) => html`<div key=${words}><dt>${keys.map((key) => html`<kbd key=${key}>${key}</kbd> `)}</dt><dd>${words}</dd></div>`;
  return html`<${Dialog} title="Keys" onClose=${onClose}><dl class="keys">
    ${row(["/"], "To the filter of the page")}${row(["p"], "Hold a live list, and let it go on")}${row(["?"], "This list")}${row(["Esc"], "Close, or leave a field")}
    ${pages.map((page) => row(["g", page.key], page.title))}</dl><//>`;
}
