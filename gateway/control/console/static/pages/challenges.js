// Holds the place of the page until it is written.
import { Empty, Page, html } from "../parts/ui.js";

export default function Challenges() {
  return html`<${Page} title="Challenges"><${Empty}>This page is not there yet.<//><//>`;
}
