"""The contract of ``Panels.figures``: whatever the store, the answers are what plain Python makes of the events."""

from __future__ import annotations

import asyncio
import itertools
import random
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from sluice.eventstore.panels import question
from sluice.eventstore.panels.query import Filter, Measure, PanelQuery
from tests.sluice.eventstore.panels.ledger import DAY, HOSTILE, START, event, random_analytics, write
from tests.sluice.eventstore.panels.oracle import matches
from tests.sluice.eventstore.worlds import WORLDS, SharedIndices, World, open_world

APPS = itertools.count(2_000_000)
TOLERANCE = 0.01
"""Ranks by which a t-digest may be off, as the README says."""

MEASURES = (
    Measure(),
    Measure("sum", "cost_nanos"),
    Measure("sum", "total_tokens"),
    Measure("average", "total_tokens"),
    Measure("average", "cost_nanos"),
    Measure("percentiles", "total_micros", (50, 95, 99.9)),
    Measure("percentiles", "first_byte_micros", (0.001, 100), where=(Filter("is_stream", "is", (True,)),)),
    Measure("distinct", "model_name"),
    Measure("distinct", "llm_id", where=(Filter("outcome", "is", ("ok",)),)),
    Measure("rate"),
    Measure("rate", "cost_nanos", per_seconds=3_600),
    Measure("rate", "total_tokens"),
    Measure("share", where=(Filter("outcome", "not", ("ok", "answered_by_plugin")),)),
    Measure("sum", "cost_nanos", where=(Filter("vendor", "is", ("openai",)),), name="openai"),
    Measure("count", where=(Filter("labels", "is", ("team:a",)),)),
)
FILTERS = (
    Filter("outcome", "is", ("ok",)),
    Filter("outcome", "in", ("ok", "upstream_error", "nothing like it")),
    Filter("outcome", "not", ("ok",)),
    Filter("model_name", "in", HOSTILE),
    Filter("model_name", "not", ("gpt-4o", "a")),
    Filter("model_name", "not", (None,)),
    Filter("model_name", "is", (None,)),
    Filter("model_name", "contains", ("_*?\\",)),
    Filter("model_name", "contains", ("a",)),
    Filter("model_name", "contains", ("' OR 1=1",)),
    Filter("model_name", "is", ("\0",)),
    Filter("model_name", "is", ("\ud800",)),
    Filter("llm_id", "in", (1, None)),
    Filter("llm_id", "not", (1,)),
    Filter("llm_id", "is", (2**70,)),
    Filter("llm_id", "range", (2, None)),
    Filter("llm_id", "range", (-(2**70), 3)),
    Filter("llm_id", "range", (None, None)),
    Filter("llm_id", "range", (3, 2)),
    Filter("response_code", "range", (400, 500)),
    Filter("is_stream", "is", (True,)),
    Filter("labels", "is", ("team:a",)),
    Filter("labels", "in", ('odd:"x",y', "odd:,")),
    Filter("labels", "not", ("team:a",)),
)
SPLITS = ((), (), ("app_id",), ("model_name",), ("vendor", "model_name"), ("is_stream",), ("llm_id", "response_code"))


@pytest.fixture(scope="module")
def indices() -> Iterator[SharedIndices]:
    """Of this file; removed at its end."""
    made = SharedIndices(f"t{secrets.token_hex(5)}")
    yield made
    asyncio.run(made.remove())


@pytest.fixture(params=WORLDS)
async def world(request: pytest.FixtureRequest, tmp_path: Path, indices: SharedIndices) -> AsyncIterator[World]:
    """Each store; what tests write belongs to apps of their own."""
    made = await open_world(request.param, request, tmp_path, indices)
    yield made
    await made.close()


