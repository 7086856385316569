// Gateways and their workers, by the events that they wrote.
import { html, useMemo } from "../lib.js";
import { get } from "../api.js";
import { Card, Head, Problem, useLoaded } from "../parts.js";
import { RangePicker, rangeOf, zone } from "../range.js";
import { Table, linesOf } from "../panel.js";
import { Chart } from "../chart.js";
import { ago, count } from "../format.js";

const SPLIT = ["gateway_id", "worker"];

function Busy({ answer, theme }) {
  const { lines, unit } = useMemo(() => linesOf(answer, { split_by: SPLIT }), [answer]);
  return html`<${Chart} times=${answer.times} lines=${lines} kind="bar" unit=${unit} currency="" theme=${theme} label=${`Exchanges of each worker over time; ${count(answer.total[0])} in all.`} />`;
}

export function GatewaysPage({ route, theme }) {
  const query = () => { const { start, end } = rangeOf(route.query); return { start, end, zone: zone() }; };
  const { value, error } = useLoaded((signal) => get("gateways", query(), signal), [JSON.stringify(route.query)], 30);
  return html`<${Head} title="Gateways" text="Every worker that wrote a proxy log in the range."><${RangePicker} route=${route} /><//>
    <div class="stack">${error && html`<${Problem} error=${error} works=${value ? "What is shown is from before." : "Budgets, plugins and collectors do not depend on the event store."} />`}
    ${value && html`<${Card} title="This gateway"><dl class="facts"><div><dt>Id</dt><dd>${value.here.gateway_id}</dd></div><div><dt>Version</dt><dd>${value.here.version}</dd></div><div><dt>Workers</dt><dd>${count(value.here.workers)}</dd></div><div><dt>The worker that answered</dt><dd>started ${ago(value.here.started_at)}</dd></div><div><dt>Durability</dt><dd>${value.here.durability}</dd></div><div><dt>Event log</dt><dd>${value.here.kafka ? "Kafka, behind the journal" : "the journal alone"}</dd></div></dl><//>
      ${value.figures.series.length ? html`<${Card} title="Exchanges by worker"><${Busy} answer=${value.figures} theme=${theme} /><//><${Card} title="In figures"><${Table} answer=${value.figures} split=${SPLIT} /><//>` : html`<${Card}><p class="empty">No exchange in this range.</p><//>`}`}
    ${!value && !error && html`<div class="skeleton tall" aria-label="Loading"></div>`}</div>`;
}
