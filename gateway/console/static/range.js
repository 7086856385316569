// A range of time: presets that go with the clock, or two moments. A month is a whole one: what it will come to is said.
import { html, useState } from "./lib.js";
import { change } from "./route.js";
import { moment } from "./format.js";

const MINUTE = 60, HOUR = 3600, DAY = 86400;
export const PRESETS = { "15m": [15 * MINUTE, "15 min"], "1h": [HOUR, "1 h"], "24h": [DAY, "24 h"], "7d": [7 * DAY, "7 days"], "30d": [30 * DAY, "30 days"], month: [0, "Month"], "1y": [365 * DAY, "Year"] };
export const zone = () => { try { return Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC"; } catch { return "UTC"; } };

export function rangeOf(query, usual = "24h") {
  const now = Date.now() * 1000;
  if (query.start && query.end && /^\d+$/.test(query.start) && /^\d+$/.test(query.end)) return { start: Number(query.start), end: Number(query.end), name: "custom" };
  const name = PRESETS[query.range] ? query.range : usual;
  if (name === "month") {
    const first = new Date();
    first.setDate(1);
    first.setHours(0, 0, 0, 0);
    const next = new Date(first);
    next.setMonth(next.getMonth() + 1);
    return { start: first.getTime() * 1000, end: next.getTime() * 1000, name };
  }
  return { start: now - PRESETS[name][0] * 1e6, end: now, name };
}
const local = (at) => { const moved = new Date(at / 1000); moved.setMinutes(moved.getMinutes() - moved.getTimezoneOffset()); return moved.toISOString().slice(0, 16); };

export function RangePicker({ route, usual, compares }) {
  const range = rangeOf(route.query, usual);
  const [isOpen, setOpen] = useState(false);
  const choose = (name) => { setOpen(false); change(route, { range: name, start: "", end: "" }); };
  const apply = (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const [start, end] = ["start", "end"].map((name) => new Date(form.get(name)).getTime() * 1000);
    if (start < end) { setOpen(false); change(route, { range: "", start, end }); }
  };
  return html`<div class="row">
    ${compares && html`<button aria-pressed=${route.query.compare !== "no"} onClick=${() => change(route, { compare: route.query.compare === "no" ? "" : "no" })} title="Beside the figures of the period before">Compare</button>`}
    <div class="segment" role="group" aria-label="Range of time">
      ${Object.entries(PRESETS).map(([name, [, title]]) => html`<button key=${name} aria-pressed=${range.name === name} onClick=${() => choose(name)}>${title}</button>`)}
      <button aria-pressed=${range.name === "custom"} aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>${range.name === "custom" ? `${moment(range.start)} – ${moment(range.end)}` : "Custom"}</button>
    </div>
    ${isOpen && html`<form class="row custom" onSubmit=${apply}>
      <label class="field">From <input type="datetime-local" name="start" required value=${local(range.start)} /></label>
      <label class="field">to <input type="datetime-local" name="end" required value=${local(range.end)} /></label>
      <button class="primary">Show</button>
    </form>`}
  </div>`;
}
