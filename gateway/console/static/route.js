// Where we are, in the address: #/page/part?range=7d&where=[…]. Everything a page shows can be linked to.
import { useEffect, useState } from "./lib.js";

export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").filter(Boolean).map((part) => { try { return decodeURIComponent(part); } catch { return part; } });
  return { page: parts[0] || "overview", part: parts[1] || "", query: Object.fromEntries(new URLSearchParams(query)) };
}
export function link(page, query = {}, part = "") {
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined && value !== "" && value !== null);
  const text = new URLSearchParams(pairs).toString();
  return `#/${page}${part ? `/${encodeURIComponent(part)}` : ""}${text ? `?${text}` : ""}`;
}
export function useRoute() {
  const [route, setRoute] = useState(() => parse(location.hash));
  useEffect(() => {
    const changed = () => setRoute(parse(location.hash));
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}
export const change = (route, query) => { location.hash = link(route.page, { ...route.query, ...query }, route.part).slice(1); };

export function conditions(route) {
  try {
    const found = JSON.parse(route.query.where || "[]");
    return Array.isArray(found) ? found.filter((each) => Array.isArray(each) && each.length === 3 && Array.isArray(each[2])) : [];
  } catch {
    return [];
  }
}
export const where = (list) => (list.length ? JSON.stringify(list) : "");
export const withCondition = (list, field, value, operator = "is") => [...list.filter((each) => each[0] !== field), ...(value === undefined ? [] : [[field, operator, [value]]])];
// What links between pages carry along: the range and the conditions.
export const carried = (query) => Object.fromEntries(["range", "start", "end", "where", "compare"].filter((key) => query[key]).map((key) => [key, query[key]]));
