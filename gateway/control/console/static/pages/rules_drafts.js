// What is written and not saved, by file. It outlives the page, so going to look at something else loses nothing.
import { signal } from "../parts/ui.js";

/** Path -> {text, base, digest}: `base` is the text of the digest that was read; digest "" for a file that is new. */
export const drafts = signal({});

export const isChanged = (draft) => Boolean(draft) && draft.text !== draft.base;
export const changed = () => Object.keys(drafts.value).filter((path) => isChanged(drafts.value[path])).sort();
export const put = (path, draft) => { drafts.value = { ...drafts.value, [path]: draft }; };

export function drop(path) {
  const { [path]: _, ...rest } = drafts.value;
  drafts.value = rest;
}

/** What the API takes for a draft: the texts that differ from the disk. */
export const files = () => Object.fromEntries(changed().map((path) => [path, drafts.value[path].text]));

addEventListener("beforeunload", (event) => { if (changed().length) event.preventDefault(); });
