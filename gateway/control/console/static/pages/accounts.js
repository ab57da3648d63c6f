// Holds the place of the page until it is written.
import { Empty, Page, html } from "../parts/ui.js";

export default function Accounts() {
  return html`<${Page} title="Accounts"><${Empty}>This page is not there yet.<//><//>`;
}
