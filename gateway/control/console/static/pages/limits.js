// Holds the place of the page until it is written.
import { Empty, Page, html } from "../parts/ui.js";

export default function Limits() {
  return html`<${Page} title="Limits"><${Empty}>This page is not there yet.<//><//>`;
}
