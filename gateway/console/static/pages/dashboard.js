// A dashboard, drawn from its definition alone.
import { html, useEffect, useState } from "../lib.js";
import { change, conditions, where, withCondition } from "../route.js";
import { Head } from "../parts.js";
import { Filters, remember } from "../filters.js";
import { Panel } from "../panel.js";
import { RangePicker, rangeOf, zone } from "../range.js";

const REFRESH_SECONDS = 30;

export function DashboardPage({ route, dashboard, theme, session, Now }) {
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => { if (document.visibilityState === "visible" && !route.query.start) setTurn((number) => number + 1); }, REFRESH_SECONDS * 1000);
    return () => clearInterval(timer);
  }, [route.query.start]);
  const query = () => {
    const { start, end } = rangeOf(route.query);
    return { start, end, zone: zone(), where: where(conditions(route)) };
  };
  const asked = () => ({ ...query(), compare: route.query.compare !== "no" });
  const choose = (field, value) => { remember(field, value, undefined); change(route, { where: where(withCondition(conditions(route), field, value)) }); };
  const key = JSON.stringify(route.query);
  return html`<${Head} title=${dashboard.title} text=${dashboard.answers}><${RangePicker} route=${route} compares=${true} /><//>
    ${Now && html`<${Now} route=${route} session=${session} />`}
    <${Filters} route=${route} variables=${dashboard.variables} query=${query} />
    <div class="grid">${dashboard.panels.map((panel) => html`<${Panel} key=${`${dashboard.name}/${panel.name}`} dashboard=${dashboard.name} panel=${panel} query=${asked} choose=${choose} theme=${theme} turn=${`${key}${turn}`} />`)}</div>`;
}
