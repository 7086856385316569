import { html, useState } from "../lib.js";
import { post } from "../api.js";
import { Problem } from "../parts.js";
import { Brand } from "../brand.js";

export function SignInPage({ done, message }) {
  const [error, setError] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      done(await post("session", { token: new FormData(event.target).get("token").trim() }));
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return html`<main class="signin"><form onSubmit=${submit}>
    <${Brand} />
    <p class="muted">Sign in with a control token: one of scope <code>admin</code>, or <code>console.read</code> to look only.</p>
    ${message && !error && html`<div class="hint" role="status">${message}</div>`}
    ${error && html`<${Problem} error=${error} />`}
    <label for="token" class="hidden">Control token</label>
    <input id="token" name="token" type="password" autocomplete="current-password" placeholder="slc_…" required maxlength="512" autofocus />
    <button class="primary" disabled=${isBusy}>${isBusy ? "Signing in…" : "Sign in"}</button>
    <p class="muted small">The token stays in a cookie that no script can read. Revoking it signs you out at once.</p>
  </form></main>`;
}
