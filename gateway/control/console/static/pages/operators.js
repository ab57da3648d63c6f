// Holds the place of the page until it is written.
import { Empty, Page, html } from "../parts/ui.js";

export default function Operators() {
  return html`<${Page} title="Operators"><${Empty}>This page is not there yet.<//><//>`;
}
