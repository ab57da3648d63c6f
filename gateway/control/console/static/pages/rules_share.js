// For whom a rule is enforced, changed in the text: comments stay. Nothing is saved by it.
import { send } from "../parts/api.js";
import { percent } from "../parts/format.js";
import { Button, Dialog, Field, Notice, Select, html, useMemo, useState } from "../parts/ui.js";

/** Names of items that may have a rollout: {name, share}. By the text as it is, also where it is not right yet. */
export function itemsOf(text) {
  const found = [];
  let item = null;
  for (const line of text.split("\n")) {
    const begins = /^(\s*)- (.*)$/.exec(line);
    if (begins) { item = null; }
    const stated = line.replace(/\s#.*$/, "");
    const name = /(?:^\s*-?\s*|[{,]\s*)name:\s*['"]?([a-z][\w-]*)/.exec(stated);
    if (name && (!item || begins)) { item = { name: name[1], share: 1 }; found.push(item); }
    if (!item) continue;
    const rollout = /(?:^\s*-?\s*|[{,]\s*)rollout:\s*['"]?([\d.]+)%/.exec(stated);
    if (rollout) item.share = Math.min(item.share, Number(rollout[1]) / 100);
    if (/(?:^\s*-?\s*|[{,]\s*)mode:\s*['"]?shadow/.test(stated)) item.share = 0;
  }
  return found;
}

export const inWords = (share) => (share <= 0 ? "in shadow: counted and logged, nobody is refused" : share >= 1 ? "enforced for everybody" : `enforced for ${percent(share)} of the accounts, always the same ones; in shadow for the rest`);

export function ShareDialog({ path, text, name: first = "", onText, onClose }) {
  const items = useMemo(() => itemsOf(text), [text]);
  const [name, setName] = useState(items.find((one) => one.name === first)?.name ?? items.find((one) => one.share < 1)?.name ?? items[0]?.name ?? "");
  const now = items.find((one) => one.name === name)?.share ?? 1;
  const [share, setShare] = useState(now);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const choose = (to) => { setName(to); setShare(items.find((one) => one.name === to)?.share ?? 1); };
  const write = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      onText((await send("POST", "/policies/share", { text, name, share })).content.text);
      onClose();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  if (!items.length) return html`<${Dialog} title="Rollout" onClose=${onClose}><${Notice}>${path} has no rule with a name.<//><//>`;
  return html`<${Dialog} title="Rollout" onClose=${onClose}><form onSubmit=${write}>
    <${Field} label="Rule"><${Select} options=${items.map((one) => one.name)} value=${name} onChange=${choose} /><//>
    <${Field} label="Enforced for" hint=${`${name} would be ${inWords(share)}.`}><input type="range" min="0" max="100" step="1" value=${Math.round(share * 100)} aria-valuetext=${inWords(share)}
      onInput=${(event) => setShare(Number(event.target.value) / 100)} /><//>
    <div class="row">${[0, 0.01, 0.05, 0.25, 0.5, 1].map((one) => html`<${Button} key=${one} class="small" aria-pressed=${share === one ? "true" : "false"} onClick=${() => setShare(one)}>${one === 0 ? "Shadow" : one === 1 ? "Everybody" : percent(one)}<//>`)}</div>
    ${error ? html`<${Notice} tone="bad">${error.message}<//>` : null}
    <p class="soft small">This changes the text in the editor. It holds once you save it.</p>
    <div class="row end"><${Button} onClick=${onClose}>Cancel<//><${Button} type="submit" tone="primary" busy=${busy} disabled=${share === now}>Write it<//></div></form><//>`;
}
