// What pages are made of. All text is text: nothing here takes HTML.
import { cloneElement, html, toChildArray, useCallback, useEffect, useId as preactId, useRef, useState } from "../vendor/ui.js";
import { announce } from "./dialog.js";
import { duration, quantity } from "./format.js";
import { href } from "./router.js";
import { session } from "./session.js";

export { html, signal, computed, effect, batch, useSignal, useComputed, useSignalEffect, Fragment, createPortal,
  useState, useEffect, useLayoutEffect, useMemo, useRef, useCallback, useReducer, memo } from "../vendor/ui.js";
export { Confirm, Dialog, announce, toast } from "./dialog.js";

/** An id of its own for what is labelled. */
export const useId = (prefix) => `${prefix}-${preactId()}`;

/** Whether the next page that appears takes the focus: not the first one. */
let moved = false;
export const pageMoves = () => { moved = true; };

/** A whole page: the one h1, what stands beside it, and the title of the window. */
export function Page({ title, lead, actions, children, wide = false }) {
  const heading = useRef(null);
  useEffect(() => {
    document.title = `${title} · Tidegate`;
    if (!moved) return;
    moved = false;
    heading.current.focus({ preventScroll: true });
    scrollTo(0, 0);
    announce(title);
  }, [title]);
  return html`<div class=${`page${wide ? " wide" : ""}`}>
    <header class="page-head"><div><h1 tabindex="-1" ref=${heading}>${title}</h1>${lead ? html`<p class="lead">${lead}</p>` : null}</div>
      ${actions ? html`<div class="row">${actions}</div>` : null}</header>
    ${children}</div>`;
}

/** A part of a page under an h2. */
export function Section({ title, actions, children, class: more = "", note }) {
  const id = useId("section");
  return html`<section class=${`card ${more}`} aria-labelledby=${id}>
    <header class="section-head"><div><h2 id=${id}>${title}</h2>${note ? html`<p class="soft small">${note}</p>` : null}</div>
      ${actions ? html`<div class="row">${actions}</div>` : null}</header>
    ${children}</section>`;
}

/** Tones: primary, danger, quiet; none is the usual one. */
export function Button({ tone = "", busy = false, disabled = false, type = "button", children, class: more = "", ...rest }) {
  return html`<button type=${type} class=${`${tone} ${more}`} disabled=${disabled} aria-busy=${busy ? "true" : undefined}
    aria-disabled=${busy ? "true" : undefined} ...${rest} onClick=${busy ? undefined : rest.onClick}>
    ${busy ? html`<span class="spinner" aria-hidden="true"></span>` : null}${children}</button>`;
}

/** A label, its control (the one child), a hint and what is wrong, tied together for screen readers. */
export function Field({ label, error, hint, children, class: more = "", hidden = false }) {
  const id = useId("field");
  const [control, ...others] = toChildArray(children).filter((child) => typeof child === "object" && child);
  const own = control?.props?.id ?? id;
  const told = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  const tied = control && cloneElement(control, { id: own, "aria-describedby": told || undefined, "aria-invalid": error ? "true" : undefined });
  return html`<div class=${`field ${more}`}>
    <label for=${own} class=${hidden ? "unseen" : ""}>${label}</label>${tied}${others}
    ${hint ? html`<p class="hint" id=${`${id}-hint`}>${hint}</p>` : null}
    ${error ? html`<p class="error" id=${`${id}-error`}>${error}</p>` : null}</div>`;
}

/** Options: text, or {value, label, disabled}. `onChange` gets the value. */
export function Select({ options, value, onChange, ...rest }) {
  const all = options.map((one) => (typeof one === "object" ? one : { value: one, label: one }));
  return html`<select ...${rest} value=${value} onChange=${(event) => onChange?.(event.target.value)}>
    ${all.map((one) => html`<option key=${one.value} value=${one.value} disabled=${one.disabled} selected=${one.value === value}>${one.label}</option>`)}</select>`;
}

/** Tones: ok, warn, bad, info, shadow; none is neutral. */
export const Tag = ({ tone = "", children, title }) => html`<span class=${`tag ${tone}`} title=${title}>${children}</span>`;

/** What is used of a capacity. `unit` is a limit's measure (requests, tokens, spend …) or a word. */
export function Bar({ used, capacity, unit = "", label = "Used", full }) {
  const open = capacity === null || capacity === undefined || capacity === Infinity;
  const share = open ? 0 : capacity > 0 ? Math.min(1, Math.max(0, used / capacity)) : 1;
  const tone = open ? "" : share >= 1 ? "bad" : share >= 0.8 ? "warn" : "ok";
  const words = open ? `${quantity(used, unit)} of no limit` : `${quantity(used, unit)} of ${quantity(capacity, unit)}`;
  return html`<div class=${`bar ${tone}`} role="meter" aria-label=${label} aria-valuemin="0" aria-valuemax="100"
    aria-valuenow=${Math.round(share * 100)} aria-valuetext=${words}>
    <div class="bar-track"><div class="bar-fill" style=${{ width: `${share * 100}%` }}></div></div>
    <span class="bar-words">${words}${full ? html` <span class="soft">· whole again in ${duration(full)}</span>` : null}</span></div>`;
}

