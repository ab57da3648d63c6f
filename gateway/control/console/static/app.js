// The frame: who is signed in, the navigation, the page, the keys. Pages come when they are asked for.
import { html, render, useEffect, useState } from "./vendor/ui.js";
import { Alarms, useStanding } from "./parts/alarms.js";
import { Toasts } from "./parts/dialog.js";
import { Keys, listen } from "./parts/keys.js";
import { ROOT, find, follow, href, route } from "./parts/router.js";
import { may, session, signOut, whoAmI } from "./parts/session.js";
import { SignIn } from "./parts/signin.js";
import { Button, Empty, Failed, Forbidden, Link, Loading, Page, pageMoves, toast } from "./parts/ui.js";
import { PAGES } from "./pages/index.js";

const GROUPS = [...new Set(PAGES.map((page) => page.group).filter(Boolean))];

/** The page of the navigation that a path belongs to. */
const isHere = (page, path) => (page.path === "" ? path === "" : path === page.path || path.startsWith(`${page.path}/`));

function Navigation({ path, open }) {
  return html`<nav id="navigation" class=${open ? "open" : ""} aria-label="Pages">${GROUPS.map((group) => {
    const pages = PAGES.filter((page) => page.group === group && may(page.needs));
    return pages.length ? html`<div key=${group} class="nav-group"><p id=${`nav-${group}`}>${group}</p><ul aria-labelledby=${`nav-${group}`}>
      ${pages.map((page) => html`<li key=${page.path}><a href=${href(ROOT + page.path)} aria-current=${isHere(page, path) ? "page" : undefined}>${page.title}</a></li>`)}</ul></div>` : null;
  })}</nav>`;
}

function Header({ standing, open, onMenu, onKeys }) {
  const { generation, revision, name } = standing;
  const out = () => signOut().catch((error) => toast(error.message, "bad"));
  return html`<header class="top">
    <button type="button" class="menu quiet" aria-expanded=${open ? "true" : "false"} aria-controls="navigation" onClick=${onMenu}>☰<span class="unseen"> Pages</span></button>
    <a class="brand" href=${ROOT}><img src=${new URL("icon.svg", import.meta.url).pathname} alt="" width="22" height="22" /><b>Tidegate</b></a>
    ${name ? html`<span class="gateway" title="This gateway">${name}</span>` : null}
    <dl class="versions">
      ${generation !== undefined ? html`<div><dt>Generation</dt><dd>${generation}</dd></div>` : null}
      ${revision !== undefined ? html`<div><dt>Revision</dt><dd>${revision}</dd></div>` : null}
    </dl>
    <div class="row end grow">
      <button type="button" class="quiet icon" aria-label="Keys of the console" aria-keyshortcuts="?" onClick=${onKeys}>?</button>
      <span class="whoami"><b>${session.value.name}</b><span class="tag">${session.value.role}</span></span>
      <${Button} class="small" onClick=${out}>Sign out<//></div>
  </header>`;
}

const loaded = new Map();

/** A page's module, once it is here; another address of the same module shows at once. */
function usePage(found) {
  const key = found?.page.path;
  const [state, setState] = useState({ key, component: loaded.get(key), error: null });
  const load = () => {
    if (!found || loaded.has(key)) return setState({ key, component: loaded.get(key), error: null });
    setState({ key, component: undefined, error: null });
    return found.page.load().then(
      (module) => { loaded.set(key, module.default); setState({ key, component: module.default, error: null }); },
      () => setState({ key, component: undefined, error: new Error("This page could not be loaded. If the gateway was just brought up to date, load the console anew.") }),
    );
  };
  useEffect(() => { load(); }, [key]);
  return state.key === key ? { ...state, load } : { component: loaded.get(key), error: null, load };
}

function Shown({ found, query }) {
  const { component, error } = usePage(found && may(found.page.needs) ? found : null);
  if (!found) return html`<${Page} title="No such page"><${Empty}>There is no page at this address. <${Link} to="">To the overview<//>.<//><//>`;
  if (!may(found.page.needs)) return html`<${Page} title=${found.page.title}><${Forbidden} /><//>`;
  if (error) return html`<${Page} title=${found.page.title}><${Failed} error=${error} retry=${() => location.reload()} /><//>`;
  if (!component) return html`<div class="page"><${Loading} what=${`Loading ${found.page.title}`} /></div>`;
  return html`<${component} key=${found.page.path + JSON.stringify(found.params)} params=${found.params} query=${query} />`;
}

function Console() {
  const { path, query } = route.value;
  const [open, setOpen] = useState(false);
  const [keys, setKeys] = useState(false);
  const standing = useStanding();
  const found = find(PAGES, path);
  useEffect(() => { setOpen(false); }, [path]);
  useEffect(() => listen(PAGES, () => setKeys(true)), []);
  return html`<a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); document.getElementById("main").focus(); }}>To the content</a>
    <${Header} standing=${standing} open=${open} onMenu=${() => setOpen(!open)} onKeys=${() => setKeys(true)} />
    <div class="body"><${Navigation} path=${path} open=${open} />
      <main id="main" tabindex="-1"><${Alarms} standing=${standing} /><${Shown} found=${found} query=${query} /></main></div>
    ${keys ? html`<${Keys} pages=${PAGES.filter((page) => page.key && may(page.needs))} onClose=${() => setKeys(false)} />` : null}`;
}

function App() {
  const [error, setError] = useState(null);
  const ask = () => { setError(null); whoAmI().catch(setError); };
  useEffect(ask, []);
  let shown;
  if (session.value) shown = html`<${Console} />`;
  else if (session.value === null) shown = html`<${SignIn} />`;
  else if (error) shown = html`<main class="alone"><h1>Tidegate</h1><${Failed} error=${error} retry=${ask} /></main>`;
  else shown = html`<main class="alone"><h1>Tidegate</h1><${Loading} what="Asking who is signed in" /></main>`;
  return html`${shown}<${Toasts} />`;
}

follow(window);
let before = route.value.path;
route.subscribe(({ path }) => {
  if (path !== before) pageMoves();
  before = path;
});
const root = document.getElementById("app");
root.textContent = "";
render(html`<${App} />`, root);
