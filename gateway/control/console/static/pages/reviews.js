// Holds the place of the page until it is written.
import { Empty, Page, html } from "../parts/ui.js";

export default function Reviews() {
  return html`<${Page} title="Reviews"><${Empty}>This page is not there yet.<//><//>`;
}
