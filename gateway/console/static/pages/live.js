// Exchanges as they end. The newest stand on top; so many are kept, older ones are in the search.
import { html, useEffect, useRef, useState } from "../lib.js";
import { change, conditions, where, withCondition } from "../route.js";
import { Card, Head, Problem, Tag } from "../parts.js";
import { Filters, remember } from "../filters.js";
import { get } from "../api.js";
import { Rows, VARIABLES } from "./rows.js";

const KEPT = 200;

function useFeed(text, isPaused) {
  const [state, setState] = useState({ rows: [], fresh: new Set(), status: "connecting", error: null, more: 0 });
  useEffect(() => {
    setState((before) => ({ ...before, rows: [], more: 0, status: isPaused ? "paused" : "connecting" }));
  }, [text]);
  useEffect(() => {
    if (isPaused) { setState((before) => ({ ...before, status: "paused" })); return undefined; }
    const source = new EventSource(`api/live${text ? `?${new URLSearchParams({ where: text })}` : ""}`);
    source.addEventListener("exchanges", (event) => {
      const found = JSON.parse(event.data);
      setState((before) => {
        const known = new Set(before.rows.map((row) => row.exchange_id));
        const added = found.exchanges.filter((row) => !known.has(row.exchange_id));
        const rows = [...added.slice().reverse(), ...before.rows].sort((a, b) => Number(b.occurred_at) - Number(a.occurred_at)).slice(0, KEPT);
        return { rows, fresh: new Set(added.map((row) => row.exchange_id)), status: "live", error: null, more: before.more + (found.is_more ? 1 : 0) };
      });
    });
    source.addEventListener("trouble", (event) => setState((before) => ({ ...before, status: "trouble", error: { title: "The event store does not answer", ...JSON.parse(event.data) } })));
    source.addEventListener("signed_out", () => { source.close(); get("exchanges", { limit: 1 }).catch(() => {}); });
    source.onerror = () => {
      // A browser tells nothing of a refusal: the same question once more, as a request, says why.
      if (source.readyState !== EventSource.CLOSED) { setState((before) => ({ ...before, status: "connecting" })); return; }
      get("exchanges", { where: text, limit: 1 }).then(
        () => setState((before) => ({ ...before, status: "trouble", error: { title: "No live feed", message: "the gateway ended it; pause and go on to try again" } })),
        (error) => setState((before) => ({ ...before, status: "trouble", error })));
    };
    return () => source.close();
  }, [text, isPaused]);
  return state;
}

const STATUS = { live: "good", connecting: "", paused: "warn", trouble: "bad" };

export function LivePage({ route }) {
  const [isPaused, setPaused] = useState(false);
  const list = conditions(route);
  const text = where(list);
  const { rows, fresh, status, error, more } = useFeed(text, isPaused);
  const choose = (field, value, name) => { remember(field, value, name); change(route, { where: where(withCondition(list, field, value)) }); };
  const said = useRef(null);
  return html`<${Head} title="Live" text="Exchanges of every gateway, a second or two after they end: when a collector has written them.">
      <div class="row"><span role="status" ref=${said}><${Tag} kind=${STATUS[status]}>${status}<//></span>
      <button aria-pressed=${isPaused} onClick=${() => setPaused(!isPaused)}>${isPaused ? "Go on" : "Pause"}</button></div><//>
    <${Filters} route=${route} variables=${VARIABLES} query=${() => ({})} />
    <div class="stack">${error && html`<${Problem} error=${error} works="What came before stays; the gateway itself does not depend on this." />`}
    ${more > 0 && html`<div class="hint">More came than is shown here (${more} ${more === 1 ? "time" : "times"}): filter, or see the exchanges.</div>`}
    <${Card}>${rows.length ? html`<${Rows} rows=${rows} fresh=${fresh} choose=${choose} />` : html`<p class="empty">${status === "connecting" ? "Connecting…" : list.length ? "Nothing that matches in the last 15 minutes." : "No exchange in the last 15 minutes. Send one, and it is here within seconds."}</p>`}<//></div>`;
}
