// The tests that stand beside the policies, run with what is written in the editor.
import { send } from "../parts/api.js";
import { Problems } from "../parts/problems.js";
import { number, percent } from "../parts/format.js";
import { setQuery } from "../parts/router.js";
import { Button, Empty, Failed, Loading, Notice, Section, Tag, announce, html, useEffect, useState } from "../parts/ui.js";
import { Table } from "../parts/table.js";
import { files } from "./rules_drafts.js";

const open = (path, line, column) => setQuery({ tab: "files", file: path, line, column });
const TESTS = [
  { key: "passed", title: "Result", render: (row) => html`<${Tag} tone=${row.passed ? "ok" : "bad"}>${row.passed ? "✓ passed" : "✕ failed"}<//>`, sort: (row) => Number(row.passed), filter: (row) => (row.passed ? "passed" : "failed") },
  { key: "name", title: "What it states" },
  { key: "path", title: "Where", render: (row) => html`<button type="button" class="quiet small" onClick=${() => open(row.path, row.line)}>${row.path}:${row.line}</button>` },
  { key: "requests", title: "Requests", align: "right" },
];

export function Tests() {
  const [state, setState] = useState({ busy: false, error: null, found: null });
  const run = async () => {
    setState((old) => ({ ...old, busy: true, error: null }));
    try {
      const { content } = await send("POST", "/policies/test", { files: files() });
      setState({ busy: false, error: null, found: content });
      announce(content.problems.length ? "The files are wrong" : `${content.passed} tests passed, ${content.failed} failed`);
    } catch (error) {
      setState((old) => ({ ...old, busy: false, error }));
    }
  };
  useEffect(() => { run(); }, []);
  const { busy, error, found } = state;
  const again = html`<${Button} tone="primary" busy=${busy} onClick=${run}>Run the tests<//>`;
  return html`<${Section} title="Tests" note="Of policies/tests, each with buckets and memories of its own." actions=${again}>
    ${error ? html`<${Failed} error=${error} retry=${run} />` : null}
    ${!found ? html`<${Loading} what="Running the tests" />` : found.problems.length
      ? html`<${Notice} tone="bad" title="No test was run: the files are wrong"><${Problems} problems=${found.problems} onJump=${(one) => open(one.path, one.line, one.column)} /><//>`
      : html`<${Found} found=${found} />`}<//>`;
}

function Found({ found }) {
  if (!found.tests.length) return html`<${Empty} title="There are no tests">A test states an exchange and what is expected of it: make tests/first.yaml.<//>`;
  const failed = found.tests.filter((one) => !one.passed);
  return html`<div class="stack">
    <p class="check-state"><${Tag} tone=${found.ok ? "ok" : "bad"}>${found.ok ? `all ${found.passed} passed` : `${found.failed} of ${found.tests.length} failed`}<//>
      <span class="soft">in ${number(found.seconds)} s; they reach ${percent(found.coverage.reached / Math.max(1, found.coverage.of))} of the rules and limits</span></p>
    ${failed.length ? html`<div>${failed.map((one) => html`<${Failure} key=${`${one.path}:${one.name}`} test=${one} />`)}</div>` : null}
    <${Table} caption="Tests of the policies" hideCaption columns=${TESTS} rows=${found.tests} rowKey=${(row) => `${row.path}:${row.name}`} filename="policy-tests" order=${{ key: "passed" }} />
    ${found.coverage.gaps.length ? html`<details><summary>What no test reaches (${found.coverage.gaps.length})</summary><ul class="problems">${found.coverage.gaps.map((gap) => html`<li key=${`${gap.path}:${gap.line}:${gap.problem}`}>
      <${Tag}>${gap.what}<//><div><button type="button" class="quiet place" onClick=${() => open(gap.path, gap.line)}>${gap.path}:${gap.line}</button><p>${gap.name || gap.entry}: ${gap.problem}</p></div></li>`)}</ul></details>` : null}</div>`;
}

function Failure({ test }) {
  return html`<div class="failure"><h3><${Tag} tone="bad">✕ failed<//> ${test.name}</h3>
    <div class="scroll" tabindex="0" role="region" aria-label=${`Expected and got: ${test.name}`}><table><thead><tr><th scope="col">Key</th><th scope="col">Expected</th><th scope="col">Came</th></tr></thead>
      <tbody>${test.differences.map((one) => html`<tr key=${one.key}><td><code>${one.key}</code></td><td class="is">${one.expected}</td><td>${one.got}</td></tr>`)}</tbody></table></div>
    ${test.at ? html`<p class="soft">Decided by ${test.by}, ${test.at}${test.detail ? `: ${test.detail}` : ""}</p>` : null}</div>`;
}
