// Conditions of a page: a field chooses one of the values there are, and each condition is a chip that can be taken away.
import { html, useEffect, useState } from "./lib.js";
import { get } from "./api.js";
import { change, conditions, where, withCondition } from "./route.js";
import { words } from "./format.js";
import { heading } from "./panel.js";

const NAMES = "sluice.names"; // of numbers that were chosen by name, so that a chip can say it after a reload
const known = () => { try { return JSON.parse(sessionStorage.getItem(NAMES) || "{}"); } catch { return {}; } };
export function remember(field, value, name) {
  try { sessionStorage.setItem(NAMES, JSON.stringify({ ...known(), [`${field}:${value}`]: name })); } catch { /* storage is off: the number is shown */ }
}
const shown = (field, value) => (value === null ? "none" : known()[`${field}:${value}`] ?? (field === "outcome" ? words(value) : String(value)));
const OPERATORS = { is: "", in: "", not: "not ", contains: "contains ", range: "" };

function Choice({ variable, query, choose }) {
  const [text, setText] = useState("");
  const [choices, setChoices] = useState([]);
  const [error, setError] = useState("");
  useEffect(() => {
    const controller = new AbortController();
    const timer = setTimeout(() => get(`choices/${variable.field}`, { ...query(), search: text }, controller.signal).then((found) => { setChoices(found.choices); setError(""); }, (failure) => setError(failure.name === "AbortError" ? "" : failure.message)), text ? 200 : 600);
    return () => { clearTimeout(timer); controller.abort(); };
  }, [text, variable.field]);
  const take = (typed) => {
    setText(typed);
    const found = choices.find((each) => each.name === typed);
    if (found) { remember(variable.field, found.value, found.name); setText(""); choose(variable.field, found.value); }
  };
  const id = `choices-${variable.field}`;
  return html`<label class="field"><span class="hidden">${variable.title}</span><input list=${id} placeholder=${variable.title} value=${text} title=${error} autocomplete="off"
    onInput=${(event) => take(event.target.value)} /><datalist id=${id}>${choices.map((each) => html`<option key=${each.name} value=${each.name}></option>`)}</datalist></label>`;
}

export function Filters({ route, variables, query, children }) {
  const list = conditions(route);
  const set = (next) => change(route, { where: where(next) });
  const titles = Object.fromEntries(variables.map((each) => [each.field, each.title]));
  return html`<div class="row filters" role="search" aria-label="Filters">
    ${variables.map((variable) => html`<${Choice} key=${variable.field} variable=${variable} query=${query} choose=${(field, value) => set(withCondition(list, field, value))} />`)}
    ${children}
    ${list.map(([field, operator, values]) => html`<span class="chip" key=${field}><span>${titles[field] || heading(field)}: ${OPERATORS[operator] ?? `${operator} `}${operator === "range" ? `${values[0] ?? "…"} – ${values[1] ?? "…"}` : values.map((value) => shown(field, value)).join(", ")}</span>
      <button aria-label=${`Remove the filter on ${words(field)}`} onClick=${() => set(list.filter((each) => each[0] !== field))}>✕</button></span>`)}
  </div>`;
}
