// Dead letters of what one collector process can read: how many and why, one letter, and giving them back.
import { html, useState } from "../lib.js";
import { get, post } from "../api.js";
import { Card, Problem, Tag } from "../parts.js";
import { bytes, count, words } from "../format.js";

// Asks when told to, not by itself: reading the log costs the collectors' host something.
function useAsked() {
  const [state, setState] = useState({ value: null, error: null, isBusy: false });
  const ask = async (question) => {
    setState((before) => ({ ...before, error: null, isBusy: true }));
    try {
      const value = await question();
      setState({ value, error: null, isBusy: false });
      return value;
    } catch (error) { setState((before) => ({ ...before, error, isBusy: false })); }
    return null;
  };
  return { ...state, ask, forget: () => setState({ value: null, error: null, isBusy: false }) };
}

const Pairs = ({ title, facts }) => html`<details open=${title === "Why"}><summary>${title}</summary><pre class="body" tabindex="0">${Object.entries(facts || {}).map(([name, value]) => `${name}: ${value !== null && typeof value === "object" ? JSON.stringify(value) : value}`).join("\n") || "none"}</pre></details>`;

function Letter({ shown }) {
  const { letter } = shown;
  return html`<div class="stack" role="group" aria-label=${`Letter ${letter.id}`}><p class="mono small">${letter.id} · ${words(letter.kind)} · ${letter.appended_at} · <b>${letter.state}</b></p>
    <${Pairs} title="Why" facts=${letter.dead_letter} /><${Pairs} title="Headers" facts=${letter.headers} />
    ${letter.event ? html`<${Pairs} title="What it was" facts=${letter.event} />` : html`<p class="notes">It cannot be decoded: ${letter.problem || "nobody knows why"}${letter.value_base64 ? `; ${bytes((letter.value_base64.length * 3) / 4)} of it are in the log` : ""}.</p>`}
    ${!shown.shows_bodies && html`<p class="notes">Bodies and headers of the exchange are shown to admins alone.</p>`}</div>`;
}

function Some({ number, group }) {
  const some = useAsked();
  const one = useAsked();
  const { reason, collector, kind } = group;
  return html`<div class="stack">
    ${!some.value && html`<div><button disabled=${some.isBusy} onClick=${() => some.ask(() => get(`collectors/${number}/dead-letters/list`, { reason, collector, kind }))} aria-label=${`Show letters with ${reason} of ${collector || "nobody in particular"}`}>${some.isBusy ? "Reading the log…" : "Show letters"}</button></div>`}
    ${some.error && html`<${Problem} error=${some.error} />`}
    ${some.value && html`<div class="scroll"><table class="data"><thead><tr><th>Letter</th><th>When</th><th>Event</th><th class="num">Tried</th><th class="num">Given back</th><th>Why</th></tr></thead><tbody>
      ${some.value.letters.map((each) => html`<tr key=${each.id}><td><button class="link mono" onClick=${() => one.ask(() => get(`collectors/${number}/dead-letters/one`, { id: each.id }))}>${each.id}</button></td><td class="small">${each.appended_at}</td><td class="mono small cut">${each.event_id || each.key || "–"}</td><td class="num">${each.dead_letter?.attempts ?? "–"}</td><td class="num">${each.dead_letter?.redrives ?? 0}</td><td class="cut" title=${each.dead_letter?.["error.reason"]}>${each.dead_letter?.["error.reason"] || "–"}</td></tr>`)}</tbody></table></div>
      ${some.value.letters.length >= some.value.limit && html`<p class="notes">The first ${count(some.value.limit)}; <code>sluice dead-letters list</code> shows all.</p>`}`}
    ${one.error && html`<${Problem} error=${one.error} />`}${one.value && html`<${Letter} shown=${one.value} />`}</div>`;
}

