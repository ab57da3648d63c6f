/**
 * Answers Tidegate's proofs of work, below an HTTP client: who calls the API notices nothing.
 *
 *     const client = new OpenAI({ fetch: proofOfWork(fetch) });
 *
 * A gateway that asks for a proof of work refuses with 403 and the field `Tidegate-Challenge`, which names a puzzle.
 * The puzzle is fetched, solved, and the request is sent once more with the answer in `Tidegate-Answer`. Nothing of a
 * refused request has reached a model, so nothing is done or paid twice.
 *
 * What is trusted: the puzzle comes from the origin that the request went to, whatever host the field names, and
 * without credentials. It costs so many seconds at most, and what looks too hard is not begun: then the caller gets the
 * refusal, with the address at which a person can answer.
 *
 * Node 18 and later, Deno, Bun, browsers: everything with fetch and WebCrypto.
 */

const PUZZLE_PATH = /^(?:\/[A-Za-z0-9._~-]+)*\/tidegate\/challenge\/[A-Za-z0-9_-]{1,4096}\/puzzle$/;
const LARGEST_PUZZLE = 8 * 1024;
/** Rounds of one try: those of PBKDF2 nothing can interrupt. */
const COSTLIEST = 1_000_000;
/** Rounds of a plain hash after which the clock is looked at: each is a promise. */
const LOOKED = 100;
/** Milliseconds that a puzzle may take to arrive. */
const PATIENCE = 10_000;
/** Tries under way at once: WebCrypto works in threads of its own. */
const AT_ONCE = 16;
/** Milliseconds after which a puzzle that is put again is worked on again. */
const FORGOTTEN = 10_000;
const REMEMBERED = 256;
/** Milliseconds before each time that a request is sent again, for which another one has given the answer: it is in
 * force on every worker of a gateway within a second. */
const PAUSES = [0, 250, 500, 1000, 2000];
/** Milliseconds more for which the reply to that answer is waited for: it may take as long as a model takes. */
const HEARD = 500;

/** It is not to be solved here. */
export class TooHard extends Error {}

/** There is no such puzzle any more: it was passed, or it has expired. */
class Over extends Error {}

/**
 * A fetch that answers proofs of work, for whatever takes one.
 *
 * @param {typeof fetch} send what it sends with
 * @param {{seconds?: number, warn?: (message: string) => void}} [options] the longest that one puzzle is worked on, and
 *   who is told when none is solved
 * @returns {typeof fetch}
 */
export function proofOfWork(send = globalThis.fetch, { seconds = 30, warn = console.warn } = {}) {
  const turns = new Map();

  /** One puzzle. Of several requests that meet it at once, the first works and the others wait for it. */
  function turnAt(address) {
    let turn = turns.get(address);
    if (turn === undefined) {
      turn = { working: null, failed: false, until: 0, replied: Promise.resolve() };
      turns.set(address, turn);
      if (turns.size > REMEMBERED) turns.delete(turns.keys().next().value);
    }
    return turn;
  }

  async function work(turn, address, signal) {
    try {
      const answer = await solve(await fetched(send, address), seconds, signal);
      Object.assign(turn, { failed: false, until: Date.now() + FORGOTTEN });
      return answer;
    } catch (error) {
      if (signal?.aborted) throw error;
      if (!(error instanceof Over)) {
        warn(`a proof of work is not given: ${error.message}`);
        Object.assign(turn, { failed: true, until: Date.now() + FORGOTTEN });
      }
      return "";
    }
  }

  return async function fetchWithWork(input, init) {
    const request = repeatable(input, init);
    let response = await send(...request.first());
    for (const pauses = PAUSES.values(); ; ) {
      const address = puzzleOf(request.url, response);
      if (address === null || !request.again) return response;
      const turn = turnAt(address);
      while (turn.working) await turn.working;
      let answer = "";
      if (Date.now() > turn.until) {
        const working = work(turn, address, request.signal);
        turn.working = working.catch(() => {}).finally(() => (turn.working = null));
        answer = await working;
      }
      if (answer) {
        let replied;
        turn.replied = new Promise((resolve) => (replied = resolve));
        await response.body?.cancel();
        try {
          return await send(...request.again(answer));
        } catch (error) {
          turn.until = 0; // Whether the answer has arrived is not known: whoever comes next works.
          throw error;
        } finally {
          replied();
        }
      }
      const pause = pauses.next();
      if ((turn.failed && Date.now() <= turn.until) || pause.done) return response;
      await Promise.race([turn.replied, after(HEARD, request.signal)]);
      await after(pause.value, request.signal);
      await response.body?.cancel();
      response = await send(...request.again(""));
    }
  };
}

/** What is sent first, and again; `again` is null where the body can be sent only once. */
function repeatable(input, init) {
  if (typeof Request !== "undefined" && input instanceof Request) {
    const whole = new Request(input, init);
    return {
      url: whole.url,
      signal: whole.signal,
      first: () => [whole.clone()],
      again: (answer) => [answered(whole.clone(), answer)],
    };
  }
  const body = init?.body;
  const once = body instanceof ReadableStream || typeof body?.[Symbol.asyncIterator] === "function";
  return {
    url: new URL(input, globalThis.location?.href).href,
    signal: init?.signal ?? undefined,
    first: () => [input, init],
    again: once ? null : (answer) => [input, answered({ ...init, headers: new Headers(init?.headers) }, answer)],
  };
}

