// Who is signed in, and what the role may do.
import { signal } from "../vendor/ui.js";
import { bearCsrf, get, onSignedOut, send } from "./api.js";

/** {name, role, permissions, csrf, expires}; null where nobody is signed in; undefined until that is known. */
export const session = signal(undefined);
/** Ways to sign in, as the API says: `token`, `oidc`. */
export const ways = signal([]);

function is(one) {
  bearCsrf(one?.csrf ?? "");
  session.value = one;
  return one;
}

onSignedOut(() => { if (session.value) is(null); });

/** Whether the signed-in role has the permission; without one named, whether anybody is signed in. */
export const may = (permission) => Boolean(session.value) && (!permission || session.value.permissions.includes(permission));

/** Ask who is signed in. Throws ApiError where the gateway does not answer. */
export async function whoAmI() {
  try {
    return is(await get("/session"));
  } catch (error) {
    if (error.status !== 401) throw error;
    ways.value = error.content.ways ?? [];
    return is(null);
  }
}

/** Throws ApiError: 401, 429. */
export const signIn = async (token) => is((await send("POST", "/session", { token })).content);

export async function signOut() {
  await send("DELETE", "/session");
  is(null);
}
