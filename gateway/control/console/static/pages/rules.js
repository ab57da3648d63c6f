// Holds the place of the page until it is written.
import { Empty, Page, html } from "../parts/ui.js";

export default function Rules() {
  return html`<${Page} title="Rules"><${Empty}>This page is not there yet.<//><//>`;
}
