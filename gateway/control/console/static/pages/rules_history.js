// What is and was in force, what differs between two of them, and the way back.
import { get, send } from "../parts/api.js";
import { Diff } from "../parts/diff.js";
import { ago, time } from "../parts/format.js";
import { may } from "../parts/session.js";
import { Button, Confirm, Dialog, Empty, Loaded, Notice, Section, Tag, html, toast, useLoad, useState } from "../parts/ui.js";
import { Table } from "../parts/table.js";

const DID = { start: "start", reload: "applied", rollback: "rolled back to" };

export function History({ standing, onDone }) {
  const history = useLoad((signal) => get("/policies/history", {}, { signal }), [standing.data?.generation, standing.data?.files]);
  const [dialog, setDialog] = useState(null);
  const now = standing.data?.generation;
  const columns = [
    { key: "generation", title: "Generation", align: "right", render: (row) => html`<b>${row.generation}</b>` },
    { key: "in_force", title: "State", sort: false, render: (row) => (row.in_force ? html`<${Tag} tone="ok">in force<//>` : ""), filter: (row) => (row.in_force ? "in force" : "") },
    { key: "digest", title: "Digest", render: (row) => html`<code>${row.digest.slice(0, 12)}</code>` },
    { key: "since", title: "Since", render: (row) => html`<span title=${time(row.since, { whole: true })}>${ago(row.since)}</span>` },
    { key: "action", title: "How", render: (row) => DID[row.action] ?? row.action },
    { key: "who", title: "By" },
    ...(may("write") ? [{
      key: "act", title: "Actions", sort: false, filter: false, value: () => "",
      render: (row) => (row.in_force ? "" : html`<div class="row end"><${Button} class="small" aria-label=${`What differs between ${row.generation} and what is in force`} onClick=${() => setDialog({ from: row.generation, to: now })}>Differences<//>
        <${Button} class="small" aria-label=${`Go back to generation ${row.generation}`} onClick=${() => setDialog({ back: row })}>Go back<//></div>`),
    }] : []),
  ];
  return html`<${Section} title="History" note="The last twenty that were in force since the gateway began; a way back takes a moment, and no file." actions=${may("write") ? html`<${Button} class="small" onClick=${() => setDialog({ disk: true })}>Disk against in force<//>` : null}>
      <${Loaded} of=${history}>${(data) => html`<${Table} caption="Generations of the rules" hideCaption columns=${columns} rows=${data.history} rowKey="generation" filename="generations" filter=${data.history.length > 5} />`}<//><//>
    ${dialog?.back ? html`<${Back} row=${dialog.back} now=${now} onClose=${() => setDialog(null)} onDone=${() => { history.reload(); onDone(); }} />` : null}
    ${dialog && !dialog.back ? html`<${Dialog} wide title=${dialog.disk ? "On the disk, against what is in force" : `Generation ${dialog.from} → ${dialog.to}`} onClose=${() => setDialog(null)}><${Between} from=${dialog.from} to=${dialog.to} /><//>` : null}`;
}

/** Nothing stated: the disk against what is in force. */
function Between({ from, to }) {
  const diff = useLoad((signal) => get("/policies/diff", { from, to }, { signal }), [from, to]);
  return html`<${Loaded} of=${diff}>${(data) => (data.files.length
    ? data.files.map((one) => html`<div key=${one.path} class="stack"><h3><code>${one.path}</code> <${Tag}>${one.what}<//> <span class="soft small">+${one.added} −${one.removed}</span></h3><${Diff} lines=${one.lines} cut=${one.cut} label=${`What differs in ${one.path}`} /></div>`)
    : html`<${Empty}>No file differs. Lists and databases may.<//>`)}<//>`;
}

function Back({ row, now, onClose, onDone }) {
  const back = async () => {
    const { content } = await send("POST", "/policies/rollback", { to: row.digest });
    toast(content.outcome === "rolled_back" ? `Generation ${content.generation} is in force again.` : `Nothing changed: ${content.outcome}.`, content.outcome === "rolled_back" ? "ok" : "warn");
    onDone();
  };
  return html`<${Confirm} title=${`Go back to generation ${row.generation}?`} confirm="Go back" tone="danger" onConfirm=${back} onClose=${onClose}>
    <p>It comes into force on all workers at once. The files on the disk stay as they are, and are set aside: they do not come back by themselves.</p>
    <${Between} from=${now} to=${row.generation} />
    <${Notice}>Usage is kept: no bucket is filled by it.<//><//>`;
}
