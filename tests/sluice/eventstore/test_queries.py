"""The contract of ``EventStore``: whatever the store, the answers are what plain Python makes of the events."""

from __future__ import annotations

import asyncio
import itertools
import math
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.codec import EncodedEvent
from schemas.events import KINDS
from schemas.ids import new_exchange_id
from sluice.eventstore import queries
from sluice.eventstore.queries import EventPage, EventStoreError, Exchange, LlmStats
from tests.collectors.events import ANALYTICS as ANALYTICS_FIELDS
from tests.collectors.events import COMMON, NOW_MICROS, make_event
from tests.sluice.eventstore import expected
from tests.sluice.eventstore.worlds import BOOK, WORLDS, SharedIndices, World, open_world

DAY = 86_400_000_000
HOSTILE = [
    "",
    "'; DROP TABLE analytics; --",
    '" OR ""="',
    "%_*?\\",
    '{"match_all":{}}',
    "../../etc/passwd",
    "ü\u202e\U0001d54f🙂",
    "\ufffd\ufffe",
    " a ",
    "A",
    "a",
    "null",
    "x" * 1024,
    "x" * 1025,
    "🙂" * 512,
    "🙂" * 513,
]
APPS = itertools.count(1_000_000)

NAMES = st.sampled_from(["gpt-4o", *HOSTILE]) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20
)
USUAL = st.integers(0, 10**9)
AMOUNTS = USUAL | USUAL | USUAL | st.none() | st.sampled_from([0, 1, 2**53 + 1, 2**63 - 1, -(2**63), -1])
EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "occurred_at": st.integers(NOW_MICROS - 2 * DAY, NOW_MICROS) | st.integers(NOW_MICROS - 5, NOW_MICROS),
            "llm_id": st.none() | st.integers(1, 3),
            "llm_slug": st.sampled_from(["gpt", "claude", ""]),
            "outcome": st.sampled_from(["ok", "ok", "answered_by_plugin", "upstream_error", "client_closed"]),
            "model_name": st.none() | NAMES,
            "currency": st.sampled_from(["USD", "USD", "EUR", ""]),
            "prompt_tokens": st.none() | st.integers(0, 10**6),
            "response_tokens": st.none() | st.integers(0, 10**6),
            "total_tokens": AMOUNTS,
            "cost_nanos": AMOUNTS,
            "total_micros": st.integers(0, 10**9),
        }
    ),
    max_size=15,
)


@pytest.fixture(scope="module")
def indices() -> Iterator[SharedIndices]:
    """Of this file; removed at its end."""
    made = SharedIndices(f"t{secrets.token_hex(5)}")
    yield made
    asyncio.run(made.remove())


@pytest.fixture(params=WORLDS)
async def world(request: pytest.FixtureRequest, tmp_path: Path, indices: SharedIndices) -> AsyncIterator[World]:
    """Each store; what tests write belongs to an app or an exchange of their own."""
    made = await open_world(request.param, request, tmp_path, indices)
    yield made
    await made.close()


@pytest.fixture(params=WORLDS)
async def empty_world(request: pytest.FixtureRequest, tmp_path: Path, unique_name: str) -> AsyncIterator[World]:
    """Each store as it is before the first event."""
    made = await open_world(request.param, request, tmp_path, SharedIndices(unique_name))
    yield made
    await made.close()


@pytest.fixture
def app_id() -> int:
    """An app, or an LLM, that no other test has."""
    return next(APPS)


def analytics(app_id: int, **changes: Any) -> dict[str, Any]:
    """An analytics event as it is recorded."""
    base = {**COMMON, **ANALYTICS_FIELDS, "exchange_id": new_exchange_id(), "app_id": app_id, **changes}
    return {"event_id": f"{base['exchange_id']}-a", "sequence": 1, **base}


def encoded(event: dict[str, Any], kind: Any = "analytics") -> EncodedEvent:
    """Its bytes, as the gateway writes them."""
    return make_event(kind, **{name: value for name, value in event.items() if name not in {"event_id", "sequence"}})


async def write(world: World, events: list[dict[str, Any]]) -> None:
    """Put them there."""
    await world.write([encoded(event) for event in events])


