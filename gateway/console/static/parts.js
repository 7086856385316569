// Small things that every page uses: states, tags, loading.
import { html, useCallback, useEffect, useRef, useState } from "./lib.js";
import { tone, words } from "./format.js";

export const Tag = ({ kind, children }) => html`<span class=${`tag ${kind || ""}`}>${children}</span>`;
export const Outcome = ({ value }) => html`<${Tag} kind=${tone(value)}>${words(value) || "unknown"}<//>`;
export const Problem = ({ error, works }) => html`<div class="problem" role="alert"><b>${error.title || "Something is wrong"}.</b> ${error.message}${works ? html`<div class="muted small">${works}</div>` : null}</div>`;
export const State = ({ title, children }) => html`<div class="state"><h2>${title}</h2><p>${children}</p></div>`;
export const Head = ({ title, text, children }) => html`<div class="head"><div class="titles"><h1>${title}</h1>${text && html`<p>${text}</p>`}</div>${children}</div>`;
export const Card = ({ title, text, width, tools, children }) => html`<section class=${`card ${width ? `w${width}` : ""}`} aria-label=${title}>
  ${title && html`<header><div class="titles"><h2>${title}</h2>${text && html`<p>${text}</p>`}</div>${tools}</header>`}${children}</section>`;

// Asks, and asks again when what it depends on changes, every so many seconds, and on demand. What was there stays until
// the new is there; a page that nobody sees asks for nothing, and the clock never takes back what is still being asked.
export function useLoaded(load, depends, every = 0) {
  const [state, setState] = useState({ value: null, error: null, isLoading: true });
  const [turn, setTurn] = useState(0);
  const again = useCallback(() => setTurn((number) => number + 1), []);
  const present = useRef(null);
  const isAsking = useRef(false);
  useEffect(() => {
    const controller = new AbortController();
    present.current = controller;
    isAsking.current = true;
    const settle = (next) => { if (!controller.signal.aborted) { isAsking.current = false; setState(next); } };
    setState((before) => ({ ...before, isLoading: true }));
    load(controller.signal).then(
      (value) => settle({ value, error: null, isLoading: false }),
      (error) => settle((before) => ({ value: error.status === 404 ? null : before.value, error, isLoading: false })),
    );
    return () => controller.abort();
  }, [...depends, turn]);
  useEffect(() => {
    if (!every) return undefined;
    const timer = setInterval(() => { if (document.visibilityState === "visible" && !isAsking.current) again(); }, every * 1000);
    return () => clearInterval(timer);
  }, [every]);
  return { ...state, again };
}
