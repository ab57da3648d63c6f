// How a feed is, in a word.
import { Tag, html } from "./ui.js";

const STATES = { live: ["ok", "Live"], connecting: ["", "Connecting"], lost: ["warn", "Line lost, trying again"], over: ["bad", "Stopped"] };

/** `state` is what `stream` says. */
export function LiveTag({ state }) {
  const [tone, words] = STATES[state] ?? ["", state];
  return html`<span role="status"><${Tag} tone=${tone}>${words}<//></span>`;
}
