// The one dialog in which limits are changed: typed, said back, tried on the last day, applied, and seen to be in force.
import { Button, Dialog, Notice, html, useMemo, useState } from "./ui.js";
import { Applied } from "./override_applied.js";
import { Conflict } from "./override_conflict.js";
import { OverrideFields } from "./override_fields.js";
import { OverridePreview } from "./override_preview.js";
import { ALL_LIMITS, said } from "./limit_words.js";
import { contentOf, draftOf, emptyDraft, meant } from "./override_draft.js";
import { changeOverride, setOverride } from "./override_api.js";
import { useTrial } from "./trial.js";

const clock = () => Date.now() / 1000;

/**
 * `limits`: those of the rules. `given`: what is known of the draft. `editing`: the override that is changed. `onDone` is
 * called with the answer as soon as it is applied; the dialog stays and shows which workers have it.
 */
export function OverrideDialog({ limits, given, editing: first = null, onDone, onClose }) {
  const [editing, setEditing] = useState(first);
  const [draft, setDraft] = useState(() => (first ? draftOf(first) : emptyDraft(given)));
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const [done, setDone] = useState(null);
  const trial = useTrial();
  const now = clock();
  const wish = useMemo(() => meant(draft, limits, editing, now), [draft, limits, editing]);
  const right = Object.keys(wish.errors).length === 0;
  const set = (part) => {
    setDraft((old) => ({ ...old, ...part }));
    trial.forget();
    setError(null);
  };

  const apply = async (against = editing) => {
    setTried(true);
    if (!right || busy) return;
    setBusy(true);
    setError(null);
    try {
      const content = contentOf(wish);
      const answer = against && !against.withdrawn ? await changeOverride(against, content) : await setOverride(content);
      setDone(answer);
      onDone?.(answer);
    } catch (failure) {
      setError(failure);
    }
    setBusy(false);
  };
  const other = error && conflicting(error);
  const go = (event) => {
    event.preventDefault();
    apply();
  };

  if (done) return html`<${Dialog} title="It is in force" onClose=${onClose} actions=${html`<${Button} tone="primary" onClick=${onClose}>Done<//>`}>
    <${Applied} answer=${done} /><//>`;
  const title = editing ? `Change what ${editing.by} set` : "Change a limit";
  if (other) return html`<${Dialog} title="Somebody was faster" wide onClose=${onClose}>
    <${Conflict} theirs=${other} mine=${wish} limits=${limits} busy=${busy}
      onMine=${() => { setEditing(other); apply(other); }} onTheirs=${onClose}
      onBack=${() => { setEditing(other); setError(null); }} /><//>`;
  return html`<${Dialog} title=${title} wide onClose=${onClose}>
    <form onSubmit=${go} novalidate>
      <${OverrideFields} draft=${draft} set=${set} limits=${limits} errors=${tried ? wish.errors : {}} editing=${editing} />
      <${Said} wish=${wish} limits=${limits} />
      ${wish.everything ? html`<label class="row sure"><input type="checkbox" checked=${draft.confirm} onChange=${(event) => set({ confirm: event.target.checked })} />
        Everybody, everything: I mean it.${tried && wish.errors.confirm ? html` <span class="error">${wish.errors.confirm}</span>` : null}</label>` : null}
      ${error ? html`<${Notice} tone="bad"><p>${error.message}</p>${Object.entries(error.fields ?? {}).map(([name, words]) => html`<p key=${name}><code>${name}</code>: ${words}</p>`)}<//>` : null}
      ${trial.state ? html`<${OverridePreview} of=${trial.state} onCancel=${trial.forget} />` : null}
      <div class="row end">
        <${Button} onClick=${onClose}>Cancel<//>
        <${Button} disabled=${!previewable(wish)} busy=${trial.state?.running} onClick=${() => trial.start({ ...contentOf(wish), ...(editing ? { id: editing.id } : {}), confirm: true })}>Preview<//>
        <${Button} type="submit" tone=${wish.change.kind === "freeze" ? "danger" : "primary"} busy=${busy}>Apply<//>
      </div>
    </form><//>`;
}

/** What is there instead, where somebody else has set the same or changed it meanwhile. */
export const conflicting = (error) => ([409, 412].includes(error.status) ? error.content?.current ?? null : null);

/** A preview needs no reason, and nobody's word that it is meant. */
const previewable = (wish) => Object.keys(wish.errors).every((name) => name === "reason" || name === "confirm");

function Said({ wish, limits }) {
  const wrong = !previewable(wish);
  const limit = wish.limit === ALL_LIMITS ? null : limits.find((one) => one.name === wish.limit);
  return html`<div class="said" role="status" aria-label="What will happen">
    ${wrong || limit === undefined ? html`<p class="soft">What will happen stands here as you type.</p>`
      : said(wish.change, wish.scope, limit, wish.end.lasts ? clock() + wish.end.lasts : wish.expires, clock()).map((line, index) => html`<p key=${index} class=${index ? "soft" : ""}>${line}</p>`)}</div>`;
}