@given(drawn=EVENTS, start=st.integers(NOW_MICROS - 3 * DAY, NOW_MICROS), hours=st.integers(1, 100))
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_every_figure_is_what_the_events_add_up_to(
    world: World, drawn: list[dict[str, Any]], start: int, hours: int
) -> None:
    """Requests, outcomes, tokens, money, latency; in all and by model, LLM and day; exactly, of one app and range."""
    app_id, end = next(APPS), start + hours * 3_600_000_000 + 999
    events = [analytics(app_id, **given) for given in drawn] + [analytics(app_id + 10**9)]
    await write(world, events)
    found = expected.within(events, app_id, start, end)
    requests, tokens, money = expected.figures(found)

    summary = await world.store.summary(app_id, start, end)
    assert (summary.requests, summary.total_tokens, dict(summary.cost_nanos)) == (requests, tokens, money)
    assert summary.prompt_tokens == expected.total(found, "prompt_tokens")
    assert summary.response_tokens == expected.total(found, "response_tokens")
    assert summary.outcomes == expected.outcomes(found)
    assert (summary.successful, summary.failed) == _successes(found)
    assert sum(summary.errors.values()) == summary.failed
    if found:
        micros = expected.total(found, "total_micros")
        assert summary.average_latency_ms == pytest.approx(micros / 1_000 / requests)
    else:
        assert summary.average_latency_ms is None
    assert summary.requests_per_hour == pytest.approx(requests / hours, rel=0.01)
    models = expected.grouped(found, expected.model)
    top = sorted(models, key=lambda name: (-models[name][0], name is not None, name or ""))[:10]
    assert [model.model_name for model in summary.top_models] == top

    costs = await world.store.costs(app_id, start, end)
    assert (costs.requests, dict(costs.total), costs.models_cut) == (requests, money, False)
    assert costs.average_per_request == expected.average(money, requests)
    assert _by(costs.by_model, "model_name") == models
    assert _by(costs.by_day, "day") == expected.grouped(found, expected.day)
    assert [day.day for day in costs.by_day] == sorted({day.day for day in costs.by_day})
    assert _by(costs.by_llm, "llm_id", "llm_slug") == expected.grouped(
        found, lambda event: (event["llm_id"], event["llm_slug"])
    )


def _successes(events: list[Any]) -> tuple[int, int]:
    good = sum(event["outcome"] in {"ok", "answered_by_plugin"} for event in events)
    return good, len(events) - good


def _by(found: Any, *names: str) -> dict[Any, tuple[int, int, dict[str, int]]]:
    """Rows by their key; each key is there once."""
    rows = {}
    for row in found:
        key = tuple(getattr(row, name) for name in names)
        rows[key if len(key) > 1 else key[0]] = (row.requests, row.total_tokens, dict(row.cost_nanos))
    assert len(rows) == len(found)
    return rows


@pytest.mark.parametrize(
    "costs",
    [
        [2**53 + 1, 2**53 + 3, 1],
        [2**52 - 1] * 5 + [1, 3],
        [2**63 - 1] * 3,
        [-(2**63), -(2**63), 2**63 - 1, 5],
        [2**53, -(2**53), 1, 2**53 + 1],
    ],
    ids=["odd", "many", "largest", "negative", "cancelling"],
)
async def test_sums_beyond_a_double_are_exact(world: World, app_id: int, costs: list[int]) -> None:
    """To the nano, in every breakdown, where a floating-point sum is off, and beyond 64 bits too."""
    events = [
        analytics(app_id, llm_id=app_id, cost_nanos=cost, total_tokens=cost, occurred_at=NOW_MICROS - 1)
        for cost in costs
    ]
    await write(world, events)
    found = await world.store.costs(app_id, 0, NOW_MICROS)
    assert found.total == {"USD": sum(costs)}
    for rows in (found.by_day, found.by_llm, found.by_model):
        assert [(row.total_tokens, row.cost_nanos) for row in rows] == [(sum(costs), {"USD": sum(costs)})]
    assert (await world.store.summary(app_id, 0, NOW_MICROS)).cost_nanos == {"USD": sum(costs)}
    assert await world.store.llm_stats(app_id) == LlmStats(len(costs), sum(costs), {"USD": sum(costs)})


async def test_names_are_told_apart_whatever_they_are_made_of(world: World, app_id: int) -> None:
    """Each is its own; only those too long for an index, and requests without a model, are one; in every store."""
    names: list[str | None] = [None, *HOSTILE, *(["a\0b", "a\0"] if world.keeps_nul else [])]
    events = [analytics(app_id, model_name=name, occurred_at=NOW_MICROS - 1) for name in names]
    await write(world, events)
    costs = await world.store.costs(app_id, 0, NOW_MICROS)
    assert _by(costs.by_model, "model_name") == expected.grouped(events, expected.model)
    assert len(costs.by_model) == len(names) - 2
    assert costs.by_model[0].model_name is None
    assert (await world.store.summary(app_id, 0, NOW_MICROS)).top_models == costs.by_model[:10]


