// Numbers, money and times as people read them. Integers beyond 2^53 come as text and stay exact where shown in full.
const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const count = (value) => (value === null || value === undefined ? "–" : plain.format(typeof value === "string" ? BigInt(value) : value));
export const short = (value) => (Math.abs(value) < 10000 ? new Intl.NumberFormat("en", { maximumFractionDigits: 2 }).format(value) : compact.format(value));
export const percent = (value) => (value === null || value === undefined ? "–" : `${(value * 100).toFixed(value && value < 0.1 ? 2 : 1)}%`);

export function nanos(value, currency) {
  if (value === null || value === undefined) return "–";
  const amount = Number(value) / 1e9;
  const size = Math.abs(amount);
  const digits = size === 0 || size >= 1 ? 2 : size >= 0.01 ? 4 : 6;
  return money(amount, currency, digits);
}
export function money(amount, currency, digits = 2) {
  const shown = { minimumFractionDigits: Math.min(2, digits), maximumFractionDigits: digits };
  if (!currency) return new Intl.NumberFormat("en", shown).format(amount);
  try {
    return new Intl.NumberFormat("en", { style: "currency", currency, ...shown }).format(amount);
  } catch {
    return `${new Intl.NumberFormat("en", shown).format(amount)} ${currency}`;
  }
}
export function exactNanos(value, currency) {
  if (value === null || value === undefined) return "";
  const all = BigInt(value);
  const size = all < 0n ? -all : all;
  const rest = (size % 1000000000n).toString().padStart(9, "0").replace(/0+$/, "");
  return `${all < 0n ? "-" : ""}${size / 1000000000n}${rest ? `.${rest}` : ""} ${currency || ""}`.trim();
}

export function micros(value) {
  if (value === null || value === undefined) return "–";
  const size = Number(value);
  if (size < 1000) return `${Math.round(size)} µs`;
  if (size < 1e6) return `${(size / 1e3).toFixed(size < 1e4 ? 1 : 0)} ms`;
  if (size < 6e7) return `${(size / 1e6).toFixed(size < 1e7 ? 2 : 1)} s`;
  return span(size / 1e6);
}
export function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const size = Math.abs(seconds);
  if (size < 60) return `${Math.round(size)} s`;
  if (size < 3600) return `${+(size / 60).toFixed(size < 600 ? 1 : 0)} min`;
  if (size < 86400 * 2) return `${(size / 3600).toFixed(1)} h`;
  return `${(size / 86400).toFixed(1)} days`;
}
export function bytes(value) {
  if (value === null || value === undefined) return "–";
  const size = Number(value);
  if (size < 1024) return `${size} B`;
  const step = Math.min(4, Math.floor(Math.log2(size) / 10));
  return `${(size / 1024 ** step).toFixed(1)} ${["B", "KiB", "MiB", "GiB", "TiB"][step]}`;
}
const seconds = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const minute = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
export const date = (at) => (at ? day.format(new Date(Number(at) / 1000)) : "–");
export const moment = (at) => (at ? minute.format(new Date(Number(at) / 1000)) : "–");
export const clock = (at) => (at ? seconds.format(new Date(Number(at) / 1000)) : "–");
export const stamp = (at) => (at ? `${day.format(new Date(Number(at) / 1000))} ${seconds.format(new Date(Number(at) / 1000))}` : "–");
const hour = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const dayOfMonth = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
// Of the axis of time: seconds since the epoch, by how much the axis spans.
export function tick(at, seconds) {
  const when = new Date(at * 1000);
  const isMidnight = when.getHours() === 0 && when.getMinutes() === 0;
  if (isMidnight && seconds > 43200) return dayOfMonth.format(when);
  return seconds > 86400 * 4 ? "" : hour.format(when);
}
export function ago(at, now = Date.now() * 1000) {
  const passed = (now - Number(at)) / 1e6;
  return passed < 5 ? "just now" : `${span(passed)} ago`;
}

// A value of a column whose unit is known: a list, because money is by currency and never added across.
export function values(value, unit) {
  if (unit === "money") {
    const found = Object.entries(value || {});
    return found.length ? found.sort((a, b) => Number(b[1]) - Number(a[1])).map(([currency, each]) => nanos(each, currency)) : ["0"];
  }
  if (value === null || value === undefined) return ["–"];
  if (unit === "micros") return [micros(value)];
  if (unit === "share") return [percent(value)];
  if (unit === "bytes") return [bytes(value)];
  if (typeof value === "string" || Number.isInteger(value)) return [count(value)];
  return [short(value)];
}
export const scalar = (value, unit, currency) => {
  if (unit === "money") return value && currency in value ? Number(value[currency]) / 1e9 : 0;
  return value === null || value === undefined ? null : Number(value);
};
// Of the times that stand on an axis, side by side: even numbers, and seconds up to ten minutes.
const mark = (value) => (value === 0 ? "0" : value < 1000 ? `${+value.toFixed(1)} µs` : value < 1e6 ? `${+(value / 1e3).toFixed(1)} ms` : value < 6e8 ? `${+(value / 1e6).toFixed(2)} s` : micros(value));
export const axis = (value, unit, currency) => {
  if (value === null) return "";
  if (unit === "money") return value && Math.abs(value) < 0.01 ? money(value, currency, 6) : money(value, currency, Math.abs(value) < 1 ? 4 : value >= 100 ? 0 : 2);
  if (unit === "micros") return mark(value);
  if (unit === "share") return `${+(value * 100).toFixed(2)}%`;
  if (unit === "bytes") return bytes(value);
  return short(value);
};
const GOOD = new Set(["ok", "answered_by_plugin"]);
export const tone = (outcome) => (GOOD.has(outcome) ? "good" : /block|denied|budget|limit|auth|client|request_|unknown|overloaded/.test(outcome || "") ? "warn" : "bad");
export const words = (text) => String(text ?? "").replaceAll("_", " ");