/** Something to know: tones ok, info, warn, bad. A bad one is said at once. */
export function Notice({ tone = "info", title, children, actions }) {
  return html`<div class=${`notice ${tone}`} role=${tone === "bad" ? "alert" : "status"}>
    ${title ? html`<p class="notice-title">${title}</p>` : null}<div>${children}</div>
    ${actions ? html`<div class="row">${actions}</div>` : null}</div>`;
}

/** Where there is nothing, and that is no fault. */
export const Empty = ({ title, children }) => html`<div class="empty">${title ? html`<p class="empty-title">${title}</p>` : null}<div>${children}</div></div>`;

/** While something is asked for; said only when it takes long. */
export function Loading({ what = "Loading", lines = 3 }) {
  return html`<div class="loading" role="status"><span class="unseen">${what} …</span>
    ${Array.from({ length: lines }, (_, index) => html`<div key=${index} class="bone" aria-hidden="true"></div>`)}</div>`;
}

/** What went wrong, in the gateway's words, and a way on. */
export function Failed({ error, retry }) {
  if (error.status === 403) return html`<${Forbidden} said=${error.message} />`;
  return html`<${Notice} tone="bad" title=${error.status === 404 ? "Not found" : "That did not work"}
    actions=${retry ? html`<${Button} onClick=${retry}>Try again<//>` : null}>
    <p>${error.message}</p>${Object.entries(error.fields ?? {}).map(([name, said]) => html`<p key=${name}><code>${name}</code>: ${said}</p>`)}<//>`;
}

/** What a role may not see. */
export const Forbidden = ({ said = "Your role may not look at this." }) => html`<${Notice} tone="warn" title="Not for this role">
  <p>${said}</p><p class="soft">You are signed in as ${session.value?.name} with the role ${session.value?.role}. Whoever has the role admin can give you a token of another role.</p><//>`;

/** A link within the console: `to` without the root; ids encoded (`accounts/${encodeURIComponent(id)}`). */
export const Link = ({ to, query, children, ...rest }) => html`<a href=${href(to, query)} ...${rest}>${children}</a>`;

/** A link to an account; plain text for whom accounts are not. */
export const AccountLink = ({ id }) => (id && session.value?.permissions.includes("people")
  ? html`<${Link} to=${`accounts/${encodeURIComponent(id)}`}>${id}<//>` : id || html`<span class="soft">nobody</span>`);

/**
 * `fn(signal)` is asked whenever `deps` change; the answer of an older question never replaces that of a newer one.
 * `every`: seconds until it is asked again by itself (not while the window is hidden).
 */
export function useLoad(fn, deps = [], { every = 0 } = {}) {
  const [state, setState] = useState({ data: undefined, error: null, loading: true });
  const [round, setRound] = useState(0);
  const latest = useRef(fn);
  latest.current = fn;
  const key = JSON.stringify(deps);
  const before = useRef(key);
  useEffect(() => {
    const control = new AbortController();
    const anew = before.current !== key;
    before.current = key;
    setState((old) => ({ data: anew ? undefined : old.data, error: anew ? null : old.error, loading: true }));
    Promise.resolve().then(() => latest.current(control.signal)).then(
      (data) => { if (!control.signal.aborted) setState({ data, error: null, loading: false }); },
      (error) => { if (!control.signal.aborted) setState((old) => ({ data: old.data, error, loading: false })); },
    );
    return () => control.abort();
  }, [key, round]);
  const reload = useCallback(() => setRound((old) => old + 1), []);
  useEffect(() => {
    if (!every) return undefined;
    const timer = setInterval(() => { if (!document.hidden) reload(); }, every * 1000);
    return () => clearInterval(timer);
  }, [every]);
  return { ...state, reload };
}

/** The three states of a `useLoad` that every page has; `children` is a function of the data. */
export function Loaded({ of, children, lines }) {
  if (of.data === undefined) return of.error ? html`<${Failed} error=${of.error} retry=${of.reload} />` : html`<${Loading} lines=${lines} />`;
  return html`${of.error ? html`<${Notice} tone="warn" actions=${html`<${Button} onClick=${of.reload}>Try again<//>`}>Shown is what was last known. ${of.error.message}<//>` : null}${children(of.data)}`;
}
