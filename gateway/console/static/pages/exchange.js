// One exchange in full: what happened when, what it was worth and why, what went over the wire, what was recorded.
import { html } from "../lib.js";
import { get } from "../api.js";
import { link } from "../route.js";
import { Card, Head, Outcome, Problem, Tag, useLoaded } from "../parts.js";
import { bytes, count, date, exactNanos, micros, nanos, stamp, words } from "../format.js";

const Fact = ({ name, children }) => html`<div><dt>${name}</dt><dd>${children ?? "–"}</dd></div>`;

function Timeline({ story }) {
  const total = Number(story.wire?.total_micros) || 1;
  const first = story.wire?.first_byte_micros;
  const part = (value) => `${Math.min(100, (Number(value) / total) * 100)}%`;
  const lane = (kind, at, size) => html`<i class=${kind} style=${{ left: part(at), width: part(size) }}></i>`;
  return html`<ul class="steps">
    <li><span class="name"><b>All of it</b></span><span class="lane">${lane("whole", 0, total)}${first !== null && first !== undefined && html`<i class="first" title=${`the vendor's first byte after ${micros(first)}`} style=${{ left: part(first) }}></i>`}</span><span class="num">${micros(total)}</span></li>
    ${story.timeline.map((step, at) => html`<li key=${at}><span class="name" title=${`${step.name}, ${step.hook}`}>${step.name} <span class="muted small">${step.kind === "upstream" ? step.detail : `${words(step.hook)} · ${step.detail}`}</span></span><span class="lane">${lane(step.kind, step.at, step.micros)}</span><span class="num">${micros(step.micros)}</span></li>`)}
  </ul><p class="notes">${first !== null && first !== undefined ? `The thin line is the vendor's first byte, after ${micros(first)}. ` : ""}Steps stand in the order in which they ran, as long as they took; the gaps between them are not recorded.</p>`;
}

