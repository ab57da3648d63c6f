// What is wrong with policies, and where: a list that leads to line and column.
import { html } from "../vendor/ui.js";
import { Tag } from "./ui.js";

/** How many of each, in words. */
export function counted(problems) {
  const errors = problems.filter((one) => one.severity === "error").length;
  const warnings = problems.length - errors;
  const word = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;
  return [errors && word(errors, "problem"), warnings && word(warnings, "warning")].filter(Boolean).join(", ") || "no problems";
}

/** `onJump(problem)` leads there. Errors stand first, of the file that is open before the others. */
export function Problems({ problems, path, onJump, label = "Problems" }) {
  const weight = (one) => (one.severity === "error" ? 0 : 2) + (one.path === path ? 0 : 1);
  const sorted = [...problems].sort((one, other) => weight(one) - weight(other) || one.line - other.line);
  return html`<ul class="problems" aria-label=${label}>${sorted.map((one) => html`<li key=${`${one.path}:${one.line}:${one.column}:${one.message}`}>
    <${Tag} tone=${one.severity === "error" ? "bad" : "warn"}>${one.severity === "error" ? (one.in_tests ? "Test" : "Wrong") : "Warning"}<//>
    <div><button type="button" class="quiet place" onClick=${() => onJump(one)}>${one.path}:${one.line}:${one.column}</button>
      <p>${one.message}</p></div></li>`)}</ul>`;
}
