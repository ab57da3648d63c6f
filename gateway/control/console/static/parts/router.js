// Which page is shown: paths under /console/, by the history of the browser.
import { signal } from "../vendor/ui.js";

export const ROOT = "/console/";

const here = () => ({
  path: decodeURI(location.pathname).startsWith(ROOT) ? location.pathname.slice(ROOT.length).replace(/\/$/, "") : "",
  query: Object.fromEntries(new URLSearchParams(location.search)),
});

/** {path, query}: path without the root; query as an object of text. */
export const route = signal(here());

/** `accounts/acme` or `/console/accounts/acme` -> an address. Each part of an id has to be encoded by who makes it. */
export function href(to, query) {
  const path = to.startsWith("/") ? to : ROOT + to;
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

/** Go there. `replace` leaves no step back: for filters. */
export function navigate(to, { query, replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", href(to, query));
  route.value = here();
}

/** Change the query of the page that is shown. */
export const setQuery = (query) => navigate(ROOT + route.value.path, { query: { ...route.value.query, ...query }, replace: true });

/** The page of a list, {path: "accounts/:id"}, that a path means, with its parameters; null if none. */
export function find(pages, path) {
  const parts = path.split("/");
  for (const page of pages) {
    const wanted = page.path.split("/");
    if (wanted.length !== parts.length) continue;
    const params = {};
    const fits = wanted.every((want, index) => {
      if (!want.startsWith(":")) return want === parts[index];
      try {
        params[want.slice(1)] = decodeURIComponent(parts[index]);
      } catch {
        return false;
      }
      return parts[index] !== "";
    });
    if (fits) return { page, params };
  }
  return null;
}

/** Links within the console change the page without loading it anew. */
export function follow(target) {
  target.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target.closest?.("a[href]");
    if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (!link.pathname.startsWith(ROOT) || link.getAttribute("href").startsWith("#")) return;
    event.preventDefault();
    navigate(link.pathname + link.search);
  });
  target.addEventListener("popstate", () => { route.value = here(); });
}