function Price({ story }) {
  const { worth, price } = story;
  if (!worth) return html`<p class="empty">No analytics event: no app was known, or it is not written yet.</p>`;
  const said = { exact: "good", estimated: "warn", unpriced: "bad" }[worth.cost_status];
  return html`<dl class="facts">
      <${Fact} name="Cost"><b title=${exactNanos(worth.cost_nanos, worth.currency)}>${nanos(worth.cost_nanos, worth.currency)}</b> ${worth.cost_status && html`<${Tag} kind=${said}>${worth.cost_status}<//>`}<//>
      <${Fact} name="Prompt tokens">${count(worth.prompt_tokens)}${worth.cache_read_prompt_tokens ? html` <span class="muted small">${count(worth.cache_read_prompt_tokens)} from the cache</span>` : ""}<//>
      <${Fact} name="Response tokens">${count(worth.response_tokens)}${worth.reasoning_tokens ? html` <span class="muted small">${count(worth.reasoning_tokens)} reasoning</span>` : ""}<//>
      <${Fact} name="Price">${worth.price_id ? html`<span class="mono">${worth.price_id}</span> <span class="muted small">version ${worth.price_version}</span>` : "none was found for this model"}<//>
    </dl>
    ${price && html`<div class="scroll"><table class="data"><thead><tr><th>Class</th><th class="num">Tokens</th><th class="num">Per million</th><th class="num">Comes to</th></tr></thead><tbody>
      ${price.lines.map((line) => html`<tr key=${line.what}><td>${line.what}</td><td class="num">${count(line.tokens)}</td><td class="num">${nanos(line.nanos_per_million, worth.currency)}</td><td class="num">${nanos(line.nanos, worth.currency)}</td></tr>`)}
      ${Number(price.request_nanos) > 0 && html`<tr><td>the request</td><td class="num">1</td><td></td><td class="num">${nanos(price.request_nanos, worth.currency)}</td></tr>`}
      <tr><td><b>recorded</b></td><td></td><td></td><td class="num"><b>${nanos(worth.cost_nanos, worth.currency)}</b></td></tr></tbody></table></div>
      ${!price.adds_up && html`<p class="notes">These classes are not all of it: the price has others (tiers, sound, images, a batch, tools), or its row was changed since.</p>`}`}
    ${worth.raw_usage && html`<details><summary>Usage, as the vendor said it</summary><pre class="body">${worth.raw_usage}</pre></details>`}`;
}

function Body({ title, side, isLong }) {
  const flags = [side.truncated && `cut: ${bytes(side.bytes)} in all`, side.replaced && "bytes that are no UTF-8 were replaced"].filter(Boolean);
  const none = Number(side.bytes) > 0 ? "Not kept: the app's body policy says so." : "Empty.";
  return html`<${Card} title=${title} text=${`${bytes(side.bytes)}${side.content_type ? ` of ${side.content_type}` : ""}${flags.length ? ` · ${flags.join(" · ")}` : ""}`}>
    ${side.text ? html`<pre class="body" tabindex="0">${pretty(side.text, side.truncated)}</pre>` : html`<p class="empty">${none}</p>`}
    <details open=${isLong}><summary>Headers (${side.headers.length})</summary><pre class="body">${side.headers.join("\n") || "none"}</pre></details><//>`;
}
function pretty(text, isCut) {
  if (isCut) return text;
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

// Where each sink has the events, as its collector finds it now.
function Holders({ id }) {
  const { value, error } = useLoaded((signal) => get(`exchanges/${encodeURIComponent(id)}/sinks`, {}, signal), [id]);
  if (error) return html`<${Problem} error=${error} works="What this store has is shown above." />`;
  if (!value) return html`<p class="notes" aria-busy="true">Asking the sinks…</p>`;
  if (!value.is_configured) return html`<p class="notes">Sinks are asked by collectors: name one in <code>console.collectors</code>.</p>`;
  const kinds = ["proxy_log", "analytics", "budget"];
  const cell = (sink, kind) => (!(sink.kinds || []).includes(kind) ? html`<span class="muted">not taken</span>` : !(kind in (sink.has || {})) ? "?" : sink.has[kind] ? html`<${Tag} kind="good">there<//>` : html`<${Tag}>not there<//>`);
  return html`<h3>In the sinks</h3>${value.collectors.map((each) => html`<div key=${each.url}>${each.problem && html`<${Problem} error=${{ title: "Sinks are not known", message: each.problem }} />`}
    ${each.sinks?.length > 0 && html`<div class="scroll"><table class="data"><thead><tr><th>Sink</th>${kinds.map((kind) => html`<th key=${kind}>${words(kind)}</th>`)}</tr></thead><tbody>
      ${each.sinks.map((sink) => html`<tr key=${sink.sink}><td>${sink.sink}${sink.problem && html`<div class="small muted">${sink.problem}</div>`}</td>${sink.not_asked ? html`<td colspan="3" class="small muted">not asked: ${sink.not_asked}</td>` : kinds.map((kind) => html`<td key=${kind}>${cell(sink, kind)}</td>`)}</tr>`)}</tbody></table></div>`}</div>`)}`;
}

function Events({ story }) {
  return html`<div class="scroll"><table class="data"><thead><tr><th>Event</th><th>Id</th><th class="num">Sequence</th><th>In this store</th></tr></thead><tbody>
    ${story.events.map((each) => html`<tr key=${each.kind}><td>${words(each.kind)}</td><td class="mono">${each.event_id}</td><td class="num">${each.sequence ?? "–"}</td><td>${each.is_there ? html`<${Tag} kind="good">written<//>` : html`<${Tag}>not there<//>`}</td></tr>`)}</tbody></table></div>
    <p class="notes">An event that is not there was not made (analytics need an app, budgets a charge), or no collector has written it yet.</p>
    <${Holders} id=${story.exchange_id} />
    ${story.budgets.map((each) => html`<details key=${each.event_id}><summary>${each.kind} of ${nanos(each.cost_nanos, each.currency)}, ${nanos(each.reserved_nanos, each.currency)} held before</summary>
      <ul class="notes">${(each.charges || []).map((charge, at) => html`<li key=${at}>${words(charge.scope)} ${charge.scope_id}: period ${charge.period_id} (${date(charge.period_start)} – ${date(charge.period_end)})</li>`)}</ul></details>`)}`;
}

export function ExchangePage({ route }) {
  const { value: story, error } = useLoaded((signal) => get(`exchanges/${encodeURIComponent(route.part)}`, {}, signal), [route.part]);
  if (error && !story) return html`<${Head} title="Exchange" /><div class="stack"><${Problem} error=${error} works="An exchange is here when a collector has written it: seconds after its end." /><p><a href=${link("exchanges")}>All exchanges</a></p></div>`;
  if (!story) return html`<${Head} title="Exchange" /><div class="skeleton tall" aria-label="Loading"></div>`;
  const { wire } = story;
  return html`<${Head} title=${`${wire ? `${wire.method} ` : ""}${wire?.model_name || story.llm_slug || "Exchange"}`}><div class="row"><${Outcome} value=${story.outcome} />${wire?.response_code && html`<${Tag}>status ${wire.response_code}<//>`}${wire?.is_stream && html`<${Tag}>stream<//>`}${wire?.partial && html`<${Tag} kind="warn">partial<//>`}</div><//>
    <div class="stack">
    ${wire?.error_message && html`<div class="problem"><b>${words(wire.error_kind) || "error"}.</b> ${wire.error_message}</div>`}
    <${Card}><dl class="facts">
      <${Fact} name="When">${stamp(story.occurred_at)}<//><${Fact} name="App">${story.app}<//><${Fact} name="LLM">${story.llm_slug}${story.vendor ? ` · ${story.vendor}` : ""}<//>
      <${Fact} name="Path"><span class="mono">${wire?.path}</span><//><${Fact} name="Vendor's status">${wire?.upstream_status}<//><${Fact} name="Bytes">${wire ? `${bytes(wire.request_body_bytes)} in, ${bytes(wire.response_body_bytes)} out${Number(wire.chunk_count) > 1 ? ` in ${count(wire.chunk_count)} chunks` : ""}` : "–"}<//>
      <${Fact} name="From">${wire?.remote_addr}<//><${Fact} name="Gateway">${story.gateway_id} · ${story.worker}<//><${Fact} name="Exchange"><span class="mono small">${story.exchange_id}</span><//>
      <${Fact} name="Request id"><span class="mono small">${story.request_id}</span><//><${Fact} name="Trace"><span class="mono small">${story.trace_id || "–"}</span><//><${Fact} name="Labels">${(story.labels || []).join(", ") || "–"}<//></dl><//>
    <${Card} title="What happened when">${wire ? html`<${Timeline} story=${story} />` : html`<p class="empty">No proxy log in this store.</p>`}<//>
    <div class="two"><${Card} title="What it was worth"><${Price} story=${story} /><//><${Card} title="What was recorded"><${Events} story=${story} /><//></div>
    ${story.bodies ? html`<div class="two"><${Body} title="Request" side=${story.bodies.request} /><${Body} title="Response" side=${story.bodies.response} /></div>` : html`<div class="hint">${story.shows_bodies ? "No bodies: this store has no proxy log of the exchange." : "Bodies and headers are shown to admins alone; you are signed in to look only."}</div>`}
    </div>`;
}
