// What may be written where the caret is: keys of the file's shape, words of a value, and what a condition may say.

const KEY = /^(\s*)((?:- +)*)(?:\{\s*)?([A-Za-z_][\w-]*)\s*:/;
const NAMED = { tier: "tiers", tiers: "tiers", except_tiers: "tiers", list: "lists", tags: "tags", model: "models", models: "models", kind: "kinds", entry: "entries", rule: "rules", limit: "limits" };

/** The name of a file's shape in `words.files`. */
function topOf(words, path) {
  if (path.startsWith("tests/")) return words.files["tests/*.yaml"];
  const kind = words.kinds_of[path] ?? path.replace(/\.ya?ml$/, "");
  return words.files[path] ?? words.files[`kind: ${kind}`];
}

/** Keys above a line that begins at that column, from the outermost. */
export function above(lines, column) {
  const path = [];
  let left = column;
  for (let index = lines.length - 1; index >= 0 && left > 0; index -= 1) {
    if (/^\s*(#|$)/.test(lines[index])) continue;
    const found = KEY.exec(lines[index]);
    if (!found) continue;
    const dash = found[1].length;
    const at = dash + found[2].length;
    if (at < left) {
      path.unshift(found[3]);
      left = found[2] ? Math.min(at, dash + 1) : at;
    }
  }
  return path;
}

/** The keys that may stand there. A name that is no key (of a list, of a model) leads nowhere further. */
function keysAt(words, top, path) {
  let models = [top];
  const keysOf = (names) => names.flatMap((name) => {
    const model = words.models[name];
    return model ? [...model.keys, ...keysOf(model.any)] : [];
  });
  for (const step of path) {
    const key = keysOf(models).find((one) => one.name === step);
    if (key) models = key.models;
  }
  return keysOf(models);
}

const wordsOf = (takes) => [...(takes ?? "").matchAll(/`([^`]+)`/g)].map((found) => found[1]);
const isCondition = (key) => /\[condition\]/.test(key?.takes ?? "");

function condition(words, before) {
  const quoted = /([\w.]+)\s*(?:==|!=|in)\s*\[?(?:"[^"]*"\s*,\s*)*"([^"]*)$/.exec(before);
  if (quoted) {
    const variable = words.variables.find((one) => one.name === quoted[1]);
    const known = quoted[1] === "account.tier" ? words.names.tiers : quoted[1] === "request.model" ? words.names.models : variable?.values;
    return { length: quoted[2].length, options: (known ?? []).map((label) => ({ label, type: "constant" })) };
  }
  if ((before.match(/"/g) ?? []).length % 2) return null;
  const word = /[A-Za-z_][\w.]*$/.exec(before)?.[0] ?? "";
  const method = /\.\w*$/.test(word) ? word.lastIndexOf(".") + 1 : -1;
  const known = words.variables.some((one) => method > 0 && one.name === word.slice(0, method - 1));
  const called = words.functions.map((one) => ({ label: one.name, type: "function", detail: one.usage, apply: `${one.name}(`, method: one.method }));
  if (known) return { length: word.length - method, options: called.filter((one) => one.method) };
  return {
    length: word.length,
    options: [
      ...words.variables.map((one) => ({ label: one.name, type: "variable", detail: one.type, info: one.missing ? `${one.doc} Empty where ${one.missing}.` : one.doc })),
      ...(words.names.lists ?? []).map((name) => ({ label: `lists.${name}`, type: "namespace", detail: "list" })),
      ...called,
    ],
  };
}

function valueOf(words, key, before) {
  const word = /[^\s,[{"']*$/.exec(before)?.[0] ?? "";
  const names = words.names[NAMED[key.name]] ?? [];
  const options = [
    ...wordsOf(key.takes).map((label) => ({ label, type: "enum" })),
    ...names.map((label) => ({ label, type: "constant", detail: NAMED[key.name] })),
  ];
  return { length: word.length, options };
}

/** What completes the text before the caret: {length, options} or null. `lines` end with the caret. */
export function complete(words, path, lines) {
  const top = topOf(words, path);
  if (!top) return null;
  const line = lines.at(-1);
  const lead = /^(\s*)((?:- +)*)/.exec(line);
  const column = lead[0].length;
  const rest = line.slice(column);
  const chain = above(lines.slice(0, -1), column);
  // Within braces of one line the keys are those of the item.
  const brace = rest.lastIndexOf("{");
  const inner = brace >= 0 && !rest.slice(brace).includes("}");
  const outer = inner ? /^([A-Za-z_][\w-]*)\s*:/.exec(rest.slice(0, brace))?.[1] : undefined;
  const steps = outer ? [...chain, outer] : chain;
  const all = keysAt(words, top, steps);
  const part = inner ? rest.slice(brace + 1).replace(/^.*,(?![^[]*\])/, "").trimStart() : rest;
  const stated = /^([A-Za-z_][\w-]*)\s*:\s*(.*)$/s.exec(part);
  const holder = chain.length ? keysAt(words, top, chain.slice(0, -1)).find((one) => one.name === chain.at(-1)) : undefined;
  if (!inner && isCondition(holder)) return condition(words, rest);
  if (stated) {
    const key = all.find((one) => one.name === stated[1]);
    if (!key) return null;
    return isCondition(key) ? condition(words, stated[2].replace(/^'/, "")) : valueOf(words, key, stated[2]);
  }
  if (!/^[\w-]*$/.test(part)) return null;
  if (holder && !inner && !all.length) return valueOf(words, holder, part);
  const options = all.map((key) => ({ label: key.name, type: "property", detail: key.takes.replace(/\[condition\]\([^)]*\)/, "condition").slice(0, 60), info: key.doc || undefined, apply: `${key.name}: ` }));
  return { length: part.length, options };
}

/** For CodeMirror. `told()` has {words, path} of now. */
export const completer = (told) => (context) => {
  const { words, path } = told();
  if (!words) return null;
  const { doc } = context.state;
  const line = doc.lineAt(context.pos);
  const lines = [];
  for (let number = Math.max(1, line.number - 400); number < line.number; number += 1) lines.push(doc.line(number).text);
  const found = complete(words, path, [...lines, line.text.slice(0, context.pos - line.from)]);
  if (!found || !found.options.length || (!found.length && !context.explicit && !/[\s.]$/.test(line.text.slice(0, context.pos - line.from)))) return null;
  return { from: context.pos - found.length, options: found.options, validFor: /^[\w.-]*$/ };
};
