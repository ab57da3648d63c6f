// Every page: where it is, what it needs, and where in the navigation it stands. `key`: what follows a `g`.

export const PAGES = [
  { path: "", title: "Overview", needs: "look", group: "Watch", key: "o", load: () => import("./overview.js") },
  { path: "decisions", title: "Decisions", needs: "people", group: "Watch", key: "d", load: () => import("./decisions.js") },
  { path: "exchanges", title: "Find an exchange", needs: "people", group: "Watch", key: "e", load: () => import("./exchange.js") },
  { path: "exchanges/:id", title: "Exchange", needs: "people", load: () => import("./exchange.js") },
  { path: "health", title: "Health", needs: "look", group: "Watch", key: "h", load: () => import("./health.js") },
  { path: "limits", title: "Limits", needs: "look", group: "Steer", key: "l", load: () => import("./limits.js") },
  { path: "rules", title: "Rules", needs: "look", group: "Steer", key: "r", load: () => import("./rules.js") },
  { path: "lists", title: "Lists and feeds", needs: "look", group: "Steer", key: "f", load: () => import("./lists.js") },
  { path: "accounts", title: "Accounts", needs: "people", group: "People", key: "a", load: () => import("./accounts.js") },
  { path: "accounts/:id", title: "Account", needs: "people", load: () => import("./account.js") },
  { path: "reviews", title: "Reviews", needs: "judge", group: "People", key: "v", load: () => import("./reviews.js") },
  { path: "cases", title: "Cases", needs: "look", group: "People", key: "s", load: () => import("./cases.js") },
  { path: "cases/:id", title: "Case", needs: "look", load: () => import("./case.js") },
  { path: "challenges", title: "Challenges", needs: "people", group: "People", key: "c", load: () => import("./challenges.js") },
  { path: "audit", title: "Audit", needs: "people", group: "Govern", key: "u", load: () => import("./audit.js") },
  { path: "operators", title: "Operators", needs: "govern", group: "Govern", key: "p", load: () => import("./operators.js") },
];