function Counted({ report }) {
  const groups = report.details?.groups || [];
  return html`<p><b>${count(report.matched)}</b> of ${count(report.read)} letters would be given back${report.details?.left ? `, ${count(report.details.left)} are left` : ""}.</p>
    ${groups.length > 0 && html`<div class="scroll"><table class="data"><thead><tr><th class="num">Letters</th><th>Reason</th><th>Refused by</th><th>Kind</th><th class="num">Given back before</th><th>Goes to</th></tr></thead><tbody>
    ${groups.map((each, at) => html`<tr key=${at}><td class="num">${count(each.count)}</td><td>${words(each.reason)}</td><td>${each.collector || "nobody could decode it"}</td><td>${words(each.kind)}</td><td class="num">${count(each.redrives)}</td><td>${each.goes_to}</td></tr>`)}</tbody></table></div>`}
    ${[...(report.notes || []), ...(report.problems || [])].map((text, at) => html`<p class="notes" key=${at}>${text}</p>`)}`;
}

function Redrive({ number, group, begun, leave }) {
  const counted = useAsked();
  const started = useAsked();
  const { reason = "", collector = "", kind = "" } = group;
  const order = (isDry) => () => post(`collectors/${number}/redrives`, { reason, collector, kind, dry_run: isDry });
  const start = async () => { if (await started.ask(order(false))) begun(); };
  const report = counted.value?.report;
  return html`<div class="custom stack" role="group" aria-label="Give back">
    <p>Give back ${reason ? html`letters with <b>${words(reason)}</b>` : html`<b>all open letters</b>`}${collector ? html` of <b>${collector}</b>` : ""}${kind ? ` (${words(kind)})` : ""}. Mend the cause first; what is refused again is a new letter.</p>
    ${counted.error && html`<${Problem} error=${counted.error} />`}${started.error && html`<${Problem} error=${started.error} />`}
    ${report && html`<${Counted} report=${report} />`}
    <div class="row">${!report && html`<button disabled=${counted.isBusy} onClick=${() => counted.ask(order(true))}>${counted.isBusy ? "Counting…" : "Count first"}</button>`}
      ${report && Number(report.matched) > 0 && !started.value && html`<button class="primary" disabled=${started.isBusy} onClick=${start}>Give back ${count(report.matched)}</button>`}
      <button class="quiet" onClick=${leave}>${started.value ? "Close" : "Leave it"}</button>
      <span role="status">${started.value ? html`<${Tag} kind="good">begun<//> <span class="mono small">${started.value.job}</span>` : ""}</span></div></div>`;
}

export function Letters({ number, isAdmin, begun }) {
  const counts = useAsked();
  const [group, setGroup] = useState(null);
  const look = () => { setGroup(null); counts.ask(() => get(`collectors/${number}/dead-letters`)); };
  const groups = counts.value?.counts || [];
  const tools = html`<div class="row">${isAdmin && groups.length > 1 && html`<button onClick=${() => setGroup({})}>Give back all…</button>`}<button disabled=${counts.isBusy} onClick=${look}>${counts.isBusy ? "Reading the log…" : counts.value ? "Look again" : "Look at them"}</button></div>`;
  return html`<${Card} title="Dead letters" text="What could never be written: of the whole log on Kafka, of this host on journals." tools=${tools}><div class="stack">
    ${counts.error && html`<${Problem} error=${counts.error} works="Nothing is lost by it: letters stay in the log." />`}
    ${counts.value && groups.length === 0 && html`<p class="empty">No open dead letter.</p>`}
    ${groups.length > 0 && html`<div class="scroll"><table class="data"><thead><tr><th class="num">Letters</th><th>Reason</th><th>Collector</th><th>Kind</th><th></th></tr></thead><tbody>
      ${groups.map((each, at) => html`<tr key=${at}><td class="num"><b>${count(each.count)}</b></td><td>${words(each.reason)}</td><td>${each.collector || html`<span class="muted">none: nobody could decode it</span>`}</td><td>${words(each.kind)}</td><td class="num">${isAdmin && html`<button onClick=${() => setGroup(each)} aria-label=${`Give back ${each.reason} of ${each.collector || "nobody in particular"}`}>Give back…</button>`}</td></tr>`)}</tbody></table></div>
      ${group && html`<${Redrive} key=${`${group.reason}/${group.collector}/${group.kind}`} number=${number} group=${group} begun=${begun} leave=${() => { setGroup(null); look(); }} />`}
      ${groups.slice(0, 12).map((each, at) => html`<details key=${at}><summary>${words(each.reason)}${each.collector ? ` of ${each.collector}` : ""}, ${words(each.kind)}</summary><${Some} number=${number} group=${each} /></details>`)}`}</div><//>`;
}
