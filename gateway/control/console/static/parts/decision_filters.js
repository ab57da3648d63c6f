// The filters of decisions: kept in the address, checked before they are asked for.
import { Button, Field, Select, html, useEffect, useRef, useState } from "./ui.js";
import { navigate, route, ROOT } from "./router.js";

const PAUSE = 300;
const ACTIONS = [{ value: "", label: "Any" }, { value: "refused", label: "Refused in any way" }, "allow", "deny", "throttle", "challenge"];
const FIELDS = [
  { name: "text", label: "Search", type: "search", placeholder: "id, name …" },
  { name: "account", label: "Account" },
  { name: "model", label: "Model", placeholder: "m-*" },
  { name: "reason", label: "Reason" },
  { name: "entry", label: "Entry" },
  { name: "country", label: "Country", placeholder: "DE", shape: /^[A-Za-z]{2}$/, wrong: "Two letters, such as DE.", clean: (value) => value.toUpperCase() },
  { name: "status", label: "Status", placeholder: "429, 5xx", shape: /^[1-5]([0-9]{2}|xx)$/, wrong: "Such as 429 or 5xx." },
];
const NAMES = [...FIELDS.map((field) => field.name), "action", "tier", "key", "organisation"];
const MORE = ["tier", "key", "organisation"];

const isRight = (field, value) => !value || !field.shape || field.shape.test(value);

/** Of a query, what can be asked for. */
export function wanted(query) {
  const found = {};
  for (const name of NAMES) {
    const field = FIELDS.find((one) => one.name === name) ?? {};
    const value = (query[name] ?? "").trim();
    if (value && isRight(field, value)) found[name] = field.clean ? field.clean(value) : value;
  }
  return found;
}

export function FilterBar({ query, errors }) {
  const [draft, setDraft] = useState(query);
  const timer = useRef(0);
  const mine = useRef(JSON.stringify(query));
  // The address changed by a link or by "back": the fields follow.
  useEffect(() => {
    const now = JSON.stringify(query);
    if (now !== mine.current) setDraft(query);
    mine.current = now;
  }, [query]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const go = (next) => {
    const kept = Object.fromEntries(Object.entries(next).filter(([, value]) => value));
    mine.current = JSON.stringify(kept);
    navigate(ROOT + route.value.path, { query: kept, replace: true });
  };
  const set = (name, value, now = false) => {
    const next = { ...draft, [name]: value };
    setDraft(next);
    clearTimeout(timer.current);
    if (now) go(next);
    else timer.current = setTimeout(() => go(next), PAUSE);
  };
  const any = NAMES.some((name) => draft[name]);
  return html`<form class="filters" role="search" aria-label="Filters of decisions" onSubmit=${(event) => { event.preventDefault(); clearTimeout(timer.current); go(draft); }}>
    ${FIELDS.map((field, index) => html`<${Field} key=${field.name} label=${field.label} error=${errors[field.name] ?? (isRight(field, draft[field.name]) ? "" : field.wrong)}>
      <input type=${field.type ?? "text"} autocomplete="off" spellcheck=${false} placeholder=${field.placeholder} data-filter=${index === 0 ? "" : undefined} value=${draft[field.name] ?? ""} onInput=${(event) => set(field.name, event.target.value)} /><//>`)}
    <${Field} label="Action" error=${errors.action}><${Select} options=${ACTIONS} value=${draft.action ?? ""} onChange=${(value) => set("action", value, true)} /><//>
    ${MORE.filter((name) => draft[name]).map((name) => html`<p key=${name} class="small soft">${name}: ${draft[name]}</p>`)}
    ${any ? html`<${Button} tone="quiet" onClick=${() => { clearTimeout(timer.current); setDraft({}); go({}); }}>Clear all<//>` : null}</form>`;
}
