// The shell: who is signed in, where we are, which page that is.
import { html, render, useEffect, useState } from "./lib.js";
import { get, onSignedOut, remove } from "./api.js";
import { carried, link, useRoute } from "./route.js";
import { Brand, Icon } from "./brand.js";
import { Problem, State, Tag } from "./parts.js";
import { DashboardPage } from "./pages/dashboard.js";
import { SignInPage } from "./pages/signin.js";
import { LivePage } from "./pages/live.js";
import { ExchangesPage } from "./pages/exchanges.js";
import { ExchangePage } from "./pages/exchange.js";
import { BudgetPage, Budgets } from "./pages/budgets.js";
import { Plugins } from "./pages/plugins.js";
import { CollectorsPage } from "./pages/collectors.js";
import { GatewaysPage } from "./pages/gateways.js";

const TRAFFIC = [["live", "Live"], ["exchanges", "Exchanges"]];
const OPERATE = [["budgets", "Budgets"], ["plugins", "Plugins"], ["collectors", "Collectors"], ["gateways", "Gateways"]];
const NOW = { budgets: Budgets, plugins: Plugins }; // what stands above the figures of a dashboard: how things are now
const PAGES = { live: LivePage, exchanges: ExchangesPage, exchange: ExchangePage, budget: BudgetPage, collectors: CollectorsPage, gateways: GatewaysPage };

function NavList({ title, items, route }) {
  const at = { exchange: "exchanges", budget: "budgets" }[route.page] || route.page;
  return html`<div><h2>${title}</h2><ul>${items.map(([page, name, icon]) => html`<li key=${page}><a href=${link(page, carried(route.query))} aria-current=${at === page ? "page" : undefined}><${Icon} name=${icon || page} />${name}</a></li>`)}</ul></div>`;
}

function Side({ route, dashboards, session, signOut, theme, setTheme }) {
  const [isOpen, setOpen] = useState(false);
  useEffect(() => setOpen(false), [route.page]);
  return html`<aside class=${`side ${isOpen ? "open" : ""}`}>
    <div class="row"><${Brand} /><button class="menu" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>Menu</button></div>
    <nav class="nav stack" aria-label="Pages">
      <${NavList} title="Traffic" items=${[["overview", "Overview"], ...TRAFFIC]} route=${route} />
      <${NavList} title="Figures" items=${dashboards.filter((each) => each.name !== "overview" && !NOW[each.name]).map((each) => [each.name, each.title])} route=${route} />
      <${NavList} title="Operate" items=${OPERATE} route=${route} />
    </nav>
    <div class="who">
      <div class="row"><span class="cut" title=${session.name}>${session.name}</span><${Tag} kind=${session.role === "admin" ? "warn" : ""}>${session.role}<//></div>
      <div class="muted small">${session.gateway_id} · ${session.version}</div>
      <div class="row"><button class="quiet small" onClick=${() => setTheme(theme === "dark" ? "light" : "dark")}>${theme === "dark" ? "Light" : "Dark"} theme</button><button class="quiet small" onClick=${signOut}>Sign out</button></div>
    </div></aside>`;
}

const system = () => (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
function useTheme() {
  const [theme, setState] = useState(document.documentElement.dataset.theme || system());
  useEffect(() => {
    const media = matchMedia("(prefers-color-scheme: dark)");
    const changed = () => { if (!document.documentElement.dataset.theme) setState(system()); };
    media.addEventListener("change", changed);
    return () => media.removeEventListener("change", changed);
  }, []);
  const set = (name) => {
    document.documentElement.dataset.theme = name;
    try { localStorage.setItem("sluice.theme", name); } catch { /* storage is off: it holds until the page is left */ }
    setState(name);
  };
  return [theme, set];
}

function Page({ route, dashboards, session, theme }) {
  const dashboard = dashboards.find((each) => each.name === route.page);
  if (dashboard) return html`<${DashboardPage} key=${dashboard.name} route=${route} dashboard=${dashboard} theme=${theme} session=${session} Now=${NOW[dashboard.name]} />`;
  const Shown = PAGES[route.page];
  if (!Shown) return html`<${State} title="There is no such page">See the pages on the left, or <a href="#/overview">the overview</a>.<//>`;
  return html`<${Shown} key=${`${route.page}/${route.part}`} route=${route} session=${session} theme=${theme} />`;
}

function App() {
  const route = useRoute();
  const [session, setSession] = useState(undefined);
  const [message, setMessage] = useState("");
  const [dashboards, setDashboards] = useState(null);
  const [error, setError] = useState(null);
  const [theme, setTheme] = useTheme();
  useEffect(() => {
    onSignedOut((said) => setSession((before) => { if (before) setMessage(said); return null; }));
    get("session").then((who) => { setMessage(who.message || ""); setSession(who.role ? who : null); }, (failure) => { setError(failure); setSession(null); });
  }, []);
  useEffect(() => {
    if (session) get("dashboards").then((found) => { setDashboards(found.dashboards); setError(null); }, setError);
  }, [session]);
  useEffect(() => { document.title = `${dashboards?.find((each) => each.name === route.page)?.title || route.page[0].toUpperCase() + route.page.slice(1)} · Sluice`; }, [route.page, dashboards]);
  const signOut = () => remove("session").then(() => { setMessage("You are signed out."); setSession(null); }, setError);
  if (session === undefined) return html`<p class="boot">Loading the console…</p>`;
  if (session === null) return html`<${SignInPage} message=${error ? `${error.title}: ${error.message}` : message} done=${(who) => { setMessage(""); setError(null); setSession(who); }} />`;
  return html`<a class="skip" href=${location.hash || "#/overview"} onClick=${(event) => { event.preventDefault(); document.getElementById("main").focus(); }}>Skip to the page</a>
    <div class="shell"><${Side} route=${route} dashboards=${dashboards || []} session=${session} signOut=${signOut} theme=${theme} setTheme=${setTheme} />
    <main class="main" id="main" tabindex="-1">${error && html`<${Problem} error=${error} />`}${dashboards ? html`<${Page} route=${route} dashboards=${dashboards} session=${session} theme=${theme} />` : !error && html`<p class="boot">Loading…</p>`}</main></div>`;
}

render(html`<${App} />`, document.getElementById("app"));
