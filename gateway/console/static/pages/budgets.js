// Budgets: how much is spent, at what pace, and when it will be gone.
import { html, useState } from "../lib.js";
import { get } from "../api.js";
import { link } from "../route.js";
import { Card, Head, Problem, Tag, useLoaded } from "../parts.js";
import { count, date, exactNanos, moment, nanos, percent } from "../format.js";

const state = (each) => (each.limit_nanos === 0 ? "none" : each.used >= 1 ? "bad" : each.exhausted_at ? "warn" : "good");
const SAID = { bad: "used up", warn: "will run out", good: "on course", none: "no limit" };

function Meter({ budget }) {
  const ahead = budget.forecast_nanos === null || !Number(budget.limit_nanos) ? budget.used : Number(budget.forecast_nanos) / Number(budget.limit_nanos);
  const size = (value) => `${Math.min(100, value * 100)}%`;
  return html`<div class=${`meter ${state(budget)}`} role="img" aria-label=${`${percent(budget.used)} used, ${percent(budget.elapsed)} of the period over`}>
    <i class="ahead" style=${{ width: size(ahead) }}></i><i style=${{ width: size(budget.used) }}></i><em style=${{ left: size(budget.elapsed) }} title="now, within the period"></em></div>`;
}

function Rows({ budgets, name }) {
  return html`<div class="scroll"><table class="data"><thead><tr><th>${name}</th><th>State</th><th style=${{ width: "22%" }}>Used, and where it is going</th><th class="num">Spent</th><th class="num">Limit</th><th class="num">Held</th><th class="num">At the period's end</th><th>Runs out</th><th>Period ends</th></tr></thead>
    <tbody>${budgets.map((each) => html`<tr key=${`${each.app_id}/${each.llm}`}>
      <td class="cut">${each.llm || html`<a href=${link("budget", {}, each.app_id)}>${each.name}</a>`}</td>
      <td><${Tag} kind=${state(each)}>${SAID[state(each)]}<//></td>
      <td><${Meter} budget=${each} /><span class="small muted">${percent(each.used)}</span></td>
      <td class="num" title=${exactNanos(each.spent_nanos, "")}>${nanos(each.spent_nanos)}</td><td class="num">${nanos(each.limit_nanos)}</td>
      <td class="num" title=${Number(each.stranded_nanos) ? `${exactNanos(each.stranded_nanos)} of it by hosts that have not reported for long` : "for exchanges to come or under way"}>${nanos(each.held_nanos)}</td>
      <td class="num">${each.forecast_nanos === null ? html`<span class="muted">too early</span>` : nanos(each.forecast_nanos)}</td>
      <td>${each.exhausted_at ? (each.used >= 1 ? "now" : moment(each.exhausted_at)) : "–"}</td><td>${date(each.period_end)}</td></tr>`)}</tbody></table></div>`;
}

export function Budgets() {
  const [search, setSearch] = useState("");
  const { value, error } = useLoaded((signal) => get("budgets", { search }, signal), [search], 15);
  return html`<div class="stack" style=${{ marginBottom: "1rem" }}>
    ${error && html`<${Problem} error=${error} works=${value ? "What is shown is from before." : "Figures below come from the event store and do not depend on this."} />`}
    ${value && html`<${Card} title="Now" text=${`${count(value.total)} apps have a budget: ${count(value.over)} used up, ${count(value.at_risk)} that will be at the pace of their period so far.`}
      tools=${html`<label class="field"><span class="hidden">Search an app</span><input placeholder="Search an app" value=${search} onInput=${(event) => setSearch(event.target.value)} /></label>`}>
      ${value.budgets.length ? html`<${Rows} budgets=${value.budgets} name="App" />` : html`<p class="empty">${search ? "No app of that name has a budget." : "No app has a budget. Give one a monthly_budget, and it is here."}</p>`}
      ${value.matching > value.budgets.length && html`<p class="notes">The ${count(value.budgets.length)} most used of ${count(value.matching)}; search for others.</p>`}<//>`}
  </div>`;
}

export function BudgetPage({ route }) {
  const { value, error } = useLoaded((signal) => get(`budgets/${encodeURIComponent(route.part)}`, {}, signal), [route.part], 15);
  if (!value) return html`<${Head} title="Budget" />${error ? html`<${Problem} error=${error} works="Other budgets do not depend on this one." />` : html`<div class="skeleton tall" aria-label="Loading"></div>`}<p><a href=${link("budgets")}>All budgets</a></p>`;
  const { app } = value;
  return html`<${Head} title=${app.name} text=${`Budget of the period from ${date(app.period_start)} to ${date(app.period_end)}, ${value.time_zone}.`}><a class="button" href=${link("exchanges", { where: JSON.stringify([["app_id", "is", [app.app_id]]]) })}>Its exchanges</a><//>
    <div class="stack">${error && html`<${Problem} error=${error} works="What is shown is from before." />`}
    <${Card} title="This period" text=${`${count(app.requests)} requests, ${count(app.prompt_tokens)} prompt and ${count(app.response_tokens)} response tokens.`}><${Rows} budgets=${[app]} name="App" /><//>
    ${value.llms.length > 0 && html`<${Card} title="Of single LLMs"><${Rows} budgets=${value.llms} name="LLM" /><//>`}
    <${Card} title="Periods before, and this">${value.history.length ? html`<div class="scroll"><table class="data"><thead><tr><th>From</th><th>To</th><th class="num">Requests</th><th class="num">Spent</th><th class="num">Limit</th><th class="num">Used</th></tr></thead><tbody>
      ${value.history.map((each) => html`<tr key=${each.period_start}><td>${date(each.period_start)}</td><td>${date(each.period_end)}</td><td class="num">${count(each.requests)}</td><td class="num">${nanos(each.spent_nanos)}</td><td class="num">${Number(each.limit_nanos) ? nanos(each.limit_nanos) : "none"}</td><td class="num">${Number(each.limit_nanos) ? percent(each.used) : "–"}</td></tr>`)}</tbody></table></div>` : html`<p class="empty">Nothing was spent yet.</p>`}<//></div>`;
}
