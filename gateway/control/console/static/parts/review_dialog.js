// One case: what the owner has written, what the provider said, what an approval leads to; and the decision.
import { AccountLink, Button, Dialog, Failed, Field, Loading, Notice, Tag, html, useLoad, useState } from "./ui.js";
import { get, send } from "./api.js";
import { ago, time } from "./format.js";
import { toast } from "./dialog.js";

const PENDING = ["open", "seconded"];
const path = (number) => `/reviews/${encodeURIComponent(number)}`;

export function ReviewDialog({ number, onDone, onClose }) {
  const found = useLoad((signal) => get(path(number), {}, { signal }), [number]);
  const [done, setDone] = useState(null);
  const one = done ?? found.data;
  const decided = (answer) => {
    setDone(answer);
    onDone();
    toast(answer.state === "seconded" ? `Case ${answer.number}: a second person has to approve it.` : `Case ${answer.number} is ${answer.state}.`);
  };
  return html`<${Dialog} title=${`Case ${number}`} wide onClose=${onClose}>
    ${!one ? (found.error ? html`<${Failed} error=${found.error} retry=${found.reload} />` : html`<${Loading} />`) : html`<${Case} one=${one} />
      ${PENDING.includes(one.state) ? html`<${Decide} one=${one} onDone=${decided} onStale=${found.reload} />` : html`<${Outcome} one=${one} />`}`}<//>`;
}

function Case({ one }) {
  const said = one.verification;
  return html`<dl class="facts">
      <dt>Account</dt><dd><${AccountLink} id=${one.account} />${one.suspended ? html` <${Tag} tone="bad">suspended<//>` : null}</dd>
      <dt>About</dt><dd>${one.subject === "appeal" ? "an appeal against what was decided" : `a verification of ${one.kinds.join(", ") || "nothing that is known"}`}, since ${ago(one.opened)} (${time(one.opened, { whole: true })})</dd>
      ${one.standing ? html`<dt>Stands on</dt><dd>${one.standing.tier}${one.standing.missing.length ? html` <span class="soft">for ${one.standing.next} there is missing: ${one.standing.missing.join(", ")}</span>` : null}</dd>` : null}
    </dl>
    ${one.statement ? html`<figure class="statement"><figcaption class="soft small">What the owner has written. Nobody has checked it.</figcaption><blockquote>${one.statement}</blockquote></figure>` : null}
    ${said ? html`<section aria-label="What the provider said"><h3>What ${said.provider} said</h3><dl class="facts">
      <dt>Verdict</dt><dd>${said.state}${said.reason ? html` <code>${said.reason}</code>` : null}</dd>
      <dt>Session</dt><dd><code>${said.reference || "–"}</code></dd>
      <dt>Begun</dt><dd>${ago(said.created)}, last news ${ago(said.updated)}</dd></dl>
      ${said.letters.length ? html`<ul class="plain small">${said.letters.map((letter) => html`<li key=${letter.number}>${time(letter.received)}: ${letter.kind} says ${letter.says || "nothing that was understood"}${letter.outcome ? html` <span class="soft">${letter.outcome}</span>` : null}</li>`)}</ul>` : null}
    </section>` : null}
    ${PENDING.includes(one.state) ? html`<${Follows} one=${one} />` : null}`;
}

/** What an approval leads to, before anybody gives one. */
function Follows({ one }) {
  const parts = [
    one.gives.length ? `gives ${one.gives.join(", ")}` : "",
    one.clears.length ? `clears ${one.clears.join(", ")}` : "",
    one.subject === "appeal" && one.suspended ? "ends the suspension, where the appeal came after it" : "",
  ].filter(Boolean);
  return html`<${Notice} tone="info" title=${`An approval ${parts.join("; it ") || "changes nothing by itself"}.`}>
    <p>${one.needs_second ? "It leads to the top of the ladder: two people have to give it." : "One person is enough."} To decline, one is always enough.</p><//>
    ${one.state === "seconded" ? html`<${Notice} tone="warn" title=${`${one.first} has approved it ${one.first_at ? ago(one.first_at) : ""}.`}><p>${one.reason}</p>
      <p>${one.you_were_first ? "That was you: somebody else has to look at it now. You may still decline." : "You are the second pair of eyes."}</p><//>` : null}`;
}

function Decide({ one, onDone, onStale }) {
  const [reason, setReason] = useState("");
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState("");
  const [error, setError] = useState(null);
  const decide = async (decision) => {
    setTried(true);
    if (!reason.trim() || busy) return;
    setBusy(decision);
    setError(null);
    try {
      onDone((await send("POST", `${path(one.number)}/decide`, { decision, reason: reason.trim() })).content);
    } catch (failure) {
      setError(failure);
      if (failure.status === 409) onStale();
    }
    setBusy("");
  };
  return html`<form onSubmit=${(event) => event.preventDefault()}>
    <${Field} label="Reason" error=${error?.fields?.reason ?? (tried && !reason.trim() ? "Say why: somebody will ask." : "")} hint="It stands in the audit for good: name what you saw, not a person.">
      <textarea rows="2" maxlength="256" value=${reason} onInput=${(event) => setReason(event.target.value.replace(/\n/g, " "))}></textarea><//>
    ${error ? html`<${Notice} tone="bad">${error.message}<//>` : null}
    <div class="row end">
      <${Button} tone="danger" busy=${busy === "decline"} onClick=${() => decide("decline")}>Decline<//>
      <${Button} tone="primary" busy=${busy === "approve"} disabled=${one.you_were_first} onClick=${() => decide("approve")}>${one.state === "seconded" ? "Approve as the second" : "Approve"}<//>
    </div></form>`;
}

const Outcome = ({ one }) => html`<${Notice} tone=${one.state === "approved" ? "ok" : "bad"} title=${`It was ${one.state}.`}>
  <p>${one.reason}</p><p class="soft">${[one.first && `${one.first} ${one.first_at ? ago(one.first_at) : ""}`, one.second && `${one.second} ${one.second_at ? ago(one.second_at) : ""}`].filter(Boolean).join(", then ")}</p><//>`;
