// Keys of an account: by their prefix, which is all that anybody can see of them.
import { Button, Section, Tag, html } from "./ui.js";
import { ago, number } from "./format.js";
import { may } from "./session.js";
import { Table } from "./table.js";

const unix = (text) => (text ? Date.parse(text) / 1000 : null);
const TONES = { active: "ok", revoked: "bad", expired: "warn" };

/** `lately`: the latest exchanges, the newest first; `today`: requests by key in the last 24 hours. */
export function AccountKeys({ keys, lately, today, onDo }) {
  const used = Object.fromEntries([...lately].reverse().map((row) => [row.key, row.time]));
  const asked = Object.fromEntries(today.map((row) => [row.key, row.requests]));
  const columns = [
    { key: "prefix", title: "Prefix", render: (row) => html`<code>${row.prefix}</code>` },
    { key: "name", title: "Name", render: (row) => html`<span class="reason">${row.name}</span>` },
    { key: "state", title: "State", render: (row) => html`<${Tag} tone=${TONES[row.state]}>${row.state}<//>` },
    { key: "models", title: "For", sort: (row) => meant(row), filter: meant, value: meant, render: meant },
    { key: "created", title: "Made", filter: false, render: (row) => html`<span title=${row.created}>${ago(unix(row.created))}</span>` },
    { key: "used", title: "Last used", sort: (row) => used[row.prefix] ?? 0, filter: false, value: (row) => used[row.prefix] ?? "", render: (row) => (used[row.prefix] ? ago(used[row.prefix]) : asked[row.prefix] ? "in the last 24 hours" : html`<span class="soft">not in the last 24 hours</span>`) },
    { key: "asked", title: "Requests in 24 h", align: "right", sort: (row) => asked[row.prefix] ?? 0, filter: false, value: (row) => asked[row.prefix] ?? 0, render: (row) => number(asked[row.prefix] ?? 0) },
    { key: "expires", title: "Ends", filter: false, render: (row) => (row.expires ? html`<span title=${row.expires}>${ago(unix(row.expires))}</span>` : "–") },
    ...(may("act") ? [{ key: "do", title: "Actions", sort: false, filter: false, value: () => "", render: (row) => (row.state === "active"
      ? html`<${Button} class="small" tone="danger" aria-label=${`Revoke the key ${row.prefix}`} onClick=${() => onDo({ kind: "revoke", prefix: row.prefix })}>Revoke<//>` : null) }] : []),
  ];
  return html`<${Section} title="Keys"><${Table} caption="Keys of the account, by prefix" hideCaption rows=${keys} rowKey="prefix" filter=${keys.length > 8} filename="keys" columns=${columns} empty="It has no key: nobody can call for it, but with a token that names it." /><//>`;
}

const meant = (row) => [...row.models, ...row.features].join(", ") || "everything";
