// Holds the place of the page until it is written.
import { Empty, Page, html } from "../parts/ui.js";

export default function Audit() {
  return html`<${Page} title="Audit"><${Empty}>This page is not there yet.<//><//>`;
}
