// A preview of a change: asked for, watched, given up.
import { useEffect, useRef, useState } from "../vendor/ui.js";
import { preview } from "./override_api.js";

/** A preview that runs, or has ended: {running, progress, result, error}. */
export function useTrial() {
  const [state, setState] = useState(null);
  const control = useRef(null);
  const forget = () => {
    control.current?.abort();
    setState(null);
  };
  useEffect(() => () => control.current?.abort(), []);
  const start = async (content) => {
    control.current?.abort();
    const mine = new AbortController();
    control.current = mine;
    const tell = (part) => { if (!mine.signal.aborted) setState((old) => ({ ...old, ...part })); };
    setState({ running: true, progress: 0 });
    try {
      tell({ running: false, result: await preview(content, (progress) => tell({ progress }), mine.signal) });
    } catch (error) {
      tell({ running: false, error });
    }
  };
  return { state, start, forget };
}
