// Holds the place of the page until it is written.
import { Empty, Page, html } from "../parts/ui.js";

export default function Health() {
  return html`<${Page} title="Health"><${Empty}>This page is not there yet.<//><//>`;
}
