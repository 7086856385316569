// Gateways and their workers, by the events that they wrote.
import { html, useMemo } from "../lib.js";
import { get } from "../api.js";
import { Card, Head, Problem, Tag, useLoaded } from "../parts.js";
import { RangePicker, rangeOf, zone } from "../range.js";
import { Legend, Table, linesOf } from "../panel.js";
import { Chart } from "../chart.js";
import { ago, bytes, count, nanos, span, stamp, words } from "../format.js";

const SPLIT = ["gateway_id", "worker"];

function Busy({ answer, theme }) {
  const { lines, unit } = useMemo(() => linesOf(answer, { split_by: SPLIT }), [answer]);
  return html`<${Chart} times=${answer.times} lines=${lines} kind="bar" unit=${unit} currency="" theme=${theme} label=${`Exchanges of each worker over time; ${count(answer.total[0])} in all.`} /><${Legend} lines=${lines} unit=${unit} />`;
}

const STATE = { reports: "good", ended: "", killed: "warn", silent: "bad" };
const counts = (found) => Object.entries(found || {}).map(([name, each]) => `${words(name)} ${count(each)}`).join(", ") || "none";
const at = (text) => (text ? Date.parse(text) * 1000 : null);

function Boot({ boot }) {
  return html`<tr><td>${boot.gateway_id} · ${boot.worker}<div class="mono small muted">${boot.boot_id}</div></td><td><${Tag} kind=${STATE[boot.state]}>${boot.state}<//></td><td>${boot.version || "–"}</td><td>${ago(at(boot.last_seen_at))}<div class="small muted">since ${stamp(at(boot.started_at))}</div></td>
    <td class="num">${count(boot.exchanges)}</td><td class="num">${nanos(boot.cost_nanos)}</td><td class="small">${counts(boot.last_sequences)}${Number(boot.unrecorded) > 0 && html`<div>${count(boot.unrecorded)} not recorded</div>`}${Object.keys(boot.drops || {}).length > 0 && html`<div>dropped: ${counts(boot.drops)}</div>`}</td>
    <td class="num">${count(boot.reports)}<div class="small muted">${boot.longest_pause_seconds ? `${span(boot.longest_pause_seconds)} apart at most` : ""}</div></td>
    <td><details><summary>each</summary><ul class="notes"><li>${counts(boot.outcomes)}</li>${boot.steps.map((step, number) => html`<li key=${number}>${stamp(at(step.at))}: ${count(step.exchanges)} exchanges, ${nanos(step.cost_nanos)}</li>`)}<li>${bytes(boot.request_bytes)} in, ${bytes(boot.response_bytes)} out in all</li></ul></details></td></tr>`;
}

function Compared({ found }) {
  const tag = (each) => (each.problem ? html`<${Tag} kind="warn">not known<//>` : html`<${Tag} kind=${each.equal ? "good" : "bad"}>${each.equal ? "equal" : "different"}<//>`);
  return html`<p><${Tag} kind=${found.equal ? "good" : "bad"}>${found.equal ? "equal" : "different"}<//> compared ${ago(at(found.at))}, exchanges from ${stamp(at(found.from))} to ${stamp(at(found.to))} <span class="mono small muted">${found.url}</span></p>
    <div class="scroll"><table class="data"><thead><tr><th>Where</th><th>Kind</th><th class="num">Should have</th><th class="num">Missing</th><th class="num">Surplus</th><th>Is</th><th>Because</th></tr></thead><tbody>
    ${(found.log || []).map((each) => html`<tr key=${`log/${each.kind}`}><td>the log, by the reports of ${count(each.boots)} boots</td><td>${words(each.kind)}</td><td class="num">${count(each.reported)}</td><td class="num">${count(each.missing)}</td><td class="num">–</td><td>${tag(each)}</td><td class="small">${Number(each.undecodable) > 0 ? `${count(each.undecodable)} cannot be decoded` : ""}</td></tr>`)}
    ${(found.sinks || []).map((each) => html`<tr key=${`${each.sink}/${each.kind}`}><td>${each.sink}</td><td>${words(each.kind)}</td><td class="num">${count(each.expected)}</td><td class="num">${count(each.missing)}</td><td class="num">${count(each.surplus)}</td><td>${tag(each)}</td><td class="small">${each.problem || (Object.keys(each.explained || {}).length ? counts(each.explained) : "")}</td></tr>`)}
    ${(found.not_compared || []).map((each) => html`<tr key=${each.sink}><td>${each.sink}</td><td colspan="6" class="muted small">cannot be compared: ${each.reason}</td></tr>`)}</tbody></table></div>`;
}

