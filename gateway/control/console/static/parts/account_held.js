// Challenges that hold one account.
import { Failed, Loading, Section, html, useLoad, useState } from "./ui.js";
import { get } from "./api.js";
import { LiftDialog } from "./challenge_lift.js";
import { columns } from "../pages/challenges.js";
import { may } from "./session.js";
import { Table } from "./table.js";

export function AccountHeld({ id }) {
  const found = useLoad((signal) => get(`/challenges/${encodeURIComponent(id)}`, {}, { signal }).catch((error) => {
    if (error.status === 404) return { challenges: [] };
    throw error;
  }), [id], { every: 10 });
  const [lifting, setLifting] = useState(null);
  return html`<${Section} title="Challenges">${!found.data ? (found.error ? html`<${Failed} error=${found.error} retry=${found.reload} />` : html`<${Loading} lines=${1} />`)
    : html`<${Table} caption="Challenges that hold it" hideCaption rows=${found.data.challenges} rowKey="rule" filter=${false} columns=${columns(may("act") ? setLifting : null).slice(1)} empty="No challenge holds it." />`}
    ${lifting ? html`<${LiftDialog} row=${lifting} onDone=${found.reload} onClose=${() => setLifting(null)} />` : null}<//>`;
}
