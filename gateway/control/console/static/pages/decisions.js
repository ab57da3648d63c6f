// Holds the place of the page until it is written.
import { Empty, Page, html } from "../parts/ui.js";

export default function Decisions() {
  return html`<${Page} title="Decisions"><${Empty}>This page is not there yet.<//><//>`;
}
