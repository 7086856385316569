// Where did this request go: exchanges by what is known of them.
import { html, useEffect, useState } from "../lib.js";
import { get } from "../api.js";
import { change, conditions, link, where, withCondition } from "../route.js";
import { Card, Head, Problem, useLoaded } from "../parts.js";
import { Filters, remember } from "../filters.js";
import { RangePicker, rangeOf } from "../range.js";
import { Rows, VARIABLES } from "./rows.js";

const SLOW = [["", "Any time"], ["1000000", "Slower than 1 s"], ["5000000", "Slower than 5 s"], ["30000000", "Slower than 30 s"]];
const KINDS = [["", "Any outcome"], ["failed", "Failed"]];

export function ExchangesPage({ route }) {
  const list = conditions(route);
  const query = () => { const { start, end } = rangeOf(route.query); return { start, end }; };
  const key = JSON.stringify(route.query);
  const { value, error, isLoading } = useLoaded((signal) => get("exchanges", { ...query(), where: where(list) }, signal), [key]);
  const [more, setMore] = useState({ rows: [], cursor: undefined, error: null });
  useEffect(() => setMore({ rows: [], cursor: undefined, error: null }), [value]);
  const set = (next) => change(route, { where: where(next) });
  const choose = (field, found, name) => { remember(field, found, name); set(withCondition(list, field, found)); };
  const cursor = more.cursor === undefined ? value?.cursor : more.cursor;
  const older = async () => {
    try {
      const found = await get("exchanges", { ...query(), where: where(list), cursor });
      setMore({ rows: [...more.rows, ...found.exchanges], cursor: found.cursor, error: null });
    } catch (failure) { setMore({ ...more, error: failure }); }
  };
  const slow = list.find((each) => each[0] === "total_micros")?.[2][0] ?? "";
  const failed = list.some((each) => each[0] === "outcome" && each[1] === "not");
  const others = (field) => list.filter((each) => each[0] !== field);
  const open = (event) => { event.preventDefault(); const id = new FormData(event.target).get("id").trim(); if (id) location.hash = link("exchange", {}, id).slice(1); };
  const rows = [...(value?.exchanges || []), ...more.rows];
  return html`<${Head} title="Exchanges" text="Every request that reached a gateway, whatever became of it."><${RangePicker} route=${route} /><//>
    <${Filters} route=${route} variables=${VARIABLES} query=${query}>
      <select aria-label="Outcome" value=${failed ? "failed" : ""} onChange=${(event) => set(event.target.value ? [...others("outcome"), ["outcome", "not", ["ok", "answered_by_plugin"]]] : others("outcome"))}>${KINDS.map(([each, name]) => html`<option key=${each} value=${each}>${name}</option>`)}</select>
      <select aria-label="Time taken" value=${String(slow)} onChange=${(event) => set(event.target.value ? [...others("total_micros"), ["total_micros", "range", [Number(event.target.value), null]]] : others("total_micros"))}>${SLOW.map(([each, name]) => html`<option key=${each} value=${each}>${name}</option>`)}</select>
      <form class="row" onSubmit=${open}><label class="hidden" for="by-id">Exchange id</label><input id="by-id" name="id" placeholder="Exchange or event id" maxlength="128" /><button>Open</button></form>
    <//>
    <div class="stack">${error && html`<${Problem} error=${error} works="Budgets, plugins and collectors do not depend on the event store." />`}
    <${Card}>${rows.length ? html`<${Rows} rows=${rows} choose=${choose} />` : !error && html`<p class="empty">${isLoading ? "Looking…" : "Nothing in this range that matches. Choose a longer range, or take a filter away."}</p>`}
      ${more.error && html`<${Problem} error=${more.error} />`}
      ${cursor && html`<p class="empty"><button onClick=${older}>Older</button></p>`}<//></div>`;
}
