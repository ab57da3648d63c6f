// Holds the place of the page until it is written.
import { Empty, Page, html } from "../parts/ui.js";

export default function Account() {
  return html`<${Page} title="Account"><${Empty}>This page is not there yet.<//><//>`;
}
