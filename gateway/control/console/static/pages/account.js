// One account: where it stands and why, what it may use, what it does, who is behind it, and what one can do about it.
import "../parts/steer_style.js";
import { Button, Empty, Failed, Link, Loading, Page, Section, Tag, html, useLoad, useState } from "../parts/ui.js";
import { AccountDoing } from "../parts/account_doing.js";
import { AccountEvidence } from "../parts/account_evidence.js";
import { AccountKeys } from "../parts/account_keys.js";
import { AccountLinked } from "../parts/account_linked.js";
import { AccountQuotas } from "../parts/account_quotas.js";
import { AccountHeld } from "../parts/account_held.js";
import { AccountVerdict } from "../parts/account_verdict.js";
import { AccountTraffic } from "../parts/account_traffic.js";
import { AuditLines } from "../parts/account_audit.js";
import { get } from "../parts/api.js";
import { ago } from "../parts/format.js";
import { may } from "../parts/session.js";
import { unix } from "./challenges.js";

const RECENT = 50;

export default function Account({ params: { id } }) {
  const path = `/accounts/${encodeURIComponent(id)}`;
  const found = useLoad((signal) => get(path, {}, { signal }), [id]);
  const traffic = useLoad((signal) => get(`${path}/traffic`, {}, { signal }), [id], { every: 60 });
  const recent = useLoad((signal) => get("/exchanges", { account: id, limit: RECENT }, { signal }), [id], { every: 15 });
  const [doing, setDoing] = useState(null);
  const one = found.data;
  if (!one && !found.error) return html`<${Page} title=${id}><${Loading} /><//>`;
  if (!one && found.error.status !== 404) return html`<${Page} title=${id}><${Failed} error=${found.error} retry=${found.reload} /><//>`;
  const act = (what) => setDoing(what);
  return html`<${Page} title=${id} lead=${one?.name} actions=${html`<${Actions} one=${one} onDo=${act} />`}>
    ${one ? html`<${AccountVerdict} id=${id} /><${Head} one=${one} />` : html`<${Section} title="Not in the directory"><${Empty}>No account of this id is in the directory. Tokens may name it all the same: below is what is known of its traffic and its limits.<//><//>`}
    <${AccountQuotas} id=${id} onDo=${act} round=${doing} />
    <${AccountTraffic} of=${traffic} recent=${recent} />
    <${AccountHeld} id=${id} />
    ${one ? html`<${AccountKeys} keys=${one.keys} lately=${recent.data?.exchanges ?? []} today=${traffic.data?.keys ?? []} onDo=${act} />
      <div class="grid"><${AccountEvidence} one=${one} /><${AccountLinked} one=${one} /></div>
      <${AuditLines} id=${id} first=${one.audit} />` : null}
    ${doing ? html`<${AccountDoing} what=${doing} id=${id} onDone=${found.reload} onClose=${() => setDoing(null)} />` : null}<//>`;
}

function Actions({ one, onDo }) {
  const buttons = [];
  if (may("tune")) {
    buttons.push(html`<${Button} tone="primary" onClick=${() => onDo({ kind: "override", given: { kind: "boost" } })}>Boost<//>`);
    buttons.push(html`<${Button} tone="danger" onClick=${() => onDo({ kind: "override", given: { kind: "freeze", limit: "*" } })}>Freeze<//>`);
  }
  if (may("act") && one && !one.erased) {
    buttons.push(one.suspended ? html`<${Button} onClick=${() => onDo({ kind: "restore" })}>Restore<//>` : html`<${Button} tone="danger" onClick=${() => onDo({ kind: "suspend" })}>Suspend<//>`);
  }
  return buttons;
}

/** Why it stands where it stands, in a sentence. */
export function standingWords(one) {
  const stands = one.standing;
  if (!stands) return one.tier ? `Somebody has assigned the tier ${one.tier}; the rules have no ladder.` : "The rules have no ladder, and nobody has assigned a tier.";
  if (stands.fell) return `It has earned ${stands.earned}, and fell to ${stands.tier} for ${stands.fell}.`;
  if (stands.assigned) return `Somebody has assigned ${stands.assigned}; its evidence alone would earn ${stands.earned}.`;
  const missing = stands.missing.length ? ` For ${stands.next} there is missing: ${stands.missing.join(", ")}.` : " It stands on the top of the ladder.";
  return `By its evidence.${missing}`;
}

function Head({ one }) {
  const tier = one.standing?.tier ?? one.tier;
  return html`<${Section} title="Standing" actions=${html`<div class="account-head">
      ${one.erased ? html`<${Tag}>erased<//>` : one.suspended ? html`<${Tag} tone="bad">suspended<//>` : html`<${Tag} tone="ok">may call<//>`}
      ${tier ? html`<${Tag} tone="info">tier ${tier}<//>` : null}</div>`}>
    <dl class="facts">
      <dt>Tier</dt><dd><b>${tier || "none"}</b> <span class="soft">${standingWords(one)}</span></dd>
      ${one.standing?.until ? html`<dt>Until</dt><dd>${ago(unix(one.standing.until))} <span class="soft">${one.standing.until}</span></dd>` : null}
      ${one.standing?.due?.length ? html`<dt>Runs out</dt><dd>${one.standing.due.map((due) => `${due.kind} ${ago(unix(due.ends))}`).join(", ")}</dd>` : null}
      ${one.suspended ? html`<dt>Suspended for</dt><dd>${one.suspended_for || "no reason was given"}</dd>` : null}
      ${one.overrides.map((override, index) => html`<dt key=${index}>${override.name} for a while</dt><dd>${override.value}${override.expires ? `, ends ${ago(unix(override.expires))}` : ""} <span class="soft">by ${override.by}: ${override.reason}</span></dd>`)}
      <dt>Organisation</dt><dd>${one.organisation ? html`<${Link} to="accounts" query=${{ organisation: one.organisation }}>${one.organisation}<//>` : html`<span class="soft">none</span>`}</dd>
      <dt>Made</dt><dd>${ago(unix(one.created))} <span class="soft">${one.created}${one.signup_country ? `, signed up from ${one.signup_country}` : ""}${one.billing_country ? `, pays from ${one.billing_country}` : ""}${one.email_domain ? `, mail at ${one.email_domain}` : ""}</span></dd>
      ${one.signup_burst ? html`<dt>Sign-up</dt><dd>one of ${one.signup_burst} at once</dd>` : null}
    </dl><//>`;
}
