// The editor of policies: CodeMirror, told what is wrong and what may be written. Escape, then Tab leaves it.
import {
  Compartment, EditorState, EditorView, HighlightStyle, autocompletion, basicSetup, indentUnit, indentWithTab, keymap,
  lintGutter, setDiagnostics, syntaxHighlighting, tags, yaml,
} from "../vendor/editor.js";
import { html, useEffect, useRef } from "../vendor/ui.js";
import { completer } from "./editor_words.js";
import { useId } from "./ui.js";

const theme = EditorView.theme({
  "&": { color: "var(--text)", backgroundColor: "var(--card)", fontSize: "0.87rem", height: "100%" },
  "&.cm-focused": { outline: "0.15rem solid var(--accent)", outlineOffset: "-1px" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55" },
  ".cm-content": { caretColor: "var(--text)", padding: "0.5rem 0" },
  ".cm-cursor, .cm-dropCursor": { borderLeftColor: "var(--text)", borderLeftWidth: "2px" },
  ".cm-gutters": { backgroundColor: "var(--card)", color: "var(--soft)", borderRight: "1px solid var(--line)" },
  ".cm-activeLine": { backgroundColor: "color-mix(in oklab, var(--accent) 7%, transparent)" },
  ".cm-activeLineGutter": { backgroundColor: "var(--raised)", color: "var(--text)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "color-mix(in oklab, var(--accent) 30%, transparent)",
  },
  ".cm-selectionMatch": { backgroundColor: "color-mix(in oklab, var(--warn) 25%, transparent)" },
  ".cm-searchMatch": { backgroundColor: "color-mix(in oklab, var(--warn) 35%, transparent)", outline: "1px solid var(--warn)" },
  ".cm-searchMatch-selected": { backgroundColor: "color-mix(in oklab, var(--warn) 60%, transparent)" },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--info-ground)", outline: "1px solid var(--accent)" },
  ".cm-foldPlaceholder": { backgroundColor: "var(--raised)", borderColor: "var(--edge)", color: "var(--text)" },
  ".cm-tooltip": { backgroundColor: "var(--card)", color: "var(--text)", border: "1px solid var(--edge)", borderRadius: "0.4rem" },
  ".cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", maxHeight: "16rem" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--on-accent)" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected] .cm-completionDetail": { color: "inherit" },
  ".cm-completionDetail": { color: "var(--soft)", fontStyle: "normal" },
  ".cm-completionInfo": { padding: "0.5rem 0.75rem", maxWidth: "24rem", fontFamily: "system-ui, sans-serif" },
  ".cm-panels": { backgroundColor: "var(--raised)", color: "var(--text)", borderColor: "var(--line)" },
  ".cm-panel.cm-search input, .cm-panel.cm-search button": { fontSize: "0.85rem" },
  ".cm-panel.cm-search label": { fontSize: "0.85rem" },
  ".cm-diagnostic": { padding: "0.3rem 0.6rem" },
  ".cm-diagnostic-error": { borderLeftColor: "var(--bad)" },
  ".cm-diagnostic-warning": { borderLeftColor: "var(--warn)" },
});

const colours = HighlightStyle.define([
  { tag: tags.comment, color: "var(--soft)", fontStyle: "italic" },
  { tag: [tags.definition(tags.propertyName), tags.propertyName], color: "var(--c1)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--c3)" },
  { tag: [tags.number, tags.bool, tags.null, tags.keyword], color: "var(--c2)" },
  { tag: [tags.labelName, tags.typeName], color: "var(--c4)" },
  { tag: [tags.separator, tags.punctuation, tags.brace, tags.squareBracket], color: "var(--soft)" },
]);

/** Where in a text a line and a column from 1 are; at its end where it is shorter. */
function placeOf(doc, line, column) {
  const found = doc.line(Math.min(Math.max(1, line), doc.lines));
  return Math.min(found.from + Math.max(0, column - 1), found.to);
}

function diagnosticsOf(doc, problems) {
  return problems.map((one) => {
    const from = placeOf(doc, one.line, one.column);
    const line = doc.lineAt(from);
    const rest = /^[\w.$"'-]+/.exec(line.text.slice(from - line.from))?.[0].length ?? 0;
    const to = Math.min(line.to, from + Math.max(1, rest));
    return { from: Math.min(from, to), to, severity: one.severity === "error" ? "error" : "warning", message: one.message };
  });
}

/**
 * `path` names the text: another path is another text. `onChange(text)`. `problems` are those of this file. `words` are
 * GET /policies/words. `jump` {line, column, at}: the caret goes there whenever `at` is another.
 */
export function Editor({ path, text, onChange, problems, words, jump, onSave, readOnly = false }) {
  const box = useRef(null);
  const view = useRef(null);
  const told = useRef({});
  told.current = { onChange, onSave, words, path };
  const locked = useRef(new Compartment());
  const hint = useId("editor-hint");
  useEffect(() => {
    const isYaml = /\.ya?ml$/.test(path);
    const extensions = [
      keymap.of([{ key: "Mod-s", preventDefault: true, run: () => { told.current.onSave?.(); return true; } }, indentWithTab]),
      basicSetup, indentUnit.of("  "), theme, syntaxHighlighting(colours), lintGutter(), EditorView.lineWrapping,
      EditorView.contentAttributes.of({ "aria-label": `Text of ${path}`, "aria-describedby": hint, spellcheck: "false", tabindex: "0" }),
      locked.current.of(EditorState.readOnly.of(readOnly)),
      EditorView.updateListener.of((update) => {
        if (update.docChanged && !update.transactions.some((one) => one.isUserEvent("set"))) told.current.onChange(update.state.doc.toString());
      }),
      autocompletion({ override: isYaml ? [completer(() => told.current)] : [] }),
      ...(isYaml ? [yaml()] : []),
    ];
    view.current = new EditorView({ state: EditorState.create({ doc: text, extensions }), parent: box.current });
    return () => view.current.destroy();
  }, [path]);
  useEffect(() => {
    const editor = view.current;
    if (editor.state.doc.toString() === text) return;
    // Somebody else's text, or one that was changed by a dialog: one step that can be undone.
    editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: text }, userEvent: "set" });
  }, [text, path]);
  useEffect(() => { view.current.dispatch(setDiagnostics(view.current.state, diagnosticsOf(view.current.state.doc, problems))); }, [problems, path]);
  useEffect(() => { view.current.dispatch({ effects: locked.current.reconfigure(EditorState.readOnly.of(readOnly)) }); }, [readOnly, path]);
  useEffect(() => {
    if (!jump) return;
    const at = placeOf(view.current.state.doc, jump.line, jump.column ?? 1);
    view.current.dispatch({ selection: { anchor: at }, effects: EditorView.scrollIntoView(at, { y: "center" }) });
    view.current.focus();
  }, [jump?.at, path]);
  return html`<div class="editor" data-completes=${words ? "yes" : undefined}><div class="editor-box" ref=${box}></div>
    <p class="hint" id=${hint}><kbd>Ctrl</kbd>+<kbd>Space</kbd> completes, <kbd>Ctrl</kbd>+<kbd>F</kbd> searches, <kbd>Ctrl</kbd>+<kbd>S</kbd> saves. <kbd>Tab</kbd> indents: to leave the editor press <kbd>Esc</kbd>, then <kbd>Tab</kbd>.</p></div>`;
}
