"""What other programs show of our panels: their own searches, sent to a real Elasticsearch, equal the ledger."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from schemas.events import KINDS
from sluice.eventstore.dashboards.definitions import Dashboard, Panel, load_dashboard, load_dashboards
from sluice.eventstore.documents import properties
from sluice.eventstore.exports.grafana import grafana_dashboard
from sluice.eventstore.exports.kibana import saved_objects
from sluice.eventstore.exports.plans import MONEY, Plan, place, plan_of, plans_of
from tests.sluice.eventstore.exports.asking import equal, expected, grafana_body, kibana_body, rows_of
from tests.sluice.eventstore.panels.ledger import DAY, START, event, random_analytics, write
from tests.sluice.eventstore.panels.oracle import Event, chosen
from tests.sluice.eventstore.worlds import ElasticsearchWorld, SharedIndices

APPS = list(range(7, 12))
EVERYWHERE = [(dashboard, plan) for dashboard in load_dashboards() for plan in plans_of(dashboard)]
OUTCOMES = ("ok", "ok", "ok", "upstream_error", "budget_exceeded", "blocked_post_auth", "answered_by_plugin")


def ledger() -> list[dict[str, Any]]:
    """All three events, of three days."""
    draw = random.Random(11)
    found = random_analytics(draw, APPS, 250)
    for made in found:
        made |= {"outcome": draw.choice(OUTCOMES), "cost_status": draw.choice(["exact", "unpriced", ""])}
        made |= {"user_id": draw.choice([None, 1, 2]), "tool_calls": draw.randrange(3)}
    for _ in range(150):
        shared: dict[str, Any] = {"occurred_at": draw.randrange(START, START + 3 * DAY), "app_id": draw.choice(APPS)}
        shared["llm_slug"] = draw.choice(["main", "other"])
        kind = draw.choice(["usage", "usage", "correction"])
        cost = draw.randrange(10**9) * (-1 if kind == "correction" else 1)
        money = {"cost_nanos": cost, "reserved_nanos": draw.randrange(10**9), "currency": draw.choice(["USD", "EUR"])}
        found.append(event("budget", kind=kind, **shared, **money))
        steps = [
            {"plugin": draw.choice("ab"), "hook": draw.choice(["pre_auth", "post_auth"]), "micros": draw.randrange(99),
             "decision": draw.choice(["allow", "block", "failed"])}
            for _ in range(draw.randrange(4))
        ]  # fmt: skip
        error = draw.choice(["", "timeout_connect"])
        found.append(event("proxy_log", plugins=steps, error_kind=error, outcome=draw.choice(OUTCOMES), **shared))
    return found


@pytest.fixture(scope="module")
def indices() -> Iterator[SharedIndices]:
    """Of this file; removed at its end."""
    made = SharedIndices(f"t{secrets.token_hex(5)}")
    yield made
    asyncio.run(made.remove())


@pytest.fixture
async def world(request: pytest.FixtureRequest, indices: SharedIndices) -> AsyncIterator[ElasticsearchWorld]:
    """A real Elasticsearch."""
    made = ElasticsearchWorld(request.getfixturevalue("elasticsearch_server").url, indices)
    yield made
    await made.close()


class Asked:
    """A store with the ledger in it."""

    def __init__(self, world: ElasticsearchWorld, name: str, events: list[dict[str, Any]]) -> None:
        self._world, self._name, self._events = world, name, events

    async def rows(self, plan: Plan, body: dict[str, Any]) -> Any:
        """What Elasticsearch answers a search of a panel."""
        path = f"{self._name}-{plan.kind.replace('_', '-')}/_search"
        answer = await self._world.http.request("POST", path, json.dumps(body).encode())
        assert answer.status == 200, (plan.panel.name, answer.body, body)
        return rows_of(json.loads(answer.body))

    def held(self, plan: Plan) -> list[Event]:
        """The events that a panel is about."""
        recorded = [made for made in self._events if made["event_kind"] == plan.kind]
        return chosen(recorded, plan.panel.query.made(0, 1).filters)


def everything(model: dict[str, Any]) -> dict[str, str]:
    """All variables of a dashboard as they stand when it is opened."""
    return {found["name"]: found["allValue"] for found in model["templating"]["list"]}


def in_share(plan: Plan, events: list[Event]) -> list[Event]:
    """The events that a share counts."""
    return chosen(events, plan.panel.query.made(0, 1).measures[0].where)


async def kibana_shows_the_ledger(store: Asked, dashboard: Dashboard) -> None:
    """Every visualisation of a dashboard."""
    drawn = [found for found in saved_objects([dashboard]) if found["type"] == "visualization"]
    for plan, found in zip(plans_of(dashboard), drawn, strict=True):
        body, events = kibana_body(found["attributes"]), store.held(plan)
        rows, is_timed = await store.rows(plan, body), "date_histogram" in json.dumps(body)
        if plan.share is None:
            equal(plan, rows, expected(plan, events, is_timed=is_timed))
            continue
        inside = in_share(plan, events)
        outside = [each for each in events if each not in inside]
        for label, wanted in ((plan.share.label, inside), (f"not {plan.share.label}", outside)):
            assert sum(row["doc_count"] for key, row in rows.items() if key[0] == label) == len(wanted) > 0


async def grafana_shows_the_ledger(store: Asked, dashboard: Dashboard) -> None:
    """Every panel of a dashboard, with all variables at "all"."""
    model = grafana_dashboard(dashboard)
    for plan, panel in zip(plans_of(dashboard), model["panels"], strict=True):
        targets = [found for found in panel["targets"] if found["datasource"]["type"] == "elasticsearch"]
        bodies = [grafana_body(target, everything(model)) for target in targets]
        answers = [await store.rows(plan, body) for body in bodies]
        events, is_timed = store.held(plan), "date_histogram" in json.dumps(bodies)
        if plan.share is None:
            is_whole = panel["targets"][0]["bucketAggs"][0]["type"] == "filters"
            rows = {key[1:] if is_whole else key: row for key, row in answers[0].items()}
            equal(plan, rows, expected(plan, events, is_timed=is_timed))
            continue
        counts = [{key: row["doc_count"] for key, row in rows.items()} for rows in answers]
        for rows, wanted in zip(counts, (in_share(plan, events), events), strict=True):
            assert rows == {key: len(held) for key, held in expected(plan, wanted, is_timed=True).items()} != {}


async def variables_are_filters(store: Asked) -> None:
    """Values that readers choose, one and several, with what Lucene could take for its own."""
    model = grafana_dashboard(load_dashboard("spend"))
    plan, panel = plans_of(load_dashboard("spend"))[1], model["panels"][1]
    for name, text, wanted in (
        ("app", '("7" OR "8")', [each for each in store.held(plan) if each["app_id"] in {7, 8}]),
        ("model", '("gpt-4o" OR "\'; DROP TABLE analytics; --")',
         [each for each in store.held(plan) if each["model_name"] in {"gpt-4o", "'; DROP TABLE analytics; --"}]),
        ("vendor", '("openai")', [each for each in store.held(plan) if each["vendor"] == "openai"]),
    ):  # fmt: skip
        rows = await store.rows(plan, grafana_body(panel["targets"][0], {**everything(model), name: text}))
        assert [row["doc_count"] for row in rows.values()] == [len(wanted)]
        assert 0 < len(wanted) < len(store.held(plan))


@pytest.mark.elasticsearch
async def test_what_kibana_and_grafana_ask_is_what_the_ledger_holds(
    world: ElasticsearchWorld, indices: SharedIndices
) -> None:
    """Each panel of each dashboard: every bucket, count, sum and percentile of the aggregations inside the export."""
    events = ledger()
    await write(world, events)
    store = Asked(world, indices.name, events)
    for dashboard in load_dashboards():
        await kibana_shows_the_ledger(store, dashboard)
        await grafana_shows_the_ledger(store, dashboard)
    await variables_are_filters(store)


@pytest.mark.parametrize(("dashboard", "plan"), EVERYWHERE, ids=lambda found: getattr(found, "name", "-"))
def test_every_field_is_in_our_templates(dashboard: Dashboard, plan: Plan) -> None:
    """A figure or split names no field that documents of its kind do not have, dotted ones included."""
    known = properties(plan.kind)
    names = set(known) | {f"plugins.{name}" for name in known.get("plugins", {}).get("properties", {})}
    used = {figure.field for figure in plan.figures if figure.field} | {split.field for split in plan.splits}
    assert used <= names, dashboard.name
    assert plan.kind in KINDS


@pytest.mark.parametrize(("dashboard", "plan"), EVERYWHERE, ids=lambda found: getattr(found, "name", "-"))
def test_money_is_never_added_across_currencies(dashboard: Dashboard, plan: Plan) -> None:
    """Where there is money, the last split is the currency, and a cost says that it is a double."""
    has_money = any(figure.is_money for figure in plan.figures)
    assert has_money == (bool(plan.splits) and plan.splits[-1].field == "currency"), dashboard.name
    assert any(figure.field == "cost" for figure in plan.figures) == (MONEY in plan.notes)
    assert all(figure.field != "cost_nanos" for figure in plan.figures)


def panel(**query: Any) -> Panel:
    """A panel of ours."""
    made = {"kind": "analytics", "measures": ["count"], **query}
    about = {"name": "p", "title": "Panel", "answers": "What is it?", "chart": "table", "unit": "calls"}
    return Panel.model_validate({**about, "query": made})


def test_what_is_left_out_is_said() -> None:
    """No column, split or comparison disappears without a word."""
    where = {"measure": "count", "name": "blocked", "where": [{"field": "decision", "is": "block"}]}
    measures = ["count", "average(micros)", where]
    plan = plan_of(panel(kind="plugin_step", measures=measures, split_by=["plugin", "hook"], compare="previous"))
    assert [figure.kind for figure in plan.figures] == ["count"]
    assert [split.field for split in plan.splits] == ["plugins.plugin"]
    assert "micros, blocked, hook" in plan.description
    assert "The period before" in plan.description
    assert plan_of(panel()).notes == ()


def test_a_panel_of_nothing_that_can_be_shown_counts() -> None:
    """Else it would be refused on import."""
    where = [{"field": "outcome", "is": "ok"}]
    plan = plan_of(panel(measures=[{"measure": "sum(total_tokens)", "name": "good", "where": where}]))
    assert [figure.kind for figure in plan.figures] == ["count"]
    assert "good" in plan.description


def test_panels_do_not_overlap() -> None:
    """Rows are full from the left, and as high as their highest."""
    for dashboard in load_dashboards():
        taken: set[tuple[int, int]] = set()
        for found in place(plans_of(dashboard), 24, lambda plan: 5 if plan.panel.chart == "figure" else 9):
            cells = {(x, y) for x in range(found["x"], found["x"] + found["w"])
                     for y in range(found["y"], found["y"] + found["h"])}  # fmt: skip
            assert not taken & cells
            assert found["x"] + found["w"] <= 24
            taken |= cells
