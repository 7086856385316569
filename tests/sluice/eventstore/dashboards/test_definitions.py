"""The dashboards we ship: each panel's figures equal the ledger's in every store, and what is wrong is refused."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import sluice.eventstore.dashboards
from sluice.eventstore.dashboards.definitions import DASHBOARDS, Dashboard, kinds_of, load_dashboard, load_dashboards
from sluice.eventstore.documents import properties
from sluice.eventstore.panels.fields import event_kind
from sluice.eventstore.panels.query import Filter, PanelQuery
from tests.sluice.eventstore.panels.ledger import DAY, START, event, random_analytics, write
from tests.sluice.eventstore.panels.oracle import matches
from tests.sluice.eventstore.worlds import WORLDS, SharedIndices, World, open_world

APPS = tuple(range(3_000_000, 3_000_006))
OUTCOMES = ("ok", "ok", "ok", "upstream_error", "budget_exceeded", "blocked_post_auth", "answered_by_plugin")


@pytest.fixture(scope="module")
def indices() -> Iterator[SharedIndices]:
    """Of this file; removed at its end."""
    made = SharedIndices(f"t{secrets.token_hex(5)}")
    yield made
    asyncio.run(made.remove())


@pytest.fixture(params=WORLDS)
async def world(request: pytest.FixtureRequest, tmp_path: Path, indices: SharedIndices) -> AsyncIterator[World]:
    """Each store."""
    made = await open_world(request.param, request, tmp_path, indices)
    yield made
    await made.close()


def ledger(draw: random.Random) -> list[dict[str, Any]]:
    """All three events of a few days, and of the days before."""
    found = random_analytics(draw, list(APPS), 200)
    for made in found:
        made |= {"outcome": draw.choice(OUTCOMES), "cost_status": draw.choice(["exact", "estimated", "unpriced", ""])}
        made |= {"user_id": draw.choice([None, 1, 2]), "tool_calls": draw.randrange(3)}
    for number in range(200):
        when, app_id = draw.randrange(START - 3 * DAY, START + 3 * DAY), draw.choice(APPS)
        kind = "correction" if number % 9 == 0 else "usage"
        cost = draw.randrange(10**9) * (-1 if kind == "correction" else 1)
        found.append(
            event(
                "budget",
                occurred_at=when,
                app_id=app_id,
                kind=kind,
                cost_nanos=cost,
                currency=draw.choice(["USD", "EUR"]),
            )
        )
        steps = [
            {
                "plugin": draw.choice(["firewall", "cache"]),
                "hook": draw.choice(["pre_auth", "post_auth"]),
                "micros": draw.randrange(10_000),
                "decision": draw.choice(["allow", "modify", "block", "failed", "skipped"]),
            }
            for _ in range(draw.randrange(4))
        ]
        error = draw.choice(["", "timeout_connect", "unreachable"])
        outcome = draw.choice(OUTCOMES)
        found.append(
            event("proxy_log", occurred_at=when, app_id=app_id, plugins=steps, error_kind=error, outcome=outcome)
        )
    return found


def of_subject(events: list[dict[str, Any]], subject: str) -> list[dict[str, Any]]:
    """What a question about a subject counts."""
    if subject == "plugin_step":
        logs = [made for made in events if made["event_kind"] == "proxy_log"]
        return [{**log, **step} for log in logs for step in log["plugins"]]
    return [made for made in events if made["event_kind"] == subject]


async def test_every_panel_shows_what_the_ledger_holds(world: World) -> None:
    """Each panel of each dashboard, in each store, equals what plain Python makes of the events; so does before."""
    events = ledger(random.Random(4))
    await write(world, events)
    ours, asked = Filter("app_id", "in", APPS), 0
    for dashboard in load_dashboards():
        for panel in dashboard.panels:
            query = panel.query.made(START, START + 3 * DAY, "Europe/Berlin", [ours])
            answer = await world.store.figures(query)
            recorded = of_subject(events, query.kind)
            approximate = None if world.keeps_bytes or query.kind == "plugin_step" else 0.01
            matches(answer, query, recorded, approximate)
            if answer.previous is not None:
                before = sum(START - 3 * DAY <= made["occurred_at"] < START for made in recorded)
                counted = PanelQuery(query.kind, answer.previous.start, answer.previous.end, filters=(ours,))
                assert (answer.previous.start, answer.previous.end) == (START - 3 * DAY, START)
                assert (await world.store.figures(counted)).total == (before,)
            asked += 1
    assert asked == sum(len(dashboard.panels) for dashboard in load_dashboards()) > 40


def _names(query: Any) -> Iterator[str]:
    yield from query.split_by
    for found in query.filters:
        yield found.field
    for measure in query.made(0, 1).measures:
        yield from (found.field for found in measure.where)
        if measure.field:
            yield measure.field


def test_every_field_is_in_our_templates() -> None:
    """A panel, or a variable, names no field that documents of its events do not have."""
    for dashboard in load_dashboards():
        for panel in dashboard.panels:
            known = properties(event_kind(panel.query.kind))
            known = {**known, **known.get("plugins", {}).get("properties", {})}
            assert set(_names(panel.query)) <= set(known), f"{dashboard.name}.{panel.name}"
        for variable in dashboard.variables:
            assert any(variable.field in properties(kind) for kind in kinds_of(dashboard))


def test_every_file_is_a_dashboard_and_every_dashboard_a_file() -> None:
    """What is in the folder is shown, under its own name; all of it says what it answers."""
    folder = Path(sluice.eventstore.dashboards.__file__).parent
    assert {path.stem for path in folder.glob("*.yaml")} == set(DASHBOARDS)
    for name in DASHBOARDS:
        dashboard = load_dashboard(name)
        assert dashboard.name == name
        assert all(panel.answers.endswith("?") for panel in dashboard.panels)
        assert dashboard.panel(dashboard.panels[-1].name) == dashboard.panels[-1]


def made(**changes: Any) -> dict[str, Any]:
    """A definition with one panel."""
    query = {"kind": "analytics", "measures": ["count"], **changes.pop("query", {})}
    panel = {
        "name": "p",
        "title": "Panel",
        "answers": "What is it?",
        "chart": "bar",
        "unit": "requests",
        "query": query,
    }
    return {"name": "d", "title": "D", "answers": "What it is.", "panels": [{**panel, **changes}]}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"query": {"measures": ["sum(cost_nano)"]}}, "did you mean cost_nanos"),
        ({"query": {"measures": ["sum(cost_nanos"]}}, "is not like count"),
        ({"query": {"measures": ["median(total_micros)"]}}, "is not known"),
        ({"query": {"measures": ["percentiles(total_micros, x)"]}}, "could not convert"),
        ({"query": {"split_by": ["a_field; DROP TABLE"]}}, "is no field of analytics"),
        ({"query": {"interval": "2d"}}, "is not known"),
        ({"query": {"filters": [{"field": "outcome"}]}}, "give one of is, in, not"),
        ({"query": {"filters": [{"field": "outcome", "is": "ok", "in": ["ok"]}]}}, "give one of is, in, not"),
        ({"query": {"filters": [{"field": "llm_id", "is": "x"}]}}, "a whole number"),
        ({"chart": "pie"}, "chart"),
        ({"colour": "red"}, "colour"),
        ({"answers": "short"}, "answers"),
        ({"name": "Not a name"}, "name"),
    ],
)
def test_what_cannot_be_asked_is_refused(changes: dict[str, Any], said: str) -> None:
    """A definition that no store could answer does not load; the message names the panel's fault."""
    assert Dashboard.model_validate(made()).panels[0].query.made(0, 1) == PanelQuery("analytics", 0, 1)
    with pytest.raises(ValidationError, match=said):
        Dashboard.model_validate(made(**changes))


def test_names_stand_once() -> None:
    """Two panels of one name could not be told apart by who links to them."""
    twice = made()
    twice["panels"] *= 2
    with pytest.raises(ValidationError, match="p stands twice"):
        Dashboard.model_validate(twice)


def test_each_form_of_a_filter_is_what_it_says() -> None:
    """is, in, not, range and contains become the filter of the same name; null is a value."""
    forms = [
        {"field": "vendor", "is": None},
        {"field": "vendor", "in": ["a", None]},
        {"field": "vendor", "not": ["a"]},
        {"field": "llm_id", "range": [1, None]},
        {"field": "vendor", "contains": "a"},
    ]
    panel = Dashboard.model_validate(made(query={"filters": forms})).panels[0]
    assert panel.query.made(0, 1).filters == (
        Filter("vendor", "is", (None,)),
        Filter("vendor", "in", ("a", None)),
        Filter("vendor", "not", ("a",)),
        Filter("llm_id", "range", (1, None)),
        Filter("vendor", "contains", ("a",)),
    )