function Reports() {
  const { value, error } = useLoaded((signal) => get("gateways/reports", {}, signal), [], 60);
  if (error && !value) return html`<${Card} title="What workers report"><${Problem} error=${error} works="The figures by events do not depend on it." /><//>`;
  if (!value) return html`<${Card} title="What workers report"><div class="skeleton" aria-label="Reading the log"></div><//>`;
  if (!value.is_configured) return html`<${Card} title="What workers report"><p class="empty">Reports are read from the log by collectors: name one in <code>console.collectors</code>. <code>sluice gateways</code> shows the same.</p><//>`;
  return html`<${Card} title="What workers report" text="Each boot of each worker that reported in the last three hours; a worker does each minute, in absolute numbers.">
      ${value.problems.map((text) => html`<${Problem} key=${text} error=${{ title: "Not known", message: text }} />`)}
      ${value.boots.length ? html`<div class="scroll"><table class="data"><thead><tr><th>Worker</th><th>State</th><th>Version</th><th>Last seen</th><th class="num">Exchanges</th><th class="num">Cost</th><th>Last sequences</th><th class="num">Reports</th><th>From report to report</th></tr></thead><tbody>${value.boots.map((boot) => html`<${Boot} key=${`${boot.gateway_id}/${boot.worker}/${boot.boot_id}`} boot=${boot} />`)}</tbody></table></div>` : value.problems.length === 0 && html`<p class="empty">Nobody reported.</p>`}
      ${value.total > value.boots.length && html`<p class="notes">The newest of ${count(value.total)}; <code>sluice gateways</code> lists all.</p>`}<//>
    <${Card} title="Reports, log and sinks compared" text="Sequence numbers that were reported against the log, and the log against each sink.">${value.reconciled.length ? value.reconciled.map((found) => html`<${Compared} key=${found.url} found=${found} />`) : html`<p class="empty">Nothing was compared yet: set <code>reconcile.every</code> in collectors.yaml, or run <code>sluice reconcile</code>.</p>`}<//>`;
}

export function GatewaysPage({ route, theme }) {
  const query = () => { const { start, end } = rangeOf(route.query); return { start, end, zone: zone() }; };
  const { value, error } = useLoaded((signal) => get("gateways", query(), signal), [JSON.stringify(route.query)], 30);
  return html`<${Head} title="Gateways" text="What workers did by the events that they wrote in the range, what they reported, and whether both agree."><${RangePicker} route=${route} /><//>
    <div class="stack">${error && html`<${Problem} error=${error} works=${value ? "What is shown is from before." : "Budgets, plugins and collectors do not depend on the event store."} />`}
    ${value && html`<${Card} title="This gateway"><dl class="facts"><div><dt>Id</dt><dd>${value.here.gateway_id}</dd></div><div><dt>Version</dt><dd>${value.here.version}</dd></div><div><dt>Workers</dt><dd>${count(value.here.workers)}</dd></div><div><dt>The worker that answered</dt><dd>started ${ago(value.here.started_at)}</dd></div><div><dt>Durability</dt><dd>${value.here.durability}</dd></div><div><dt>Event log</dt><dd>${value.here.kafka ? "Kafka, behind the journal" : "the journal alone"}</dd></div></dl><//>
      ${value.figures.series.length ? html`<${Card} title="Exchanges by worker"><${Busy} answer=${value.figures} theme=${theme} /><//><${Card} title="In figures"><${Table} answer=${value.figures} split=${SPLIT} /><//>` : html`<${Card}><p class="empty">No exchange in this range.</p><//>`}`}
    ${!value && !error && html`<div class="skeleton tall" aria-label="Loading"></div>`}<${Reports} /></div>`;
}