async def test_a_page_holds_the_events_as_they_were_recorded(world: World, app_id: int) -> None:
    """Every field under its own name and of its own type, whatever the store makes of it inside."""
    attempt = {
        "llm_id": None,
        "llm_slug": "ü",
        "status": 200,
        "error_kind": "",
        "may_be_billed": True,
        "micros": 2**53 + 1,
    }
    event = analytics(
        app_id, attempts=[attempt], labels=["a:ü", ""], raw_usage='{"a": "\\u0000"}', cost_nanos=2**62 + 1
    )
    await write(world, [event])
    page = await world.store.analytics_events(app_id, 1, 10)
    assert page == EventPage([event], 1)
    _, decoded = BOOK.decode(encoded(event).value(1))
    assert decoded.keys() == page.items[0].keys()


@given(
    times=st.lists(st.integers(NOW_MICROS - 3_000, NOW_MICROS - 1), max_size=12),
    limit=st.integers(1, 5),
    bounds=st.tuples(st.integers(NOW_MICROS - 4_000, NOW_MICROS), st.integers(NOW_MICROS - 4_000, NOW_MICROS)),
)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_pages_hold_each_event_once_newest_first(
    world: World, times: list[int], limit: int, bounds: tuple[int, int]
) -> None:
    """All pages together are the events of the range in order; each says how many there are; behind the last: none."""
    app_id = next(APPS)
    events = [analytics(app_id, occurred_at=moment) for moment in times]
    await write(world, events)
    for start, end in (bounds, (None, None), (None, bounds[1]), (bounds[0], None)):
        found = expected.within(events, app_id, start or 0, end or 2**60)
        unit = 1 if world.knows_micros else 1_000
        order = sorted(found, key=lambda event: (event["occurred_at"] // unit, event["event_id"]), reverse=True)
        seen, answer = [], EventPage([], 0)
        for page in range(1, math.ceil(len(found) / limit) + 2):
            answer = await world.store.analytics_events(app_id, page, limit, start, end)
            assert answer.total == len(found)
            assert len(answer.items) <= limit
            seen += answer.items
        assert [event["event_id"] for event in seen] == [event["event_id"] for event in order]
        assert answer.items == []


async def test_bodies_are_found_by_the_exchange_and_by_any_of_its_events(world: World) -> None:
    """What was recorded of request and response; bytes that are no text are kept, or the answer says they were not."""
    exchange_id = new_exchange_id()
    log = {
        "exchange_id": exchange_id,
        "request_body": "ü🙂 <script>".encode(),
        "request_content_type": "text/plain; charset=ü",
        "response_body": b"\xff\xfe",
        "response_body_truncated": True,
        "response_code": 502,
        "path": "/v1/'; --",
        "occurred_at": NOW_MICROS - 123,
    }
    await world.write([make_event("proxy_log", **log)])
    for name in (exchange_id, f"{exchange_id}-a", f"{exchange_id}-p", f"{exchange_id}-b.1"):
        found = await world.store.bodies(name)
        assert found is not None
        assert {field: getattr(found, field) for field in log if field != "response_body"} == {
            field: value for field, value in log.items() if field != "response_body"
        }
        assert (found.method, found.request_body_replaced) == ("POST", False)
        assert found.response_body_replaced == (not world.keeps_bytes)
        assert found.response_body == (b"\xff\xfe" if world.keeps_bytes else "��".encode())


async def test_bodies_that_were_not_recorded_are_none(world: World) -> None:
    """Absent is not empty."""
    absent, empty = (new_exchange_id() for _ in range(2))
    logs = [(absent, None), (empty, b"")]
    await world.write(
        [make_event("proxy_log", exchange_id=name, request_body=body, response_body=body) for name, body in logs]
    )
    for name, body in logs:
        found = await world.store.bodies(name)
        assert found is not None
        assert (found.request_body, found.response_body, found.response_body_replaced) == (body, body, False)


async def test_an_exchange_is_all_its_events(world: World) -> None:
    """One log, one analytics event, the usage and its corrections in order of their ids; times are micros in each."""
    exchange_id, other = new_exchange_id(), new_exchange_id()
    kinds = [make_event(kind, exchange_id=name) for kind in KINDS for name in (exchange_id, other)]
    await world.write(kinds)
    for name in (exchange_id, f"{exchange_id}-b"):
        found = await world.store.exchange(name)
        assert found.proxy_log is not None
        assert found.analytics is not None
        events = [found.proxy_log, found.analytics, *found.budgets]
        assert [event["event_id"] for event in events] == [f"{exchange_id}-{end}" for end in "pab"]
        assert {event["occurred_at"] for event in events} == {NOW_MICROS}
        assert {event["completed_at"] for event in events} == {NOW_MICROS + 1_500}
        assert found.budgets[0]["charges"][0]["period_end"] == 1_764_547_200_000_000


async def test_where_nothing_was_written_every_answer_is_empty(empty_world: World) -> None:
    """Before the first document there is neither table nor index, and nothing is an error."""
    store = empty_world.store
    assert [await store.count_events(kind) for kind in KINDS] == [0, 0, 0]
    assert [await store.documents(kind, ["x"]) for kind in KINDS] == [[], [], []]
    assert await store.analytics_events(7, 1, 1_000) == EventPage([], 0)
    assert await store.analytics_events(7, 10**6, 1_000) == EventPage([], 0)
    assert await store.exchange("x") == Exchange(None, None, ())
    assert await store.bodies("x") is None
    summary = await store.summary(7, NOW_MICROS - DAY, NOW_MICROS)
    assert (summary.requests, summary.successful, summary.failed, summary.errors) == (0, 0, 0, {})
    assert (summary.average_latency_ms, summary.requests_per_hour, summary.top_models) == (None, 0.0, ())
    costs = await store.costs(7, NOW_MICROS - DAY, NOW_MICROS)
    assert (costs.requests, costs.total, costs.average_per_request, costs.by_day) == (0, {}, {}, ())
    assert await store.llm_stats(3) == LlmStats(0, 0, {})


async def test_questions_that_no_event_can_answer(world: World, app_id: int) -> None:
    """Ids beyond 64 bits, times beyond the calendar, a range that ends before it begins: empty, never an error."""
    await write(world, [analytics(app_id)])
    store = world.store
    for number in (0, -1, 2**31, 2**63 - 1, -(2**63), 2**63, 10**30):
        assert await store.analytics_events(number, 1, 10) == EventPage([], 0)
        assert (await store.summary(number, 0, NOW_MICROS + DAY)).requests == 0
        assert (await store.llm_stats(number)).requests == 0
    for start, end in ((NOW_MICROS + 1_000, NOW_MICROS), (NOW_MICROS, NOW_MICROS), (10**30, 10**31), (-(10**31), 0)):
        assert await store.analytics_events(app_id, 1, 10, start, end) == EventPage([], 0)
        assert (await store.costs(app_id, start, end)).requests == 0
        assert (await store.summary(app_id, start, end)).requests == 0
    for start, end in ((-(10**30), 10**30), (-(10**15), NOW_MICROS + 1_000), (NOW_MICROS, 2**63)):
        assert (await store.costs(app_id, start, end)).requests == 1
        assert (await store.analytics_events(app_id, 1, 10, start, end)).total == 1


async def test_hostile_ids_find_nothing(world: World) -> None:
    """No text is more than an id to compare with, whatever a store thinks of its characters."""
    await world.write([make_event("proxy_log")])
    names = [*HOSTILE, "a\0b", "\ud800", "x" * 10**6, "*", "_all", "x' OR 1=1 --"]
    assert await world.store.documents("proxy_log", names) == []
    for name in names:
        assert await world.store.bodies(name) is None
        assert await world.store.exchange(name) == Exchange(None, None, ())


async def test_pages_are_bounded(world: World, app_id: int) -> None:
    """A page before the first and a page too large or too small are the caller's mistake; one behind all is empty."""
    await write(world, [analytics(app_id)])
    for page in (0, -1):
        with pytest.raises(ValueError, match=f"page: {page} "):
            await world.store.analytics_events(app_id, page, 10)
    for limit in (0, -1, 1_001):
        with pytest.raises(ValueError, match=f"limit: {limit} .*1,000"):
            await world.store.analytics_events(app_id, 1, limit)
    for page in (2, 11, 10**9, 2**62, 10**30):
        assert await world.store.analytics_events(app_id, page, 1_000) == EventPage([], 1)


async def test_more_groups_than_an_answer_adds_up(world: World, app_id: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many models some are shown, and the answer says so; totals stay whole; too many days are refused."""
    for module in ("statements", "aggregations", "figures"):
        monkeypatch.setattr(f"sluice.eventstore.{module}.MAX_GROUPS", 3)
    events = [analytics(app_id, model_name=f"m-{number}") for number in range(5)]
    await write(world, events)
    costs = await world.store.costs(app_id, 0, NOW_MICROS + DAY)
    assert (costs.requests, costs.models_cut, len(costs.by_model)) == (5, True, 3)
    assert (await world.store.summary(app_id, 0, NOW_MICROS + DAY)).models_cut
    await write(world, [analytics(app_id, occurred_at=NOW_MICROS - number * DAY) for number in range(4)])
    with pytest.raises(EventStoreError, match="ask for a shorter range"):
        await world.store.costs(app_id, 0, NOW_MICROS + DAY)
    assert (await world.store.costs(app_id, NOW_MICROS - DAY, NOW_MICROS + DAY)).requests == 7


def test_bounds_are_what_is_promised() -> None:
    """Of pages, documents, groups and time."""
    bounds = (queries.MAX_PAGE, queries.MAX_DOCUMENTS, queries.MAX_GROUPS, queries.TIME_LIMIT_SECONDS)
    assert bounds == (1_000, 10_000, 10_000, 5.0)