def drawn_query(draw: random.Random, ours: Filter) -> PanelQuery:
    """Any question that can be asked, about our apps alone."""
    start = START + draw.choice([0, 0, draw.randrange(2 * DAY) // 1_000 * 1_000])
    return PanelQuery(
        kind="analytics",
        start=start,
        end=draw.choice([START + 3 * DAY, start + draw.randrange(1, DAY // 1_000) * 1_000]),
        measures=tuple(draw.sample(MEASURES, draw.randrange(1, 4))),
        split_by=draw.choice(SPLITS),
        interval=draw.choice(["", "", "auto", "3h", "1d", "1w", "1M"]),
        time_zone=draw.choice(["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns"]),
        filters=(ours, *draw.sample(FILTERS, draw.choice([0, 0, 1, 2]))),
        limit=draw.choice([1, 2, 5, 50]),
    )


async def test_answers_are_what_plain_python_makes_of_the_events(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any measures, split, axis and filters, over names and amounts made to break a store, give the exact figures; also
    where there are too many groups and buckets for one pass."""
    draw = random.Random(9)
    apps = [next(APPS) for _ in range(4)]
    events = random_analytics(draw, apps, 300)
    await write(world, events)
    for _ in range(80):
        query = drawn_query(draw, Filter("app_id", "in", tuple(apps)))
        monkeypatch.setattr(question, "MAX_FINE_CELLS", draw.choice([0, 20, 4_000]))
        answer = await world.store.figures(query)
        matches(answer, query, events, None if world.keeps_bytes else TOLERANCE)


def hour(number: float, **changes: Any) -> dict[str, Any]:
    """An event so many hours behind the start."""
    return event(occurred_at=START + int(number * 3_600_000_000), **changes)


async def test_figures_by_hand(world: World) -> None:
    """What three requests of two apps come to, written down: money by currency, nothing as 0 or as None."""
    one, two = next(APPS), next(APPS)
    await write(
        world,
        [
            hour(0, app_id=one, cost_nanos=2**53 + 1, currency="USD", total_micros=100),
            hour(0.5, app_id=one, cost_nanos=2**53, currency="EUR", total_micros=300),
            hour(2, app_id=two, cost_nanos=None, currency="USD", total_micros=500, outcome="upstream_error"),
        ],
    )
    measures = (Measure("sum", "cost_nanos"), Measure(), Measure("average", "total_micros"))
    filters = (Filter("app_id", "in", (one, two)),)
    query = PanelQuery("analytics", START, START + 3 * 3_600_000_000, measures, ("app_id",), "1h", filters=filters)
    answer = await world.store.figures(query)
    assert [column.name for column in answer.columns] == ["sum(cost_nanos)", "count", "average(total_micros)"]
    assert [column.unit for column in answer.columns] == ["money", "count", "micros"]
    assert answer.total == ({"USD": 2**53 + 1, "EUR": 2**53}, 3, 300.0)
    first, second = answer.series
    assert (first.key, first.total) == ((one,), ({"USD": 2**53 + 1, "EUR": 2**53}, 2, 200.0))
    assert first.points == (({"USD": 2**53 + 1, "EUR": 2**53}, 2, 200.0), ({}, 0, None), ({}, 0, None))
    assert (second.key, second.points) == ((two,), (({}, 0, None), ({}, 0, None), ({}, 1, 500.0)))
    assert answer.times == tuple(START + number * 3_600_000_000 for number in range(3))


async def test_the_period_before_has_the_same_groups(world: World) -> None:
    """Groups are chosen by now; before they stand in the same order, whatever was large then, and the rest is other."""
    one, two, old = (next(APPS) for _ in range(3))
    events = [hour(1, app_id=one), hour(2, app_id=one), hour(3, app_id=two)]
    events += [hour(-1, app_id=old) for _ in range(5)] + [hour(-2, app_id=two)]
    await write(world, events)
    ours = (Filter("app_id", "in", (one, two, old)),)
    query = PanelQuery("analytics", START, START + DAY, (Measure(),), ("app_id",), filters=ours, compare="previous")
    answer = await world.store.figures(query)
    assert [(series.key, series.total) for series in answer.series] == [((one,), (2,)), ((two,), (1,))]
    assert answer.previous is not None
    assert (answer.previous.start, answer.previous.end) == (START - DAY, START)
    told = [(series.key, series.is_other, series.total) for series in answer.previous.series]
    assert told == [((one,), False, (0,)), ((two,), False, (1,)), ((), True, (5,))]
    assert answer.previous.total == (6,)


async def test_a_forecast_is_of_whole_days(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three whole days of 1, 2 and 3 requests, and half a day since: what there is, and the mean for what is left."""
    app_id = next(APPS)
    events = [hour(1, app_id=app_id, cost_nanos=10)]
    events += [hour(25 + number, app_id=app_id, cost_nanos=10) for number in range(2)]
    events += [hour(49 + number, app_id=app_id, cost_nanos=10) for number in range(3)]
    events += [hour(73, app_id=app_id, cost_nanos=10)]
    await write(world, events)
    monkeypatch.setattr(world.store, "_clock", lambda: START + 3 * DAY + DAY // 2)
    measures = (Measure("sum", "cost_nanos"), Measure(), Measure("average", "total_micros"))
    ours = (Filter("app_id", "is", (app_id,)),)
    query = PanelQuery("analytics", START, START + 10 * DAY, measures, filters=ours, forecast=True)
    found = (await world.store.figures(query)).forecast
    assert found is not None
    assert (found.days, found.values) == (3, ({"USD": 70 + 130}, 7 + 13, None))  # 6.5 days at 2 requests a day
    assert found.method == "so far, and for the time left the mean of 3 whole days"


async def test_what_was_never_written_is_empty(
    request: pytest.FixtureRequest, tmp_path: Path, unique_name: str, subtests_of_worlds: list[str]
) -> None:
    """No file, no table, no index: zeros, nothing, and no group; the same of a range without a moment."""
    for name in subtests_of_worlds:
        world = await open_world(name, request, tmp_path, SharedIndices(unique_name))
        measures = (*MEASURES[:2], *MEASURES[5:6], MEASURES[7], MEASURES[12])
        for end in (START + DAY, START, START - 1):
            query = PanelQuery("analytics", START, end, measures, interval="auto", compare="previous", forecast=True)
            answer = await world.store.figures(query)
            assert answer.total == (0, {}, None, None, None, 0, None)
            assert [series.total for series in answer.series] == [answer.total]
            split = await world.store.figures(PanelQuery("analytics", START, end, split_by=("app_id", "vendor")))
            assert (split.series, split.total, split.groups) == ((), (0,), 0)
        assert (await world.store.search("proxy_log")).items == ()
        await world.close()


@pytest.fixture(params=WORLDS)
def subtests_of_worlds(request: pytest.FixtureRequest) -> list[str]:
    """The name of each store."""
    return [request.param]
