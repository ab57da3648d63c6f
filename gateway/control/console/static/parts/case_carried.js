// A job that does what was decided to many accounts: how far it is, and what came of it.
import { Button, Notice, html, toast, useEffect, useState } from "./ui.js";
import { send } from "./api.js";
import { number, percent } from "./format.js";
import { resultOf } from "./override_api.js";

/** `job`: the one that was begun from here, or empty. `onDone()` when it has ended. */
export function CaseCarried({ one, job, onJob, onDone }) {
  const [progress, setProgress] = useState(0);
  const [error, setError] = useState(null);
  useEffect(() => {
    if (!job) return undefined;
    const control = new AbortController();
    setProgress(0);
    setError(null);
    resultOf(job, setProgress, control.signal).then(
      (result) => { toast(`Done: ${number(result.accounts)} accounts${result.of_file ? `; ${number(result.of_file)} stand in accounts.yaml and are left alone` : ""}.`); onJob(""); onDone(); },
      (failure) => { if (!control.signal.aborted) { setError(failure); onJob(""); onDone(); } },
    );
    return () => control.abort();
  }, [job]);
  const go = async () => {
    try {
      onJob((await send("POST", `/cases/${one.id}/carry-out`)).content.job);
    } catch (failure) {
      setError(failure);
    }
  };
  if (job) return html`<${Notice} tone="info" title="It is being done"><label class="row carried">Accounts so far <progress max="1" value=${progress}>${percent(progress)}</progress></label>
    <p class="soft small">You may leave: it goes on.</p><//>`;
  return html`${error ? html`<${Notice} tone="bad">${error.message}<//>` : null}
    ${one.to_do ? html`<${Notice} tone="warn" title=${`What was decided is not yet done to ${number(one.to_do)} accounts`} actions=${html`<${Button} onClick=${go}>Go on<//>`}>
      <p>A job was ended before it was done, or it runs for somebody else just now.</p><//>` : null}`;
}
