// The table of roles for people. tests/browser/console holds it to gateway/control/access/roles.py.

export const PERMISSIONS = [
  { name: "look", doc: "What is in force and how it goes: nothing of one person or account." },
  { name: "people", doc: "Accounts, exchanges, challenges, reviews, the audit." },
  { name: "tune", doc: "Overrides of limits, incident switches, usage." },
  { name: "act", doc: "What is done to one account: suspend, restore, keys, falls, challenges." },
  { name: "judge", doc: "Reviews: decide about people." },
  { name: "write", doc: "The rules: edit, apply, go back." },
  { name: "govern", doc: "Tokens of operators; accounts and keys made; evidence stated by hand." },
];

export const ROLES = [
  { name: "viewer", doc: "Looks at how it goes, and at nobody in particular: for a screen on the wall." },
  { name: "operator", doc: "On duty: sees accounts and decisions, changes limits, suspends and restores." },
  { name: "author", doc: "Writes the rules. Sees no accounts." },
  { name: "analyst", doc: "Decides about people: reviews, falls, challenges." },
  { name: "admin", doc: "All of it, and who else may what." },
];

export const MAY = {
  viewer: ["look"],
  operator: ["look", "people", "tune", "act"],
  author: ["look", "write"],
  analyst: ["look", "people", "act", "judge"],
  admin: PERMISSIONS.map(({ name }) => name),
};
