// Brings the check to life: starts it where nobody has to press, sends what came of it, and says what happens.
// The page works by what stands in its form; nothing is kept but how often this tab was taken on by itself.

const form = document.querySelector("#check");
const said = document.querySelector("#said");
const button = document.querySelector("#go-on");
const widget = form.querySelector("altcha-widget");
const { field, state, go, worker } = form.dataset;
const SECOND = 1000;

const WORDS = {
  ready: "Tick the box. As soon as it is done, you go on by yourself.",
  others: "As soon as the check is passed, you go on by yourself.",
  press: "Press the button to go on.",
  blocked: "The check does not load. Maybe something in this browser stops it. Please load this page again.",
  again: "That did not work. Please press the button again.",
  working: "Your browser is working. This takes a few seconds.",
  sending: "Done. You go on in a moment.",
  failed: "That did not work. Please tick the box to try again, or load this page again.",
  missing: "The check could not be loaded. Please load this page again.",
  insecure: "Browsers do this check on secure pages only. Please open this page with https:// in its address.",
};
// Said only where it is new: what a screen reader has read it need not read again.
const say = (text) => { if (said.textContent !== text) said.textContent = text; };

document.querySelector(".unscripted").hidden = true;

let sent = false;
const send = () => {
  if (sent) return;
  sent = true;
  say(WORDS.sending);
  if (form.requestSubmit) form.requestSubmit();
  else form.submit();
};

// Whoever comes back here again and again, although every check was passed, is asked to press: no browser goes in circles.
const rounds = () => {
  const key = "tidegate-challenge", now = Date.now();
  try {
    const recent = JSON.parse(sessionStorage.getItem(key) ?? "[]").filter((at) => now - at < 60 * SECOND);
    sessionStorage.setItem(key, JSON.stringify([...recent, now].slice(-9)));
    return recent.length;
  } catch {
    return 0; // Not every browser lets a page keep something.
  }
};

const altcha = () => {
  if (!customElements.get("altcha-widget")) return say(WORDS.missing);
  $altcha.algorithms.set("PBKDF2/SHA-256", () => new Worker(worker));
  $altcha.defaults.set({ workers: Math.min(8, navigator.hardwareConcurrency || 2) });
  const work = "work" in form.dataset;
  $altcha.i18n.set("en", {
    ...$altcha.i18n.get("en"),
    label: work ? "Let my browser do it" : "I am here",
    verifying: "Working …",
    verified: "Done",
  });
  widget.addEventListener("statechange", ({ detail }) => {
    if (detail.state === "verifying") say(WORDS.working);
    if (detail.state === "verified") send();
    if (detail.state === "error" || detail.state === "expired") say(WORDS.failed);
    if (detail.state === "unverified") say(WORDS.ready);
  });
  if (!window.isSecureContext) return say(WORDS.insecure);
  if (!work || "asked" in form.dataset || rounds() >= 3) return say(WORDS.ready);
  say(WORDS.working);
  const begin = () => widget.verify({ minDuration: 0 });
  if (widget.querySelector("input")) begin();
  else widget.addEventListener("load", begin, { once: true });
};

// Other widgets put their answer into the form without a word. Before, some put in what they are at, after a full stop.
const others = (theirs) => {
  say(WORDS.others);
  const began = Date.now();
  const look = setInterval(() => {
    const answer = new FormData(form).get(field);
    if (answer && !answer.startsWith(".")) {
      clearInterval(look);
      send();
    } else if (!theirs.childElementCount && Date.now() - began > 10 * SECOND) {
      say(WORDS.blocked);
    } else if (said.textContent === WORDS.blocked) {
      say(WORDS.others);
    }
  }, 250);
};

// Where there is nothing to solve, somebody presses, and the provider says what it thinks of that.
const scored = ({ dataset }) => {
  const answer = Object.assign(document.createElement("input"), { type: "hidden", name: field });
  form.append(answer);
  button.hidden = false;
  say(WORDS.press);
  button.addEventListener("click", (press) => {
    press.preventDefault();
    const api = dataset.execute.split(".").reduce((found, name) => found?.[name], window);
    if (!api) return say(WORDS.blocked);
    say(WORDS.working);
    api.ready(async () => {
      try {
        answer.value = await api.execute(dataset.sitekey, { action: dataset.action });
        send();
      } catch {
        say(WORDS.again);
      }
    });
  });
};

// It may be passed elsewhere meanwhile: by a member, or by the program itself.
const watch = async () => {
  for (let failures = 0; failures < 5 && !sent;) {
    const began = Date.now();
    try {
      const answer = await fetch(`${state}?wait=25`, { cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      const { status } = await answer.json();
      failures = 0;
      if (sent) return;
      if (status === "passed") return location.replace(go);
      if (status !== "open") return location.reload();
      // Where too many wait already, the answer comes at once: nobody is asked without a pause.
      if (Date.now() - began < 5 * SECOND) await new Promise((resolve) => setTimeout(resolve, 5 * SECOND));
    } catch {
      failures += 1;
      await new Promise((resolve) => setTimeout(resolve, failures * 5 * SECOND));
    }
  }
};

// Who has signed in in another tab finds the button of a member here.
document.querySelector("#sign-in")?.addEventListener("click", () => {
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && !sent && location.reload());
});
for (const time of document.querySelectorAll("time"))
  time.textContent = new Date(time.dateTime).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
document.querySelector("#vouch")?.addEventListener("submit", () => { sent = true; });
window.addEventListener("pageshow", ({ persisted }) => persisted && location.reload());

const theirs = form.querySelector(".widget").firstElementChild;
if (widget) altcha();
else if ("execute" in theirs.dataset) scored(theirs);
else others(theirs);
setTimeout(watch, SECOND);
