// Plugins now: state, times, failures, order; admins load one anew.
import { html, useState } from "../lib.js";
import { get, post } from "../api.js";
import { Card, Problem, Tag, useLoaded } from "../parts.js";
import { ago, count, micros, words } from "../format.js";

const KIND = { ready: "good", loading: "warn", failed: "bad", unknown: "", inactive: "" };
const BREAKER = { closed: "good", half_open: "warn", open: "bad" };

function Hooks({ instance }) {
  const found = Object.entries(instance.figures);
  if (!found.length) return html`<span class="muted small">not called yet</span>`;
  return html`<div class="scroll"><table class="data"><thead><tr><th>Hook</th><th class="num">Calls</th><th class="num">Failed</th><th class="num">Not called</th><th class="num">p50</th><th class="num">p99</th><th class="num">Most</th></tr></thead><tbody>
    ${found.map(([hook, each]) => html`<tr key=${hook}><td>${words(hook)}</td><td class="num">${count(each.calls)}</td><td class="num">${count(each.failures)}</td><td class="num" title="its breaker was open, or too many were under way">${count(each.not_called)}</td><td class="num">${micros(each.p50_micros)}</td><td class="num">${micros(each.p99_micros)}</td><td class="num">${micros(each.max_micros)}</td></tr>`)}</tbody></table></div>`;
}

function Plugin({ plugin, isAdmin, reloaded }) {
  const [said, setSaid] = useState({ text: "", error: null, isBusy: false });
  const reload = async () => {
    setSaid({ text: "", error: null, isBusy: true });
    try {
      await post(`plugins/${plugin.id}/reload`);
      setSaid({ text: "loaded anew", error: null, isBusy: false });
    } catch (error) { setSaid({ text: "", error, isBusy: false }); }
    reloaded();
  };
  const tools = html`<div class="row"><${Tag} kind=${KIND[plugin.state]}>${plugin.state}<//>${isAdmin && html`<button disabled=${said.isBusy} onClick=${reload} aria-label=${`Load ${plugin.name} anew`}>${said.isBusy ? "Loading…" : "Reload"}</button>`}<span role="status" class="small muted">${said.text}</span></div>`;
  return html`<${Card} title=${plugin.name} width=${2} text=${`${(plugin.hooks.length ? plugin.hooks : plugin.instances[0]?.hooks || []).map(words).join(", ") || "no hooks"} · ${plugin.timeout_ms} ms · fails ${plugin.on_failure}`} tools=${tools}>
    <div class="stack">${plugin.description && html`<p>${plugin.description}</p>`}${said.error && html`<${Problem} error=${said.error} />`}<p class="mono small muted cut" title=${plugin.command}>${plugin.command}</p>
    ${plugin.instances.map((each) => html`<div key=${each.key} class="stack">
      <div class="row small"><span class="mono">${each.key}</span>${each.version && html`<span class="muted">${each.version}</span>`}<${Tag}>${words(each.where)}<//><${Tag} kind=${BREAKER[each.breaker]}>breaker ${words(each.breaker)}<//>${each.restarts > 0 && html`<${Tag} kind="warn">${count(each.restarts)} restarts<//>`}<span class="muted">loaded in ${micros(each.load_micros)}, ${ago(each.attempted_at)}</span></div>
      ${each.error && html`<div class="problem"><b>${each.is_serving ? "The version before serves" : "Not serving"}.</b> ${each.error}</div>`}
      <${Hooks} instance=${each} /></div>`)}
    ${plugin.instances.length === 0 && html`<p class="muted small">Not loaded in the worker that answered: attached to no LLM, or not active.</p>`}</div><//>`;
}

export function Plugins({ session }) {
  const { value, error, again } = useLoaded((signal) => get("plugins", {}, signal), [], 10);
  return html`<div class="stack" style=${{ marginBottom: "1rem" }}>
    ${error && html`<${Problem} error=${error} works=${value ? "What is shown is from before." : "Figures below come from the event store and do not depend on this."} />`}
    ${value && (value.plugins.length ? html`<div class="grid">${value.plugins.map((plugin) => html`<${Plugin} key=${plugin.id} plugin=${plugin} isAdmin=${session.role === "admin"} reloaded=${again} />`)}</div>` : html`<${Card}><p class="empty">No plugin is registered. List one under plugins in sluice.yaml, or POST it to /api/v1/plugins.</p><//>`)}
    ${value && value.chains.length > 0 && html`<${Card} title="Order" text="Plugins of each LLM, in the order in which they act; those for one app say so."><ul class="bars">${value.chains.map((chain) => html`<li key=${chain.slug} class="row"><b class="mono">${chain.slug}</b>${chain.plugins.map((each, at) => html`<span key=${at} class="row"><span class="muted">→</span><${Tag} kind=${each.is_active ? "good" : ""}>${each.name}${each.is_active ? "" : " (off)"}${each.app_id ? ` · app ${each.app_id}` : ""}<//></span>`)}</li>`)}</ul><//>`}
    ${value?.cut && html`<div class="hint">There are more plugins or LLMs than are shown; the control API lists them all.</div>`}
  </div>`;
}
