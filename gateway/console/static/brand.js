import { html } from "./lib.js";

export const Brand = () => html`<a class="brand" href="#/overview"><svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="8" fill="#0b63ce" /><path d="M7 11c3-3 6-3 9 0s6 3 9 0M7 17c3-3 6-3 9 0s6 3 9 0M7 23c3-3 6-3 9 0s6 3 9 0" fill="none" stroke="#fff" stroke-width="2.6" stroke-linecap="round" /></svg>Sluice</a>`;
const DRAWN = {
  overview: "M2 9h5V2H2zM9 14h5V7H9zM2 14h5v-3H2zM9 2v3h5V2z", live: "M1 8h3l2-5 4 10 2-5h3", exchanges: "M2 5h11l-3-3M14 11H3l3 3", spend: "M8 1v14M12 4H6a2 2 0 000 4h4a2 2 0 010 4H4",
  latency: "M8 4v4l3 2M8 1.5A6.5 6.5 0 108 14.5 6.5 6.5 0 008 1.5z", models: "M8 1.5l6 3v7l-6 3-6-3v-7zM2 4.5l6 3 6-3M8 7.5v7", budgets: "M2 4h12v9H2zM2 7h12", budget: "M2 4h12v9H2zM2 7h12",
  plugins: "M6 2v4M10 2v4M4 6h8v3a4 4 0 01-8 0zM8 13v2", collectors: "M2 3h12l-4.500 6v4l-3 1.500V9z", gateways: "M2 3h12v4H2zM2 9h12v4H2zM5 5h.1M5 11h.1",
};
export const Icon = ({ name }) => html`<svg viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d=${DRAWN[name] || DRAWN.overview} /></svg>`;
