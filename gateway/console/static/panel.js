// One panel of a dashboard, whatever it shows: it asks for its own figures and says itself what is wrong with them.
import { html, useMemo, useState } from "./lib.js";
import { get } from "./api.js";
import { count, date, exactNanos, nanos, percent, scalar, values, words } from "./format.js";
import { Chart, Spark, colour } from "./chart.js";
import { Card, Problem, useLoaded } from "./parts.js";

export const nameOf = (answer, field, value) => (value === null || value === "" ? "none" : answer.names[field]?.[value] ?? (field === "outcome" ? words(value) : String(value)));
export const keyName = (answer, split, series) => (series.is_other ? "other" : series.key.map((value, at) => nameOf(answer, split[at], value)).join(" · ") || "all");
const TITLES = { count: "Count", "sum(cost_nanos)": "Spend", "sum(total_tokens)": "Tokens", "sum(requests_count)": "Requests", "distinct(app_id)": "Apps", "sum(cache_read_prompt_tokens)": "From cache", "sum(cache_write_prompt_tokens)": "To cache" };
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const title = ({ name }) => TITLES[name] || (/^p[\d.]+\(/.test(name) ? name.split("(")[0] + (name.includes("first_byte") ? " to first byte" : name.includes("upstream") ? " upstream" : "") : capital(words(name.replace(/^sum\((\w+)\)$/, "$1").replace(/\((\w+)\)/, " $1").replace(/_(micros|nanos)/, ""))));
export const heading = (field) => ({ llm_slug: "LLM", llm_id: "LLM" })[field] || capital(words(field.replace(/_(id|name|slug)$/, "")));
// Money of several currencies is never added up: a chart shows the largest, and says so.
const currencyOf = (answer) => Object.entries(answer.total[0] || {}).sort((a, b) => Number(b[1]) - Number(a[1]))[0]?.[0] || "";

export function linesOf(answer, panel) {
  const unit = answer.columns[0]?.unit;
  const currency = unit === "money" ? currencyOf(answer) : "";
  if (panel.split_by.length) {
    return { unit, currency, lines: answer.series.map((series) => ({ name: keyName(answer, panel.split_by, series), isOther: series.is_other, total: series.total[0], values: series.points.map((point) => scalar(point[0], unit, currency)) })) };
  }
  const [series] = answer.series;
  const lines = series ? answer.columns.map((column, at) => ({ name: title(column), total: series.total[at], values: series.points.map((point) => scalar(point[at], column.unit, currency)) })) : [];
  const before = answer.previous?.series[0];
  if (before && lines.length === 1 && before.points.length) lines.push({ name: "period before", isBefore: true, isOther: true, total: before.total[0], values: answer.times.map((_, at) => scalar(before.points[at]?.[0] ?? null, unit, currency)) });
  return { unit, currency, lines };
}

function Delta({ now, before, unit }) {
  if (before === undefined || before === null || unit === "money") return null;
  const [a, b] = [Number(now ?? 0), Number(before)];
  if (now === null || !Number.isFinite(a) || !Number.isFinite(b)) return null;
  if (unit === "share") return html`<span><b>${a >= b ? "+" : "−"}${(Math.abs(a - b) * 100).toFixed(2)} pt</b> on ${percent(b)} before</span>`;
  if (b === 0) return html`<span>${a ? "nothing before" : "none before either"}</span>`;
  return html`<span><b>${a >= b ? "+" : "−"}${Math.abs(((a - b) / b) * 100).toFixed(1)}%</b> on ${values(before, unit)[0]} before</span>`;
}
function MoneyDelta({ now, before }) {
  const found = [...new Set([...Object.keys(now || {}), ...Object.keys(before || {})])];
  if (!found.length) return "none before either";
  return found.map((currency) => {
    const [a, b] = [Number(now?.[currency] || 0) / 1e9, Number(before?.[currency] || 0) / 1e9];
    return html`<span key=${currency}>${b ? html`<b>${a >= b ? "+" : "−"}${Math.abs(((a - b) / b) * 100).toFixed(1)}%</b> on ${nanos(before[currency], currency)} before` : "nothing before"}</span>`;
  });
}

function Figure({ answer }) {
  const [column] = answer.columns;
  const now = answer.total[0];
  const exact = column.unit === "money" ? Object.entries(now || {}).map(([currency, each]) => exactNanos(each, currency)).join(" + ") : now === null ? "" : String(now);
  const currency = column.unit === "money" ? currencyOf(answer) : "";
  const points = (found) => found?.series[0]?.points.map((point) => scalar(point[0], column.unit, currency)) || [];
  const before = answer.previous?.total[0];
  const ahead = answer.forecast && !/^the range is over/.test(answer.forecast.method) ? answer.forecast : null;
  const goesOn = Number(answer.end) > Date.now() * 1000;
  const delta = (value) => (column.unit === "money" ? html`<${MoneyDelta} now=${value} before=${before} />` : html`<${Delta} now=${value} before=${before} unit=${column.unit} />`);
  return html`<div class="figure">
    ${values(now, column.unit).map((text, at) => html`<div class="value" key=${at} title=${exact}>${text}</div>`)}
    ${answer.previous && !(goesOn && ahead) && html`<div class="delta">${goesOn && before !== null ? "so far " : ""}${delta(now)}</div>`}
    ${ahead && html`<div class="delta" title=${ahead.method}>${ahead.values[0] === null ? ahead.method : html`Ahead: <b>${values(ahead.values[0], column.unit).join(" + ")}</b> by ${date(answer.end)}${answer.previous ? html`, ${delta(ahead.values[0])}` : ""}`}</div>`}
    <${Spark} values=${points(answer)} before=${points(answer.previous)} />
  </div>`;
}

export function Table({ answer, split, choose }) {
  return html`<div class="scroll"><table class="data"><thead><tr>
    ${split.map((field) => html`<th key=${field}>${heading(field)}</th>`)}
    ${answer.columns.map((column) => html`<th class="num" key=${column.name}>${title(column)}</th>`)}${answer.previous && html`<th class="num">Before</th>`}</tr></thead>
    <tbody>${answer.series.map((series, at) => html`<tr key=${at}>
      ${series.is_other ? html`<td colspan=${split.length} class="muted">other</td>` : split.map((field, number) => html`<td key=${field} class="cut">
        ${choose ? html`<button class="link" title="Only these" onClick=${() => choose(field, series.key[number])}>${nameOf(answer, field, series.key[number])}</button>` : nameOf(answer, field, series.key[number])}</td>`)}
      ${series.total.map((value, number) => html`<td class="num" key=${number}>${values(value, answer.columns[number].unit).join(" + ")}</td>`)}
      ${answer.previous && html`<td class="num small muted">${before(answer, series)}</td>`}</tr>`)}
    </tbody></table></div>`;
}
// The first column of the period before, of the same group.
function before(answer, series) {
  const found = answer.previous.series.find((each) => each.is_other === series.is_other && JSON.stringify(each.key) === JSON.stringify(series.key));
  const { unit } = answer.columns[0];
  if (!found) return "nothing";
  return html`<${unit === "money" ? MoneyDelta : Delta} now=${series.total[0]} before=${found.total[0]} unit=${unit} />`;
}

function Bars({ answer, panel, choose }) {
  const unit = answer.columns[0].unit;
  const currency = unit === "money" ? currencyOf(answer) : "";
  const top = Math.max(...answer.series.map((series) => scalar(series.total[0], unit, currency) || 0)) || 1;
  return html`<ul class="bars">${answer.series.map((series, at) => html`<li key=${at}>
    <div class="row small"><span class="grow cut">${series.is_other || !choose ? keyName(answer, panel.split_by, series) : html`<button class="link" onClick=${() => choose(panel.split_by[0], series.key[0])}>${keyName(answer, panel.split_by, series)}</button>`}</span><b class="num">${values(series.total[0], unit).join(" + ")}</b></div>
    <div class="bar"><i style=${{ width: `${((scalar(series.total[0], unit, currency) || 0) / top) * 100}%` }}></i></div></li>`)}</ul>`;
}

export function Legend({ lines, unit }) {
  return html`<ul class="legend">${lines.map((line, at) => html`<li key=${at}><span class=${`dot ${colour(at, line.isOther)}`}></span><span class="name" title=${line.name}>${line.name}</span><b>${values(line.total, unit)[0]}</b></li>`)}</ul>`;
}

function Drawn({ answer, panel, theme }) {
  const { unit, currency, lines } = useMemo(() => linesOf(answer, panel), [answer]);
  const others = unit === "money" ? Object.keys(answer.total[0] || {}).filter((each) => each !== currency) : [];
  return html`<div>
    <${Chart} times=${answer.times} lines=${lines} kind=${panel.chart} unit=${unit} currency=${currency} theme=${theme} label=${`${panel.title}: ${panel.answers} ${values(answer.total[0], unit).join(", ")} in all.`} />
    <${Legend} lines=${lines} unit=${unit} />
    ${others.length > 0 && html`<p class="notes">Drawn in ${currency}; there is also spend in ${others.join(", ")}, which is not added to it.</p>`}
  </div>`;
}

const isEmpty = (answer) => !answer.series.length || (/^(count|sum\()/.test(answer.columns[0].name) && answer.total.every((each) => typeof each !== "object" && Number(each) === 0));

function Content({ answer, panel, choose, asTable, theme }) {
  if (panel.chart === "figure") return html`<${Figure} answer=${answer} />`;
  if (isEmpty(answer)) return html`<p class="empty">Nothing in this range.</p>`;
  if (panel.chart === "table" || asTable) return html`<${Table} answer=${answer} split=${panel.split_by} choose=${choose} />`;
  if (!panel.has_time || !answer.times.length) return html`<${Bars} answer=${answer} panel=${panel} choose=${choose} />`;
  return html`<${Drawn} answer=${answer} panel=${panel} theme=${theme} />`;
}

// Buckets that have not begun are no zeros: of a range that goes on, a chart shows what is over.
function untilNow(answer) {
  const now = Date.now() * 1000;
  const count = answer.times.filter((at) => Number(at) <= now).length;
  if (count === answer.times.length) return answer;
  return { ...answer, times: answer.times.slice(0, count), series: answer.series.map((series) => ({ ...series, points: series.points.slice(0, count) })) };
}

export function Panel({ dashboard, panel: defined, query, choose, theme, turn }) {
  const [asTable, setTable] = useState(false);
  const [by, setBy] = useState("");
  const panel = useMemo(() => (by ? { ...defined, split_by: [by] } : defined), [defined, by]);
  const load = async (signal) => ({ ...untilNow(await get(`dashboards/${dashboard}/panels/${panel.name}`, { ...query(), by }, signal)), by });
  const { value: loaded, error } = useLoaded(load, [dashboard, panel.name, turn, by]);
  const value = loaded?.by === by ? loaded : null;
  const isDrawn = panel.chart !== "figure" && panel.chart !== "table";
  const split = panel.choices?.length > 1 && html`<label class="field"><span class="hidden">Split ${panel.title} by</span><select value=${by || panel.split_by[0]} onChange=${(event) => setBy(event.target.value)}>${panel.choices.map((field) => html`<option key=${field} value=${field}>by ${heading(field)}</option>`)}</select></label>`;
  const tools = isDrawn && html`${split}<button class="quiet small" aria-pressed=${asTable} onClick=${() => setTable(!asTable)}>Table</button>`;
  const notes = [...(value?.notes || []), ...(panel.limits ? [panel.limits] : []), ...(value && value.groups > value.series.length && panel.split_by.length ? [`${count(value.groups)} groups in all.`] : [])];
  return html`<${Card} title=${panel.title} text=${panel.chart === "figure" ? "" : panel.answers} width=${panel.width} tools=${tools}>
    ${error && html`<${Problem} error=${error} works=${value ? "What is shown is from before." : "Other panels do not depend on this one."} />`}
    ${value ? html`<${Content} answer=${value} panel=${panel} choose=${choose} asTable=${asTable} theme=${theme} />` : !error && html`<div class=${`skeleton ${isDrawn ? "tall" : ""}`} aria-label="Loading"></div>`}
    ${notes.length > 0 && html`<ul class="notes">${notes.map((note, at) => html`<li key=${at}>${note}</li>`)}</ul>`}
  <//>`;
}
