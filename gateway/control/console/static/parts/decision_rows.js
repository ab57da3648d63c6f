// What rows of decisions have in common, wherever they are shown.

/** Tones of actions. */
export const TONES = { allow: "ok", deny: "bad", throttle: "warn", challenge: "info" };

/** An exchange's own page. */
export const exchangeOf = (row) => `exchanges/${encodeURIComponent(row.exchange || row.request_id)}`;

/** Tokens in and out; null where nobody counted. */
export const tokensOf = (row) => ((row.usage_input ?? null) === null && (row.usage_output ?? null) === null ? null : (row.usage_input ?? 0) + (row.usage_output ?? 0));
