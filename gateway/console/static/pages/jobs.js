// Replays, redrives and other jobs of a host: what their folders say of them.
import { html, useState } from "../lib.js";
import { post } from "../api.js";
import { Card, Problem, Tag } from "../parts.js";
import { ago, count, short, span, words } from "../format.js";

const KIND = { running: "good", starting: "warn", complete: "good", stopped: "warn", refused: "bad", "broken off": "bad" };
const COUNTS = ["read", "matched", "written", "already_there", "passed", "failed"];
const moment = (text) => (text ? ago(Date.parse(text) * 1000) : "–");
const asked = (found) => Object.entries(found || {}).map(([name, value]) => `${words(name)} ${Array.isArray(value) ? value.join(", ") : value}`).join(" · ");

function Progress({ job }) {
  if (job.state !== "running" || !Number(job.total)) return null;
  const part = Math.min(1, Number(job.done) / Number(job.total));
  return html`<div class="meter" role="progressbar" aria-label=${`Progress of ${job.job}`} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.round(part * 100)}><i style=${{ width: `${part * 100}%` }}></i></div>`;
}

function Job({ job, number, isAdmin, changed }) {
  const [error, setError] = useState(null);
  const cancel = async () => {
    try { await post(`collectors/${number}/redrives/${encodeURIComponent(job.job)}/cancel`); setError(null); } catch (failure) { setError(failure); }
    changed();
  };
  const known = COUNTS.filter((name) => job[name] !== null && job[name] !== undefined);
  return html`<li class="stack" aria-label=${job.job}>
    <div class="row"><${Tag} kind=${KIND[job.state]}>${job.state}<//><b class="mono">${job.job}</b><span class="muted small grow">${asked(job.asked)}</span>
      ${isAdmin && job.can_cancel && html`<button onClick=${cancel} aria-label=${`Cancel ${job.job}`}>Cancel</button>`}</div>
    ${error && html`<${Problem} error=${error} />`}<${Progress} job=${job} />
    <div class="row small">${known.map((name) => html`<span key=${name}>${words(name)} <b>${count(job[name])}</b></span>`)}${job.rate !== null && job.rate !== undefined && html`<span>${short(job.rate)} a second</span>`}
      ${job.state === "running" ? html`<span>${job.seconds_left === null ? "time left not known yet" : `${span(job.seconds_left)} left`}</span>` : html`<span class="muted">ended ${moment(job.ended_at)}</span>`}<span class="muted">begun ${moment(job.began_at)}</span></div>
    ${(job.problems || []).map((text, at) => html`<p class="notes" key=${at}>${text}</p>`)}${(job.notes || []).map((text, at) => html`<p class="notes" key=${`n${at}`}>${text}</p>`)}</li>`;
}

export function Jobs({ collector, number, isAdmin, changed }) {
  return html`<${Card} title="Jobs" text="Replays, redrives and re-pricing of this host, by whomever they were begun; the newest first."><div class="stack">
    ${collector.jobs_problem && html`<${Problem} error=${{ title: "Jobs are not known", message: collector.jobs_problem }} works="Services are shown all the same." />`}
    ${!collector.jobs_problem && collector.jobs.length === 0 && html`<p class="empty">No job yet. <code>sluice replay --help</code> says how to begin one.</p>`}
    <ul class="bars">${collector.jobs.map((job) => html`<${Job} key=${job.job} job=${job} number=${number} isAdmin=${isAdmin} changed=${changed} />`)}</ul></div><//>`;
}
