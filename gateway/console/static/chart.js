// Lines, areas and bars over time, drawn by uPlot; colours come from the theme, so both themes are drawn alike.
import uPlot from "./vendor/uplot.js";
import { html, useEffect, useRef } from "./lib.js";
import { axis, moment, tick } from "./format.js";

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
export const colour = (number, isOther) => (isOther ? "k0" : `k${(number % 8) + 1}`);
const paint = (line, number) => css(line.isOther ? "c-other" : `c${(number % 8) + 1}`);

// Stacked from the bottom: each line is drawn to the sum of itself and those before it.
function stacked(lines) {
  const sums = new Array(lines[0]?.values.length || 0).fill(0);
  return lines.map((line) => line.values.map((value, at) => (sums[at] += value || 0)));
}

// A bar stands on the beginning of its time: without half a step at either end the outer ones would be cut in two.
function room(self, low, high) {
  const [times] = self.data;
  const half = times.length > 1 ? (times[1] - times[0]) / 2 : 1;
  return [low - half, high + half];
}

// What is counted comes whole: there is no quarter of a request to name on the axis.
const WHOLE = Array.from({ length: 16 }, (_, power) => [1, 2, 5].map((each) => each * 10 ** power)).flat();
const areWhole = (lines) => lines.every((line) => line.values.every((value) => value === null || Number.isInteger(value)));

function options(element, lines, kind, unit, currency, tip) {
  const isStacked = kind === "area" || kind === "bar";
  const width = Math.max(1, ...[lines.length]);
  const bars = kind === "bar" ? uPlot.paths.bars({ size: [0.72, 42], radius: lines.length === 1 ? 0.15 : 0 }) : undefined;
  const grid = { stroke: css("line"), width: 1 };
  const steps = unit !== "money" && unit !== "share" && areWhole(lines) ? { incrs: WHOLE } : {};
  const common = { stroke: css("muted"), font: "11px system-ui, sans-serif", ticks: { show: false }, border: { show: false } };
  const series = lines.map((line, number) => {
    const stroke = paint(line, number);
    return { label: line.name, stroke, width: kind === "bar" ? 0 : 1.8, points: { show: line.values.length < 3, size: 5 }, paths: bars,
      fill: kind === "bar" ? stroke : kind === "area" ? (width === 1 ? `${stroke}28` : stroke) : line.isBefore ? undefined : lines.length === 1 ? `${stroke}18` : undefined,
      dash: line.isBefore ? [4, 4] : undefined };
  });
  return {
    width: element.clientWidth, height: element.clientHeight, legend: { show: false }, padding: [8, 16, 0, 0],
    cursor: { points: { show: !isStacked }, drag: { x: false, y: false }, y: false },
    scales: { x: { time: true, ...(kind === "bar" ? { range: room } : {}) }, y: { range: (_, low, high) => [Math.min(0, low || 0), high > 0 ? high * 1.08 : 1] } },
    axes: [{ ...common, grid: { show: false }, space: 70, size: 30, values: (self, all) => all.map((at) => tick(at, self.scales.x.max - self.scales.x.min)) }, { ...common, ...steps, grid, size: 64, space: 36, values: (_, all) => all.map((value) => axis(value, unit, currency)) }],
    series: [{}, ...(isStacked ? series.slice().reverse() : series)],
    hooks: { setCursor: [tip] },
  };
}

function row(line, number, text) {
  const tr = document.createElement("tr");
  const mark = document.createElement("td");
  const dot = document.createElement("span");
  dot.className = `dot ${colour(number, line.isOther || line.isBefore)}`;
  mark.append(dot);
  const name = document.createElement("td");
  name.className = "name";
  name.textContent = line.name;
  const value = document.createElement("td");
  value.textContent = text;
  tr.append(mark, name, value);
  return tr;
}

function showTip(box, plot, times, lines, unit, currency) {
  const at = plot.cursor.idx;
  box.hidden = at === null || at === undefined || plot.cursor.left < 0;
  if (box.hidden) return;
  const title = document.createElement("div");
  title.className = "muted";
  title.textContent = moment(times[at]);
  const table = document.createElement("table");
  lines.forEach((line, number) => { if (line.values[at] || lines.length < 4) table.append(row(line, number, axis(line.values[at], unit, currency) || "–")); });
  box.replaceChildren(title, table);
  const isRight = plot.cursor.left > plot.over.clientWidth / 2;
  const left = plot.over.offsetLeft + plot.cursor.left;
  box.style.left = isRight ? "" : `${left + 14}px`;
  box.style.right = isRight ? `${plot.root.clientWidth - left + 14}px` : "";
  box.style.top = "8px";
}

export function Chart({ times, lines, kind, unit, currency, label, theme }) {
  const place = useRef(null);
  const box = useRef(null);
  useEffect(() => {
    const element = place.current;
    const isStacked = kind === "area" || kind === "bar";
    const seconds = times.map((at) => Number(at) / 1e6);
    const drawn = isStacked ? stacked(lines).reverse() : lines.map((line) => line.values);
    const plot = new uPlot(options(element, lines, kind, unit, currency, (self) => showTip(box.current, self, times, lines, unit, currency)), [seconds, ...drawn], element);
    const watcher = new ResizeObserver(() => { if (element.clientWidth) plot.setSize({ width: element.clientWidth, height: element.clientHeight }); });
    watcher.observe(element);
    return () => { watcher.disconnect(); plot.destroy(); };
  }, [times, lines, kind, unit, currency, theme]);
  return html`<div class="chart" role="img" aria-label=${label} ref=${place}><div class="tip" hidden ref=${box}></div></div>`;
}

// A small line without axes, for a figure; the period before is dashed.
export function Spark({ values, before }) {
  const all = [...values, ...(before || [])].filter((value) => value !== null);
  if (values.length < 2 || !all.length) return null;
  const top = Math.max(...all) || 1;
  const path = (found) => found.map((value, at) => `${at ? "L" : "M"}${((at * 100) / (found.length - 1)).toFixed(2)} ${(38 - ((value || 0) / top) * 36).toFixed(2)}`).join("");
  return html`<svg class="spark" viewBox="0 0 100 40" preserveAspectRatio="none" aria-hidden="true">
    <path class="area" d=${`${path(values)}L100 40L0 40Z`} />
    ${before && before.length > 1 && html`<path class="before" d=${path(before)} />`}
    <path class="line" d=${path(values)} /></svg>`;
}
