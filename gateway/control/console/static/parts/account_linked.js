// Accounts that belong together with one: the same people behind them, the same organisation.
import { AccountLink, Empty, Loaded, Section, html, useLoad } from "./ui.js";
import { get } from "./api.js";
import { LinksGraph } from "./links_graph.js";
import { Table } from "./table.js";

const MOST = 200;
const WORDS = { identity: "the same people", organisation: "the same organisation" };

/** Others by id, each with what it shares. */
export function linked(one, siblings) {
  const how = new Map(one.same_identity.map((id) => [id, ["identity"]]));
  for (const { id } of siblings) {
    if (id !== one.id) how.set(id, [...(how.get(id) ?? []), "organisation"]);
  }
  return [...how].map(([id, ways]) => ({ id, how: ways }));
}

export function AccountLinked({ one }) {
  const found = useLoad((signal) => (one.organisation ? get("/accounts", { organisation: one.organisation, limit: MOST }, { signal }) : { accounts: [] }), [one.organisation]);
  return html`<${Section} title="Linked accounts" note="By what they share; what identifies people is kept as hashes, and shown to nobody."><${Loaded} of=${found}>${(data) => {
    const others = linked(one, data.accounts);
    if (!others.length) return html`<${Empty}>No other account shares people or an organisation with it.<//>`;
    return html`<${LinksGraph} account=${one.id} others=${others} />
      <p class="legend small"><span class="line same-people" aria-hidden="true"></span> the same people <span class="line same-organisation" aria-hidden="true"></span> the same organisation</p>
      <${Table} caption="Accounts and what they share" hideCaption rows=${others} rowKey="id" filter=${others.length > 8} filename="linked" columns=${COLUMNS} />`;
  }}<//><//>`;
}

const words = (row) => row.how.map((way) => WORDS[way]).join(" and ");
const COLUMNS = [
  { key: "id", title: "Account", render: (row) => html`<${AccountLink} id=${row.id} />` },
  { key: "how", title: "Shares", sort: words, filter: words, value: words, render: words },
];
