// What each action would do to how many accounts, before anybody decides.
import { Loaded, Notice, Section, Tag, html } from "./ui.js";
import { ACTIONS, LEVELS } from "./case_words.js";
import { number } from "./format.js";
import { Table } from "./table.js";

/** `preview` is a `useLoad` of GET /cases/{id}/preview. */
export function CaseWould({ preview }) {
  return html`<${Section} title="What each action would do" note="Counted now, by the rules in force. To look at it does nothing."><${Loaded} of=${preview}>${(data) => html`
    ${data.shadow ? html`<${Notice} tone="warn" title="The rules that speak of clusters are in shadow"><p>They say what they would do, and do nothing to anybody.</p><//>` : null}
    <div class="would">
      ${Object.entries(ACTIONS).map(([action, title]) => html`<${Would} key=${action} title=${title} of=${data[action]} />`)}
      <${Would} title="Reject: it is no campaign" of=${data.reject} /></div>
    ${data.tiers.length ? html`<h3 class="after">By tier</h3><${Table} caption="Accounts by tier" hideCaption rows=${data.tiers} rowKey="tier" filter=${false} filename="tiers" columns=${TIERS} />` : null}`}<//><//>`;
}

const Would = ({ title, of }) => html`<div><span class="soft small">${title}</span><b>${number(of.accounts)}</b><span class="small">${of.said}</span>
  ${of.needs_second ? html`<span><${Tag} tone="warn">takes two people<//></span>` : null}</div>`;

const TIERS = [
  { key: "tier", title: "Tier" },
  { key: "accounts", title: "Accounts", align: "right", render: (row) => number(row.accounts) },
  { key: "verified", title: "Verified", align: "right", render: (row) => number(row.verified) },
  { key: "level", title: "Comes to", render: (row) => (row.level ? html`${row.level} <span class="soft">${LEVELS[row.level]}</span>` : html`<span class="soft">the rules say nothing</span>`) },
];
