// Tokens of operators: who holds one, what its role may do, when it was used; made and revoked.
import "../parts/author_style.js";
import { get, send } from "../parts/api.js";
import { ago, time } from "../parts/format.js";
import { may, session } from "../parts/session.js";
import { Button, Confirm, Dialog, Field, Forbidden, Link, Loaded, Notice, Page, Section, Select, Tag, html, toast, useLoad, useState } from "../parts/ui.js";
import { Table } from "../parts/table.js";
import { MAY, PERMISSIONS, ROLES } from "./operators_roles.js";

const STATES = { holds: ["ok", "holds"], expired: ["warn", "expired"], revoked: ["", "revoked"] };
const LASTS = [["8h", "8 hours: one shift"], ["7d", "7 days"], ["90d", "90 days"], ["365d", "a year"], ["forever", "for ever: for a program that nobody looks after"]].map(([value, label]) => ({ value, label }));
const SOON = 7 * 86400;

export default function Operators() {
  const tokens = useLoad((signal) => get("/operators", {}, { signal }), [], { every: 30 });
  const [dialog, setDialog] = useState(null);
  if (!may("govern")) return html`<${Page} title="Operators"><${Forbidden} /><//>`;
  return html`<${Page} title="Operators" lead="Who may use this port, and for what." actions=${html`<${Button} tone="primary" onClick=${() => setDialog("new")}>New token<//>`}>
    <${Loaded} of=${tokens}>${(data) => html`
      ${data.admin_token ? html`<${Notice} title="tidegate.yaml has a token, too">Whoever knows <code>admin_token</code> has the role admin. It stands in no list, does not expire, and several people may know it: take it out once each of them has a token of their own.<//>` : null}
      <${Section} title="Tokens"><${Table} caption="Tokens of operators" hideCaption columns=${columns(setDialog)} rows=${data.operators} filename="operators" order=${{ key: "state" }} empty="There is no token of an operator yet." /><//>`}<//>
    <${Section} title="What each role may do"><${May} /><//>
    ${dialog === "new" ? html`<${Create} onClose=${() => { setDialog(null); tokens.reload(); }} />` : null}
    ${dialog?.revoke ? html`<${Revoke} row=${dialog.revoke} onClose=${() => setDialog(null)} onDone=${tokens.reload} />` : null}
    ${dialog?.role ? html`<${ChangeRole} row=${dialog.role} onClose=${() => setDialog(null)} onDone=${tokens.reload} />` : null}<//>`;
}

const columns = (onDialog) => [
  { key: "name", title: "Name", render: (row) => html`<b>${row.name}</b>${`token:${row.name}` === session.value?.name ? html` <${Tag} tone="info">you<//>` : null}` },
  { key: "role", title: "Role", render: (row) => html`<${Tag}>${row.role}<//>` },
  { key: "state", title: "State", render: (row) => html`<${Tag} tone=${STATES[row.state]?.[0] ?? ""}>${STATES[row.state]?.[1] ?? row.state}<//>` },
  { key: "used", title: "Last used", render: (row) => (row.used ? html`<span title=${time(row.used, { whole: true })}>${ago(row.used)}</span>` : html`<span class="soft">never</span>`) },
  { key: "expires", title: "Expires", render: (row) => html`<${Expires} row=${row} />` },
  { key: "created", title: "Made", render: (row) => html`<span title=${time(row.created, { whole: true })}>${ago(row.created)}</span> <span class="soft small">by ${row.by}</span>`, filter: (row) => row.by },
  { key: "act", title: "Actions", sort: false, filter: false, value: () => "", render: (row) => (row.state === "revoked" ? null : html`<div class="row end">
    <${Link} to="audit" query=${{ who: `token:${row.name}` }} class="small" aria-label=${`What ${row.name} did`}>What it did<//>
    <${Button} class="small" aria-label=${`Role of ${row.name}`} onClick=${() => onDialog({ role: row })}>Role …<//>
    <${Button} class="small" tone="danger" aria-label=${`Revoke ${row.name}`} onClick=${() => onDialog({ revoke: row })}>Revoke<//></div>`) },
];

function Expires({ row }) {
  if (row.state === "revoked") return html`<span class="soft">revoked ${ago(row.revoked)}</span>`;
  if (!row.expires) return html`<span class="soft">never</span>`;
  const left = row.expires - Date.now() / 1000;
  const words = html`<span title=${time(row.expires, { whole: true })}>${ago(row.expires)}</span>`;
  return left > 0 && left < SOON ? html`<${Tag} tone="warn">${words}<//>` : words;
}

function May() {
  return html`<div class="scroll may-table" tabindex="0" role="region" aria-label="Roles and permissions"><table>
    <caption class="unseen">What each role may do</caption>
    <thead><tr><th scope="col">Permission</th>${ROLES.map(({ name }) => html`<th key=${name} scope="col">${name}</th>`)}</tr></thead>
    <tbody>${PERMISSIONS.map(({ name, doc }) => html`<tr key=${name}><th scope="row"><b>${name}</b><br /><span class="soft small">${doc}</span></th>
      ${ROLES.map((role) => html`<td key=${role.name}>${MAY[role.name].includes(name) ? html`<${Tag} tone="ok"><span aria-hidden="true">✓</span><span class="unseen">yes</span><//>` : html`<span class="soft" aria-hidden="true">–</span><span class="unseen">no</span>`}</td>`)}</tr>`)}</tbody></table></div>`;
}

const Roles = ({ value, onChange, error }) => html`<${Field} label="Role" error=${error} hint=${ROLES.find((one) => one.name === value)?.doc}><${Select} options=${ROLES.map((one) => one.name)} value=${value} onChange=${onChange} /><//>`;

function Create({ onClose }) {
  const [given, setGiven] = useState({ name: "", role: "viewer", lasts: "90d", reason: "" });
  const [state, setState] = useState({ busy: false, error: null, made: null });
  const set = (name) => (value) => setGiven((old) => ({ ...old, [name]: value?.target ? value.target.value : value }));
  const make = async (event) => {
    event.preventDefault();
    if (state.busy) return;
    setState({ busy: true, error: null, made: null });
    try {
      setState({ busy: false, error: null, made: (await send("POST", "/operators", given)).content });
    } catch (error) {
      setState({ busy: false, error, made: null });
    }
  };
  if (state.made) return html`<${Made} made=${state.made} onClose=${onClose} />`;
  const fields = state.error?.fields ?? {};
  return html`<${Dialog} title="New token" onClose=${onClose}><form onSubmit=${make} novalidate>
    <${Field} label="Name" error=${fields.name} hint="Of a person or a program: it stands in the audit. Letters, digits, _ . @ + -"><input autofocus autocomplete="off" spellcheck=${false} value=${given.name} maxlength="64" onInput=${set("name")} /><//>
    <${Roles} value=${given.role} onChange=${set("role")} error=${fields.role} />
    <${Field} label="Lasts" error=${fields.lasts}><${Select} options=${LASTS} value=${given.lasts} onChange=${set("lasts")} /><//>
    <${Field} label="Why" error=${fields.reason}><input value=${given.reason} maxlength="256" onInput=${set("reason")} /><//>
    ${state.error ? html`<${Notice} tone="bad">${state.error.message}<//>` : null}
    <div class="row end"><${Button} onClick=${onClose}>Cancel<//><${Button} type="submit" tone="primary" busy=${state.busy}>Make it<//></div></form><//>`;
}

/** The token is on this page alone, and gone with it. */
function Made({ made, onClose }) {
  const [copied, setCopied] = useState("");
  const copy = () => navigator.clipboard.writeText(made.token).then(() => setCopied("Copied."), () => setCopied("The browser does not allow it: mark the token and copy it."));
  return html`<${Dialog} title=${`The token of ${made.name}`} onClose=${onClose}>
    <${Notice} tone="warn" title="Shown once">Give it to ${made.name} now, by a way that nobody else reads. Nobody can show it again.<//>
    <div class="token"><code id="token">${made.token}</code><${Button} tone="primary" onClick=${copy} aria-describedby="token">Copy<//></div>
    <p class="soft small" role="status">${copied}</p>
    <dl class="facts"><dt>Role</dt><dd>${made.role}</dd><dt>Expires</dt><dd>${made.expires ? time(made.expires, { whole: true }) : "never"}</dd></dl>
    <div class="row end"><${Button} onClick=${onClose}>I have it<//></div><//>`;
}

function Revoke({ row, onClose, onDone }) {
  const [reason, setReason] = useState("");
  const revoke = async () => {
    if (!reason.trim()) throw new Error("Say why: it stands in the audit.");
    const { content } = await send("DELETE", `/operators/${encodeURIComponent(row.id)}`, { reason });
    toast(content.note || `The token of ${row.name} is revoked.`, content.note ? "warn" : "ok");
    onDone();
  };
  return html`<${Confirm} title=${`Revoke the token of ${row.name}?`} confirm="Revoke" tone="danger" onConfirm=${revoke} onClose=${onClose}>
    <p>It holds no more within a second, and its sessions end. It cannot be brought back: make another.</p>
    ${`token:${row.name}` === session.value?.name ? html`<${Notice} tone="warn">This is the token that you are signed in by: you will be signed out.<//>` : null}
    <${Field} label="Why"><input autofocus value=${reason} maxlength="256" onInput=${(event) => setReason(event.target.value)} /><//><//>`;
}

function ChangeRole({ row, onClose, onDone }) {
  const [role, setRole] = useState(row.role);
  const [reason, setReason] = useState("");
  const change = async () => {
    if (!reason.trim()) throw new Error("Say why: it stands in the audit.");
    const { content } = await send("PATCH", `/operators/${encodeURIComponent(row.id)}`, { role, reason });
    toast(content.note || `${row.name} has the role ${role} now.`, content.note ? "warn" : "ok");
    onDone();
  };
  return html`<${Confirm} title=${`Another role for ${row.name}`} confirm="Change the role" onConfirm=${change} onClose=${onClose}>
    <${Roles} value=${role} onChange=${setRole} /><p class="soft">It holds within a second, for sessions that are open as well.</p>
    <${Field} label="Why"><input value=${reason} maxlength="256" onInput=${(event) => setReason(event.target.value)} /><//><//>`;
}
