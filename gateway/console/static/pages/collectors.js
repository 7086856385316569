// Collectors, as their own health servers tell it.
import { html, useEffect, useState } from "../lib.js";
import { get, post } from "../api.js";
import { Card, Head, Problem, State, Tag, useLoaded } from "../parts.js";
import { count, short, span, words } from "../format.js";
import { Jobs } from "./jobs.js";
import { Letters } from "./letters.js";

const KIND = { running: "good", paused: "warn", "in trouble": "bad", halted: "bad", "not running": "warn" };
const sum = (counts) => Object.values(counts || {}).reduce((all, each) => all + Number(each), 0);
const Counts = ({ title, counts }) => html`<div><dt>${title}</dt><dd>${Object.keys(counts || {}).length ? Object.entries(counts).map(([name, each]) => `${words(name)} ${count(each)}`).join(", ") : "none"}</dd></div>`;

function Service({ service, number, isAdmin, changed }) {
  const [error, setError] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const wanted = service.paused ? "resume" : "pause";
  const change = async () => {
    setBusy(true);
    try { await post(`collectors/${number}/services/${encodeURIComponent(service.service)}/${wanted}`); setError(null); } catch (failure) { setError(failure); }
    setBusy(false);
    changed();
  };
  const dead = sum(service.dead_letters);
  const tools = html`<div class="row"><${Tag} kind=${KIND[service.state]}>${service.state}<//>${isAdmin && html`<button disabled=${isBusy} onClick=${change} aria-label=${`${wanted} ${service.service}`}>${wanted === "pause" ? "Pause" : "Resume"}</button>`}</div>`;
  return html`<${Card} title=${service.service} width=${2} text=${(service.collectors || []).join(", ")} tools=${tools}><div class="stack">
    ${error && html`<${Problem} error=${error} />`}
    ${Object.entries(service.causes || {}).map(([place, cause]) => html`<div class="problem" key=${place}><b>${place}.</b> ${cause}</div>`)}
    <dl class="facts"><div><dt>Behind</dt><dd><b>${count(service.lag_records)}</b> records${service.lag_seconds ? `, ${span(service.lag_seconds)}` : ""}</dd></div>
      <div><dt>Rate</dt><dd>${service.records_per_second === null || service.records_per_second === undefined ? "–" : `${short(service.records_per_second)} a second`}</dd></div>
      <div><dt>Oldest unfinished</dt><dd>${span(service.oldest_unfinished_seconds)}</dd></div>
      <div><dt>Until records are lost</dt><dd>${service.seconds_to_loss === null || service.seconds_to_loss === undefined ? "–" : span(service.seconds_to_loss)}</dd></div>
      <${Counts} title="Outcomes" counts=${service.outcomes} /><${Counts} title="Retries" counts=${service.retries} />
      <div><dt>Dead letters</dt><dd>${dead ? html`<${Tag} kind="bad">${count(dead)}<//> ${Object.entries(service.dead_letters).map(([name, each]) => `${words(name)} ${count(each)}`).join(", ")}` : "none"}</dd></div></dl>
    ${dead > 0 && html`<p class="notes">Made since this process started; those that are open are below.</p>`}
    ${service.last_error && html`<p class="notes">Last error ${span(service.last_error.seconds_ago)} ago (${service.last_error.where}): ${service.last_error.reason}</p>`}
    <details><summary>Partitions (${Object.keys(service.lag_by_partition || {}).length})</summary><ul class="notes">${Object.entries(service.lag_by_partition || {}).map(([name, lag]) => html`<li key=${name}><span class="mono">${name}</span>: ${count(lag)} behind</li>`)}</ul></details></div><//>`;
}

export function CollectorsPage({ session }) {
  const [seconds, setSeconds] = useState(5);
  const { value, error, again } = useLoaded((signal) => get("collectors", {}, signal), [], seconds);
  const isBusy = value?.collectors.some((each) => each.jobs.some((job) => job.state === "running" || job.state === "starting"));
  useEffect(() => setSeconds(isBusy ? 1 : 5), [isBusy]);
  return html`<${Head} title="Collectors" text="What carries events from the log to their sinks, and how far it is." />
    <div class="stack">${error && html`<${Problem} error=${error} works=${value ? "What is shown is from before." : ""} />`}
    ${value && !value.is_configured && html`<${State} title="No collector is named">Name their health servers in sluice.yaml, e.g. <code>console: {collectors: ["http://127.0.0.1:9464"]}</code>, and start the gateway anew. <code>sluice collectors</code> shows the same on the command line.<//>`}
    ${value?.collectors.map((collector, number) => html`<section key=${collector.url} class="stack" aria-label=${collector.url}><h2 class="mono">${collector.url}</h2>
      ${collector.problem && html`<${Problem} error=${{ title: "Away", message: collector.problem }} works="Events wait in the log meanwhile; exchanges go on." />`}
      <div class="grid">${collector.services.map((service) => html`<${Service} key=${service.service} service=${service} number=${number} isAdmin=${session.role === "admin"} changed=${again} />`)}</div>
      ${!collector.problem && html`<${Letters} number=${number} isAdmin=${session.role === "admin"} begun=${again} /><${Jobs} collector=${collector} number=${number} isAdmin=${session.role === "admin"} changed=${again} />`}</section>`)}
    ${!value && !error && html`<div class="skeleton tall" aria-label="Loading"></div>`}</div>`;
}
