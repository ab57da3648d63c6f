// Holds the place of the page until it is written.
import { Empty, Page, html } from "../parts/ui.js";

export default function Overview() {
  return html`<${Page} title="Overview"><${Empty}>This page is not there yet.<//><//>`;
}
