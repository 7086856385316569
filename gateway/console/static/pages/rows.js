// Exchanges as a table: the same on the live page and in the search.
import { html } from "../lib.js";
import { link } from "../route.js";
import { Outcome } from "../parts.js";
import { clock, count, micros, nanos, stamp } from "../format.js";

export const VARIABLES = [
  { field: "app_id", title: "App" }, { field: "llm_slug", title: "LLM" }, { field: "vendor", title: "Vendor" },
  { field: "model_name", title: "Model" }, { field: "outcome", title: "Outcome" },
];

export function Rows({ rows, fresh, choose }) {
  const only = (field, value, text) => (value === null || value === undefined ? html`<span class="muted">–</span>` : html`<button class="link" title="Only these" onClick=${() => choose(field, value, text)}>${text}</button>`);
  return html`<div class="scroll"><table class="data"><thead><tr><th>Time</th><th>Outcome</th><th>App</th><th>LLM</th><th>Model</th><th class="num">Status</th><th class="num">Tokens</th><th class="num">Cost</th><th class="num">Time taken</th><th>What went wrong</th></tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.exchange_id} class=${fresh?.has(row.exchange_id) ? "fresh" : ""}>
      <td class="num"><a href=${link("exchange", {}, row.exchange_id)} title=${`${stamp(row.occurred_at)} · ${row.exchange_id}`}>${clock(row.occurred_at)}</a></td>
      <td><${Outcome} value=${row.outcome} /></td>
      <td class="cut">${only("app_id", row.app_id, row.app)}</td>
      <td class="cut">${only("llm_slug", row.llm_slug || null, row.llm_slug)}</td>
      <td class="cut">${only("model_name", row.model_name, row.model_name)}${row.is_stream ? html` <span class="muted small">stream</span>` : ""}</td>
      <td class="num">${row.response_code ?? "–"}</td>
      <td class="num" title=${row.prompt_tokens === null ? "" : `${count(row.prompt_tokens)} prompt, ${count(row.response_tokens)} response`}>${count(row.total_tokens)}</td>
      <td class="num">${row.cost_nanos === null ? "–" : nanos(row.cost_nanos, row.currency)}</td>
      <td class="num">${micros(row.total_micros)}</td>
      <td class="rest muted" title=${row.error_message}>${row.error_message}</td></tr>`)}</tbody></table></div>`;
}
