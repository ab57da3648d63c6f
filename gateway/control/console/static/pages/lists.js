// Holds the place of the page until it is written.
import { Empty, Page, html } from "../parts/ui.js";

export default function Lists() {
  return html`<${Page} title="Lists and feeds"><${Empty}>This page is not there yet.<//><//>`;
}