function answered(request, answer) {
  if (answer) request.headers.set("tidegate-answer", answer);
  return request;
}

/** Where the work is that this refusal asks for; null where it asks for none. */
function puzzleOf(url, response) {
  const named = response.status === 403 ? response.headers.get("tidegate-challenge") : null;
  if (!named) return null;
  try {
    const path = new URL(named, url).pathname;
    return PUZZLE_PATH.test(path) ? new URL(path, new URL(url).origin).href : null;
  } catch {
    return null;
  }
}

async function fetched(send, address) {
  const options = {
    headers: { accept: "application/json" },
    credentials: "omit",
    redirect: "error",
    signal: AbortSignal.timeout(PATIENCE),
  };
  const response = await send(address, options);
  const over = [404, 409, 410].includes(response.status);
  if (over || !response.ok) {
    await response.body?.cancel();
    throw over ? new Over() : new TooHard(`the puzzle cannot be had: ${response.status}`);
  }
  let text = "";
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    text += decoder.decode(piece.value, { stream: true });
    if (text.length > LARGEST_PUZZLE) {
      await reader.cancel();
      throw new TooHard("the puzzle is too large");
    }
  }
  return read(text);
}

/** ALTCHA, version 2: the counter is to be found with which the derived key begins as it has to. */
export function read(text) {
  let stated;
  try {
    stated = JSON.parse(text);
  } catch {
    throw new TooHard("it is no puzzle of ALTCHA, version 2");
  }
  const { algorithm, nonce, salt, cost, keyLength = 32, keyPrefix = "00" } = stated?.parameters ?? {};
  const known = /^(PBKDF2\/)?(SHA-(?:256|384|512))$/.exec(algorithm);
  if (known === null) throw new TooHard(`nobody here knows ${String(algorithm).slice(0, 40)}`);
  const sized = Number.isInteger(cost) && cost >= 1 && cost <= COSTLIEST;
  const keyed = Number.isInteger(keyLength) && keyLength >= 1 && keyLength <= 64;
  const prefix = String(keyPrefix).toLowerCase();
  if (!sized || !keyed || !/^[0-9a-f]{1,128}$/.test(prefix)) throw new TooHard("it is out of all proportion");
  if (![nonce, salt].every((hex) => /^(?:[0-9a-f]{2})*$/i.test(hex))) throw new TooHard("it is no puzzle");
  const [hash, stretched] = [known[2], Boolean(known[1])];
  return { hash, stretched, nonce: bytes(nonce), salt: bytes(salt), cost, length: keyLength, prefix, stated };
}

/** The answer as `Tidegate-Answer` has it. Throws TooHard where the time is over, and what an aborted signal says. */
export async function solve(puzzle, seconds = 30, signal = undefined) {
  const began = performance.now();
  const look = () => {
    signal?.throwIfAborted();
    if (performance.now() - began > seconds * 1000) throw new TooHard(`it is not solved after ${seconds} s`);
  };
  const derive = await deriver(puzzle, look);
  for (let from = 0; from < 2 ** 32; from += AT_ONCE) {
    look();
    const keys = await Promise.all(Array.from({ length: AT_ONCE }, (_, step) => derive(from + step)));
    const found = keys.findIndex((key) => key.startsWith(puzzle.prefix));
    if (found >= 0) {
      const time = Math.round(performance.now() - began);
      const solution = { counter: from + found, derivedKey: keys[found], time };
      const content = new TextEncoder().encode(JSON.stringify({ challenge: puzzle.stated, solution }));
      return btoa(String.fromCharCode(...content));
    }
  }
  throw new TooHard("no counter solves it");
}

async function deriver({ hash, stretched, nonce, salt, cost, length }, look) {
  const { subtle } = globalThis.crypto ?? {};
  if (!subtle) throw new TooHard("there is no WebCrypto here: a page needs https, or localhost");
  const password = (counter) => {
    const made = new Uint8Array(nonce.length + 4);
    made.set(nonce);
    new DataView(made.buffer).setUint32(nonce.length, counter);
    return made;
  };
  if (stretched) {
    return async (counter) => {
      const key = await subtle.importKey("raw", password(counter), "PBKDF2", false, ["deriveBits"]);
      return hex(await subtle.deriveBits({ name: "PBKDF2", hash, salt, iterations: cost }, key, length * 8));
    };
  }
  return async (counter) => {
    let key = new Uint8Array([...salt, ...password(counter)]);
    for (let round = 0; round < cost; round++) {
      if (round % LOOKED === 0) look();
      key = await subtle.digest(hash, key);
    }
    return hex(key).slice(0, length * 2);
  };
}

function bytes(text) {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

function hex(buffer) {
  return Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function after(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const leave = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", leave);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", leave, { once: true });
  });
}
