// Cases in plain words: families of evidence, what holds accounts together, levels, states.

export const FAMILIES = {
  links: "In common: cards, documents, devices; ids, turns and prompts that wander from one to another",
  content: "Templates that only they use",
  work: "One list of work, shared: any account could do any of it",
  balance: "Load as a balancer spreads it",
  network: "Networks in common",
  registration: "Signed up alike",
  pivot: "All to a new model within a day",
  trust: "What speaks for them: verification, payment, age, contracts",
};

const EDGES = {
  content: "shows the template", links: "have it in common", payment: "paid by the same", document: "the same document", device: "the same device",
  phone: "the same phone", minted: "an id minted for the other", turns: "an answer given to the other", failover: "refused here, answered there",
  network: "the same network", registration: "signed up together", work: "the same list of work", email: "the same mailbox",
};
export const edgeWords = (kind) => EDGES[kind] ?? kind;

export const STATES = { open: "open", approved: "approved", rejected: "rejected", merged: "merged", closed: "closed" };
export const TONES = { open: "info", approved: "bad", rejected: "ok", merged: "", closed: "" };
export const MEMBERS = { in: "in it", left: "has left", split: "taken out", suspended: "suspended by it", asked: "asked to verify", restored: "restored" };
export const ACTIONS = { rules: "Keep to what the rules say", verify: "Have them verify", suspend: "Suspend them" };
export const DONE = { rules: "what the rules say", verify: "they have to verify", suspend: "they are suspended" };

/** What a level does, for who has not read the rules. */
export const LEVELS = {
  observe: "looked at, nothing else", budget: "one budget for all of them", trace: "a few requests are told to come again",
  hold: "features and new models wait", challenge: "a challenge has to be passed", verify: "owners have to verify", suspend: "suspended",
};

/** `9.2 nats` with what that means: e to its power. */
export function odds(nats) {
  if (nats <= 0) return "no more likely than chance";
  const times = Math.exp(Math.min(nats, 20));
  const round = Number(times.toPrecision(2));
  return `${nats >= 20 ? "more than " : "about "}${round.toLocaleString("en-GB")} times as likely as chance`;
}

/** `one in 10,000`. */
export const share = (part) => (part > 0 && part < 1 ? `one in ${Math.round(1 / part).toLocaleString("en-GB")}` : part <= 0 ? "none" : "every one");
