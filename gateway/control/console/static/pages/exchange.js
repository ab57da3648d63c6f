// Holds the place of the page until it is written.
import { Empty, Page, html } from "../parts/ui.js";

export default function Exchange() {
  return html`<${Page} title="Exchange"><${Empty}>This page is not there yet.<//><//>`;
}
