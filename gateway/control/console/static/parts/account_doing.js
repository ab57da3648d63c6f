// What one does to an account: each asks why, and says what follows.
import { Confirm, Dialog, Failed, Field, Loading, Notice, html, toast, useLoad, useState } from "./ui.js";
import { get, send } from "./api.js";
import { number } from "./format.js";
import { OverrideDialog } from "./override_dialog.js";
import { told } from "./override_table.js";

const path = (id) => `/accounts/${encodeURIComponent(id)}`;

/** kind -> {title, confirm, tone, follows, done, ask(id, what, reason)}. */
const DEEDS = {
  suspend: {
    title: "Suspend the account", confirm: "Suspend", tone: "danger",
    follows: () => "From now on each of its requests is refused with 403, with every key. Requests that are under way finish. It can be restored at any time.",
    done: () => "Suspended. Restore takes it back.", ask: (id, _, reason) => send("POST", `${path(id)}/suspend`, { reason }),
  },
  restore: {
    title: "Restore the account", confirm: "Restore", tone: "primary",
    follows: () => "Its keys hold again at once. A suspension of its whole organisation is another one, and stays.",
    done: () => "Restored.", ask: (id, _, reason) => send("POST", `${path(id)}/restore`, { reason }),
  },
  revoke: {
    title: "Revoke a key", confirm: "Revoke", tone: "danger",
    follows: (what) => `The key ${what.prefix} is refused from now on, for good: there is no way back. Make another, or rotate it, where its owner is honest.`,
    done: (what) => `The key ${what.prefix} is revoked.`, ask: (_, what, reason) => send("DELETE", `/keys/${encodeURIComponent(what.prefix)}`, { reason }),
  },
  reset: {
    title: "Reset usage", confirm: "Reset", tone: "danger",
    follows: (what) => `What was used of ${what.limit} counts as nothing: its buckets are full again at once. There is no way back.`,
    done: (what, content) => `Reset: ${number(content.buckets?.length ?? 0)} bucket${content.buckets?.length === 1 ? " is" : "s are"} full again.`,
    ask: (id, what, reason) => send("POST", `${path(id)}/limits/reset`, { limit: what.limit, reason }),
  },
};

/** `what`: {kind, …}; kind `override` opens the dialog of limits. */
export function AccountDoing({ what, id, onDone, onClose }) {
  if (what.kind === "override") return html`<${Override} what=${what} id=${id} onDone=${onDone} onClose=${onClose} />`;
  const deed = DEEDS[what.kind];
  return html`<${Deed} deed=${deed} what=${what} id=${id} onDone=${onDone} onClose=${onClose} />`;
}

function Deed({ deed, what, id, onDone, onClose }) {
  const [reason, setReason] = useState("");
  const act = async () => {
    if (!reason.trim()) throw new Error("Say why: somebody will ask.");
    const { content } = await deed.ask(id, what, reason.trim());
    toast(deed.done(what, content ?? {}));
    onDone();
  };
  return html`<${Confirm} title=${deed.title} confirm=${deed.confirm} tone=${deed.tone} onConfirm=${act} onClose=${onClose}>
    <p><b>${id}</b></p><${Notice} tone=${deed.tone === "danger" ? "warn" : "info"}><p>${deed.follows(what)}</p><//>
    <${Field} label="Reason" hint="It stands in the audit for good: name a ticket rather than a person."><input value=${reason} maxlength="256" onInput=${(event) => setReason(event.target.value)} /><//><//>`;
}

function Override({ what, id, onDone, onClose }) {
  const rules = useLoad((signal) => get("/limits", {}, { signal }));
  const done = (answer) => {
    told(answer, "Done.", onDone);
    onDone();
  };
  if (!rules.data) return html`<${Dialog} title="Change a limit" onClose=${onClose}>${rules.error ? html`<${Failed} error=${rules.error} retry=${rules.reload} />` : html`<${Loading} />`}<//>`;
  return html`<${OverrideDialog} limits=${rules.data.limits} editing=${what.editing} given=${{ conditions: [{ what: "account", value: id }], ...what.given }} onDone=${done} onClose=${onClose} />`;
}
