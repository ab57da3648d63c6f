// Where nobody is signed in: by a token, by a link, or by the organisation's own sign-in.
import { html, useEffect, useRef, useState } from "../vendor/ui.js";
import { Button, Field, Notice } from "./ui.js";
import { signIn, ways } from "./session.js";

export function SignIn() {
  const [token, setToken] = useState("");
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const input = useRef(null);
  useEffect(() => {
    document.title = "Sign in · Tidegate";
    input.current?.querySelector("input").focus();
  }, []);
  const go = async (event) => {
    event.preventDefault();
    if (busy) return;
    if (!token.trim()) return void setError(new Error("Enter a token."));
    setBusy(true);
    setError(null);
    try {
      await signIn(token.trim());
    } catch (failure) {
      setError(failure);
      setBusy(false);
      setToken("");
      input.current?.querySelector("input").focus();
    }
  };
  return html`<main class="alone" id="main"><h1>Sign in to Tidegate</h1>
    <form class="card" onSubmit=${go} ref=${input} novalidate>
      <${Field} label="Token" error=${error?.message} hint="Yours, or the admin_token of tidegate.yaml. It is sent once, and is not kept here.">
        <input type="password" autocomplete="off" spellcheck=${false} value=${token} onInput=${(event) => setToken(event.target.value)} /><//>
      <${Button} type="submit" tone="primary" busy=${busy}>Sign in<//>
    </form>
    ${ways.value.includes("oidc") ? html`<p class="or"><span>or</span></p><a class="button" href="/session/oidc">Sign in with your organisation</a>` : null}
    <${Notice}>No token at hand? Whoever runs this gateway makes you one (<code>tidegate operator create</code>), or a link that signs in once (<code>tidegate console</code>).<//>
  </main>`;
}
