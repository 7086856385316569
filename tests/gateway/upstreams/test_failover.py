"""Failover: only to LLMs that the client's app could have asked itself, at prices that were known beforehand."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange import Exchange
from gateway.snapshot import App, Snapshot
from gateway.upstreams.failover import dearest_nanos, plan_failover, take_over
from gateway.usage import estimate_tokens
from sluice.dev.vendor import MockVendor
from sluice.money.cost import cost_nanos
from sluice.money.usage import Usage
from tests.gateway.flow import SECONDS, Flow, chat_request, running
from tests.gateway.test_exchange import a_snapshot, an_attempt, an_exchange

PATH = "/v1/chat/completions"
BODY = b'{"model":"gpt-4o","messages":[]}'
PRICES = [
    {"id": "own", "model": "gpt-*", "prompt": "1", "response": "1"},
    {"id": "dear", "model": "big", "prompt": "4", "response": "9"},
    {"id": "euro", "model": "euro", "currency": "EUR", "prompt": "1", "response": "1"},
]
OTHERS = ("b", "c", "d")


def snapshot_of(failover: list[str], **changes: dict[str, Any]) -> Snapshot:
    """LLM ``a`` with this failover list, and the others, changed as they say."""
    llms = [
        {"id": at, "slug": slug, "base_url": f"http://{slug}:1/v1", **changes.get(slug, {})}
        for at, slug in enumerate(("a", *OTHERS), 1)
    ]
    llms[0]["failover"] = failover
    apps = [{"id": 1, "name": "tests", "llms": ["a", *OTHERS]}, {"id": 2, "name": "stranger"}]
    snapshot, _ = a_snapshot(llms=[*llms, {"id": 9, "slug": "demo", "base_url": "http://x"}], apps=apps, prices=PRICES)
    return snapshot


def planned(snapshot: Snapshot, llm_ids: frozenset[int] = frozenset((1, 2, 3, 4)), **values: Any) -> Exchange:
    """An admitted exchange of LLM ``a``."""
    llm = snapshot.llms_by_id[1]
    given = {"app": App(1, "tests", None, llm_ids, "full"), "llm": llm, "model": "gpt-4o", "body": BODY}
    exchange = an_exchange(**{**given, **values})
    if exchange.model is not None:
        exchange.price = snapshot.prices.find(llm.vendor, exchange.model, exchange.occurred_at)
    plan_failover(exchange, llm, snapshot)
    return exchange


def slugs(exchange: Exchange) -> list[str]:
    """Who may take over."""
    return [candidate.llm.slug for candidate in exchange.failover]


def test_the_order_is_the_list_s() -> None:
    """Whatever their ids."""
    assert slugs(planned(snapshot_of(["d", "b"]))) == ["d", "b"]


def test_the_list_of_whoever_takes_over_is_not_followed() -> None:
    """So a loop (a → b → a) ends where it begins, and an operator sees the whole way in one place."""
    snapshot = snapshot_of(["b"], b={"failover": ["a", "c"]})
    assert slugs(planned(snapshot)) == ["b"]


def test_an_llm_is_asked_once() -> None:
    """Its own id in its list, and an id twice, add nothing."""
    snapshot = snapshot_of(["b"])
    looped = dataclasses.replace(snapshot.llms_by_id[1], failover_ids=(1, 2, 1, 2, 3, 2))
    snapshot = dataclasses.replace(snapshot, llms_by_id=MappingProxyType({**snapshot.llms_by_id, 1: looped}))
    assert slugs(planned(snapshot)) == ["b", "c"]


def test_an_llm_that_is_gone_is_left_out() -> None:
    """Deleted, or not active: then it is not in the snapshot."""
    snapshot = snapshot_of(["b", "c"])
    left = {llm_id: llm for llm_id, llm in snapshot.llms_by_id.items() if llm_id != 2}
    assert slugs(planned(dataclasses.replace(snapshot, llms_by_id=left))) == ["c"]


def test_an_app_reaches_only_what_it_is_linked_to() -> None:
    """Failover is no way around a link."""
    assert slugs(planned(snapshot_of(["b", "c"]), frozenset((1, 3)))) == ["c"]
    assert slugs(planned(snapshot_of(["b", "c"]), app=None)) == []


def test_an_llm_takes_over_only_what_it_allows_all_of() -> None:
    """Models that a request names beside its own are in the body that it would get."""
    snapshot = snapshot_of(["b", "c", "d"], b={"allowed_models": ["gpt-.*"]}, c={"allowed_models": ["gpt-.*", "big"]})
    assert slugs(planned(snapshot, further_models=("big",))) == ["c", "d"]
    assert slugs(planned(snapshot, further_models=("gpt-4o-mini",))) == ["b", "c", "d"]


def test_an_llm_that_cannot_be_called_is_left_out() -> None:
    """Its key is missing, say: the next one may have its own."""
    snapshot = snapshot_of(["b", "c"])
    broken = dataclasses.replace(snapshot.llms_by_id[2], problem="no key")
    snapshot = dataclasses.replace(snapshot, llms_by_id=MappingProxyType({**snapshot.llms_by_id, 2: broken}))
    assert slugs(planned(snapshot)) == ["c"]


def test_another_dialect_cannot_take_over() -> None:
    """The client would not understand the answer."""

    class Other(type(snapshot_of([]).llms_by_id[2].dialect)):  # type: ignore[misc]
        family = "other"

    snapshot = snapshot_of(["b", "c"])
    foreign = dataclasses.replace(snapshot.llms_by_id[2], dialect=Other())
    snapshot = dataclasses.replace(snapshot, llms_by_id=MappingProxyType({**snapshot.llms_by_id, 2: foreign}))
    assert slugs(planned(snapshot)) == ["c"]


@pytest.mark.parametrize(("limit", "takes"), [(1, False), (len(BODY) - 1, False), (len(BODY), True), (None, True)])
def test_a_request_too_large_for_an_llm_does_not_reach_it(limit: int | None, takes: bool) -> None:
    """Its own ``max_request_bytes`` holds for what comes by way of another too."""
    assert slugs(planned(snapshot_of(["b"], b={"max_request_bytes": limit}))) == (["b"] if takes else [])


@pytest.mark.parametrize(
    ("other", "model"),
    [
        ({}, "gpt-4o"),
        ({"default_model": "big"}, "gpt-4o"),
        ({"allowed_models": ["gpt-.*"], "default_model": "gpt-x"}, "gpt-4o"),
        ({"allowed_models": ["gpt"]}, None),
        ({"allowed_models": ["big"], "default_model": "big"}, "big"),
        ({"allowed_models": ["big"], "default_model": "biggest"}, None),
        ({"allowed_models": ["big"]}, None),
    ],
)
def test_the_allow_list_of_whoever_takes_over_holds(other: dict[str, Any], model: str | None) -> None:
    """The model that was asked for, else its default one where that is allowed, else it is left out."""
    exchange = planned(snapshot_of(["b"], b=other))
    assert [candidate.model for candidate in exchange.failover] == ([model] if model else [])
    assert [candidate.is_renamed for candidate in exchange.failover] == ([model == "big"] if model else [])


@pytest.mark.parametrize(
    ("values", "other", "models"),
    [
        ({"method": "GET", "body": b""}, {"allowed_models": ["x"]}, [None]),
        ({"method": "GET", "body": b""}, {"default_model": "x"}, [None]),
        ({"method": "DELETE", "body": b""}, {"allowed_models": ["x"]}, [None]),
        ({"method": "PUT", "body": b""}, {"allowed_models": ["x"]}, []),
        ({"body": b"{}"}, {"default_model": "x"}, ["x"]),
        ({"body": b"{}"}, {}, [None]),
        ({"body": b"--form\r\n"}, {"default_model": "x"}, [None]),
        ({"body": b"--form\r\n"}, {"default_model": "x", "allowed_models": ["x"]}, []),
    ],
)
def test_requests_that_name_no_model(values: dict[str, Any], other: dict[str, Any], models: list[str | None]) -> None:
    """A list never passes what cannot be checked; a form, whose model we cannot write, has no default."""
    exchange = planned(snapshot_of(["b"], b=other), model=None, **values)
    assert [candidate.model for candidate in exchange.failover] == models


def test_prices_are_pinned_and_of_one_currency() -> None:
    """What two LLMs may have charged for one exchange is one sum."""
    llms = {slug: {"allowed_models": [model], "default_model": model} for slug, model in (("b", "big"), ("c", "euro"))}
    exchange = planned(snapshot_of(["b", "c", "d"], **llms))
    assert slugs(exchange) == ["b", "d"]
    assert [other.price.id for other in exchange.failover if other.price] == ["dear", "own"]
    exchange = planned(snapshot_of(["c", "b"], **llms), model="unknown")
    assert slugs(exchange) == ["c"]


@pytest.mark.parametrize("budget", [{"monthly_budget_nanos": 1}, {"llm_budgets": {1: 1}}, {}])
def test_under_a_budget_all_have_a_price_or_none_has(budget: dict[str, Any]) -> None:
    """What was held, or passed without, holds for whoever answers; without a budget an outage is worse than a cost that
    is not known."""
    others = {"b": {"allowed_models": ["free"], "default_model": "free"}}
    app = App(1, "tests", None, frozenset((1, 2, 3)), "full", **budget)
    assert slugs(planned(snapshot_of(["b", "c"], **others), app=app)) == (["c"] if budget else ["b", "c"])
    others["c"] = {"allowed_models": ["big"], "default_model": "big"}
    exchange = planned(snapshot_of(["b", "c"], **others), app=app, model="unknown")
    assert slugs(exchange) == (["b"] if budget else ["b", "c"])


def test_an_llm_s_own_budget_is_one_too() -> None:
    """As an app's; one for another LLM is none."""
    others = {"b": {"allowed_models": ["free"], "default_model": "free"}}
    assert slugs(planned(snapshot_of(["b", "c"], a={"monthly_budget": "1"}, **others))) == ["c"]
    app = App(1, "tests", None, frozenset((1, 2, 3, 4)), "full", llm_budgets={4: 1})
    assert slugs(planned(snapshot_of(["b", "c"], **others), app=app)) == ["b", "c"]


def test_an_llm_with_a_budget_that_is_not_held_is_left_out() -> None:
    """Held are the budgets of the LLM that was asked: by way of failover another's, or the app's for it, could be spent
    without end."""
    assert slugs(planned(snapshot_of(["b", "c"], b={"monthly_budget": "1"}))) == ["c"]
    app = App(1, "tests", None, frozenset((1, 2, 3)), "full", llm_budgets={2: 1})
    assert slugs(planned(snapshot_of(["b", "c"]), app=app)) == ["c"]


@given(st.integers(0, 1 << 30), st.integers(0, 1 << 30))
def test_the_dearest_end_is_covered(prompt: int, response: int) -> None:
    """Whoever answers, and whoever may have charged before it was given up; no more than the dearest of these ends."""
    usage = Usage(prompt_tokens=prompt, response_tokens=response)
    ends = []
    for attempts in range(3):
        exchange = planned(EXPENSIVE_CHAIN)
        for candidate in exchange.failover[:attempts]:
            exchange.attempts.append(an_attempt())
            take_over(exchange, candidate, BODY, PATH)
        assert exchange.price
        ends.append(cost_nanos(exchange.price, usage) + (exchange.abandoned_nanos or 0))
    rounding = cost_nanos(EXPENSIVE.failover[0].price, Usage(1, 0)) if EXPENSIVE.failover[0].price else 0
    assert max(ends) - rounding <= dearest_nanos(EXPENSIVE, prompt, response) <= max(ends)


EXPENSIVE_CHAIN = snapshot_of(["b", "c"], b={"allowed_models": ["big"], "default_model": "big"})
EXPENSIVE = planned(EXPENSIVE_CHAIN)


def test_without_any_price_nothing_is_dearest() -> None:
    """And nothing is raised."""
    assert dearest_nanos(planned(snapshot_of(["b"]), model="unknown"), 1, 1) == 0


def test_whoever_takes_over_has_its_own_model_and_price() -> None:
    """Each from the body that was admitted, so that a model that one of them was given does not reach the next."""
    exchange = planned(snapshot_of(["b", "c"], b={"allowed_models": ["big"], "default_model": "big"}))
    first, second = exchange.failover
    take_over(exchange, first, BODY, PATH)
    assert (json.loads(exchange.body), exchange.model) == ({"model": "big", "messages": []}, "big")
    assert (exchange.served_by, exchange.price) == (first.llm, first.price)
    take_over(exchange, second, BODY, PATH)
    assert (exchange.body, exchange.model, exchange.served_by, exchange.price) == (
        BODY, "gpt-4o", second.llm, second.price,
    )  # fmt: skip
    assert exchange.llm is not None
    assert exchange.llm.slug == "a"


def test_what_an_llm_may_have_charged_stays_owed() -> None:
    """The request, at its own price; nothing where its last attempt cannot have been charged."""
    exchange = planned(snapshot_of(["b", "c"], b={"allowed_models": ["big"], "default_model": "big"}))
    exchange.attempts.append(an_attempt(may_be_billed=False))
    first, second = exchange.failover
    take_over(exchange, first, BODY, PATH)
    owed = exchange.abandoned_nanos
    assert owed is None
    exchange.attempts.append(an_attempt())
    take_over(exchange, second, BODY, PATH)
    assert first.price is not None
    prompt = Usage(prompt_tokens=estimate_tokens(len(exchange.body)), response_tokens=0)
    assert exchange.abandoned_nanos is not None
    assert abs(exchange.abandoned_nanos - cost_nanos(first.price, prompt)) <= cost_nanos(first.price, Usage(1, 0))


# the whole flow, with real vendors

CLIENTS = ["lean", "aiohttp"]
BIG = Usage(prompt_tokens=11, response_tokens=7)
"""What the scripted vendor counts."""


class Two(NamedTuple):
    """A gateway whose LLM ``demo`` fails over to ``other``, each with a vendor of its own."""

    flow: Flow
    demo: MockVendor
    other: MockVendor

    async def ask(self, **options: Any) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        """One exchange; its answer, proxy log and analytics."""
        count = len(self.flow.log.exchanges) + 1
        answer = await self.flow.post(**options)
        events = await self.flow.recorded(count)
        return answer, events["proxy_log"], events["analytics"]

    def without_other(self) -> None:
        """The configuration changes: ``other`` is gone."""
        snapshot = self.flow.parts.snapshots.get()
        left = {llm.slug: llm for llm in snapshot.llms_by_id.values() if llm.slug != "other"}
        by_id = {llm.id: llm for llm in left.values()}
        self.flow.parts.snapshots.replace(dataclasses.replace(snapshot, llms_by_slug=left, llms_by_id=by_id))


@contextlib.asynccontextmanager
async def two(
    folder: Path, client: str = "lean", script: dict[str, Any] | None = None, **own: Any
) -> AsyncIterator[Two]:
    """``demo`` does what the script says and has these settings of its own; ``other`` answers ``big`` alone."""
    demo, other = MockVendor(script), MockVendor()
    await demo.start()
    await other.start()
    llms = [
        {"id": 1, "slug": "demo", "base_url": demo.url, "api_key": "demo-key", "failover": ["other"], **own},
        {"id": 2, "slug": "other", "base_url": f"{other.url}/more", "api_key": "other-key",
         "allowed_models": ["big"], "default_model": "big", "failover": ["demo"]},
    ]  # fmt: skip
    apps = [{"id": 1, "name": "tests", "llms": ["demo", "other"]}, {"id": 2, "name": "stranger"}]
    gateway = {"upstream": {"client": client, "retries": 0}}
    try:
        async with running(folder, demo.url, llms=llms, apps=apps, plugins=[], prices=PRICES, gateway=gateway) as flow:
            yield Two(flow, demo, other)
    finally:
        await demo.close()
        await other.close()


def ends(analytics: dict[str, Any]) -> list[tuple[str, int | None, str, bool]]:
    """How each attempt ended."""
    return [
        (each["llm_slug"], each["status"], each["error_kind"], each["may_be_billed"]) for each in analytics["attempts"]
    ]


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_refusal_is_answered_by_the_other(tmp_path: Path, client: str) -> None:
    """Its key, address, base path and model; its price, exactly, and the client is told who answered."""
    async with two(tmp_path, client) as (flow, demo, other):
        for status in (429, 500, 502, 503, 504, 529):
            demo.defaults = dataclasses.replace(demo.defaults, status=status)
            answer, log, analytics = await Two(flow, demo, other).ask()
            assert (answer.status_code, answer.headers["x-sluice-llm"], answer.json()["model"]) == (200, "other", "big")
            assert ends(analytics) == [("demo", status, "", False), ("other", 200, "", True)]
            assert (analytics["cost_nanos"], analytics["cost_status"]) == (11 * 4_000 + 7 * 9_000, "exact")
            assert (analytics["price_id"], analytics["model_name"]) == ("dear", "big")
            assert (log["llm_slug"], log["outcome"], log["upstream_status"]) == ("demo", "ok", 200)
        seen = other.requests[-1]
        assert (seen.path, seen.header("authorization")) == ("/v1/more/chat/completions", "Bearer other-key")
        assert (seen.header("host"), json.loads(seen.body)["model"]) == (f"127.0.0.1:{other.port}", "big")


@pytest.mark.parametrize("client", CLIENTS)
async def test_an_unreachable_vendor_is_answered_for_exactly(tmp_path: Path, client: str) -> None:
    """Nothing reached it, so nothing of it is charged."""
    async with two(tmp_path, client, base_url="http://127.0.0.1:1/v1", retry_count=1) as (flow, demo, other):
        answer, _, analytics = await Two(flow, demo, other).ask()
        assert answer.headers["x-sluice-llm"] == "other"
        assert ends(analytics) == [("demo", None, "unreachable", False)] * 2 + [("other", 200, "", True)]
        assert (analytics["cost_nanos"], analytics["cost_status"]) == (cost_of("dear", BIG), "exact")


def cost_of(price_id: str, usage: Usage) -> int:
    """At the price list of these tests."""
    price = snapshot_of([]).prices.by_id(price_id)
    assert price is not None
    return cost_nanos(price, usage)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("script", "kind"), [({"hang": "head"}, "timeout_first_byte"), ({"garbage": "head"}, "protocol")]
)
async def test_what_the_first_may_have_charged_is_estimated(
    tmp_path: Path, client: str, script: dict[str, Any], kind: str
) -> None:
    """It is not asked again, whatever its retries; the sum is its request and the other's own count, and no more exact
    than that."""
    patience = 0.2 if "hang" in script else 20
    async with two(tmp_path, client, script, timeout_seconds=patience, retry_count=5) as (flow, demo, other):
        answer, log, analytics = await Two(flow, demo, other).ask()
        assert (answer.status_code, answer.headers["x-sluice-llm"]) == (200, "other")
        assert ends(analytics) == [("demo", None, kind, True), ("other", 200, "", True)]
        asked = estimate_tokens(len(demo.requests[0].body))
        assert analytics["cost_nanos"] == cost_of("own", Usage(asked, 0)) + cost_of("dear", BIG)
        assert (analytics["cost_status"], analytics["prompt_tokens"]) == ("estimated", 11)
        assert (log["outcome"], log["error_kind"]) == ("ok", "")


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_stream_is_answered_by_the_other(tmp_path: Path, client: str) -> None:
    """As if it had been asked."""
    async with two(tmp_path, client, {"status": 503}) as (flow, demo, other):
        body = {"model": "gpt-4o", "messages": [], "stream": True}
        answer, log, analytics = await Two(flow, demo, other).ask(body=body)
        assert answer.text.endswith("data: [DONE]\n\n")
        assert (answer.headers["x-sluice-llm"], log["is_stream"], log["outcome"]) == ("other", True, "ok")
        assert (analytics["cost_nanos"], analytics["cost_status"]) == (cost_of("dear", BIG), "exact")


async def test_where_all_fail_the_last_is_the_client_s(tmp_path: Path) -> None:
    """Its status and headers; both refused, so nothing is charged, and that is sure."""
    async with two(tmp_path, script={"status": 503}) as (flow, demo, other):
        other.defaults = dataclasses.replace(other.defaults, status=429, retry_after="7")
        answer, log, analytics = await Two(flow, demo, other).ask()
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
        assert answer.headers["x-sluice-llm"] == "other"
        assert ends(analytics) == [("demo", 503, "", False), ("other", 429, "", True)]
        assert (log["outcome"], analytics["cost_nanos"], analytics["cost_status"]) == ("upstream_error", 0, "exact")


async def test_where_none_can_be_reached_the_client_is_told_so(tmp_path: Path) -> None:
    """By our own refusal, which says who was asked last."""
    async with two(tmp_path, base_url="http://127.0.0.1:1/v1") as (flow, demo, other):
        await other.close()
        answer, log, analytics = await Two(flow, demo, other).ask()
        assert (answer.status_code, answer.headers["x-sluice-llm"]) == (502, "other")
        assert (log["outcome"], analytics["cost_nanos"]) == ("upstream_unreachable", None)
        assert [each[:3] for each in ends(analytics)] == [
            ("demo", None, "unreachable"), ("other", None, "unreachable"),
        ]  # fmt: skip


@pytest.mark.parametrize("script", [{"cut_after": 5}, {"hang": "body"}])
async def test_an_answer_that_has_begun_is_not_asked_for_elsewhere(tmp_path: Path, script: dict[str, Any]) -> None:
    """It was charged, and part of it may be out already."""
    async with two(tmp_path, script=script, retry_count=3) as (flow, demo, other):
        asking = asyncio.create_task(flow.post())  # noqa: TID251 - it ends with the test
        async with asyncio.timeout(SECONDS):
            while not demo.served_count:  # noqa: ASYNC110 - the vendor's
                await asyncio.sleep(0.002)
        demo.disconnect()
        await asyncio.wait([asking])
        assert asking.exception() is not None or not asking.result().is_success
        events = await flow.recorded()
        assert (demo.served_count, other.served_count) == (1, 0)
        assert events["proxy_log"]["partial"]
        assert events["analytics"]["cost_status"] == "estimated"


async def test_a_client_that_is_answered_at_once_is_told_nothing(tmp_path: Path) -> None:
    """No header, whatever the vendor says, and one attempt."""
    async with two(tmp_path) as (flow, demo, other):
        answer, _, analytics = await Two(flow, demo, other).ask()
        assert "x-sluice-llm" not in answer.headers
        assert ends(analytics) == [("demo", 200, "", True)]
        assert (analytics["cost_nanos"], other.served_count) == (cost_of("own", BIG), 0)


async def test_what_an_exchange_reserves_covers_whoever_answers(tmp_path: Path) -> None:
    """At the dearest of their prices, before any is called."""
    async with two(tmp_path, script={"status": 503}) as (flow, demo, other):
        body = {"model": "gpt-4o", "messages": [], "max_tokens": 100}
        await Two(flow, demo, other).ask(body=body)
        budget = flow.log.exchanges[-1]["budget"]
        assert budget["reserved_nanos"] >= 100 * 9_000
        assert budget["cost_nanos"] == cost_of("dear", BIG)


async def test_a_change_in_the_middle_of_an_exchange_is_the_next_one_s(tmp_path: Path) -> None:
    """The LLM that may take over is removed while the first one is asked: it was found, and its price reserved, at
    admission; from the next request on it is gone."""
    async with two(tmp_path, script={"hang": "head"}, timeout_seconds=0.3) as case:
        async with asyncio.TaskGroup() as tasks, asyncio.timeout(SECONDS):
            asking = tasks.create_task(case.ask())
            while not case.demo.requests:  # noqa: ASYNC110 - the vendor's
                await asyncio.sleep(0.002)
            case.without_other()
        answer, _, _ = asking.result()
        assert (answer.status_code, answer.headers["x-sluice-llm"]) == (200, "other")
        answer, log, analytics = await case.ask()
        assert (answer.status_code, log["outcome"]) == (504, "upstream_timeout")
        assert ends(analytics) == [("demo", None, "timeout_first_byte", True)]
        assert analytics["cost_status"] == "estimated"
        assert case.other.served_count == 1


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_refusal_is_repeated_and_then_answered_for(tmp_path: Path, client: str) -> None:
    """An LLM's own retries first; a vendor that asks for a longer pause than a client waits has none."""
    async with two(tmp_path, client, {"status": 503}, retry_count=1) as case:
        answer, _, analytics = await case.ask()
        assert ends(analytics) == [("demo", 503, "", False)] * 2 + [("other", 200, "", True)]
        assert (answer.status_code, analytics["cost_nanos"]) == (200, cost_of("dear", BIG))
        case.demo.defaults = dataclasses.replace(case.demo.defaults, retry_after="30")
        _, _, analytics = await case.ask()
        assert ends(analytics) == [("demo", 503, "", False), ("other", 200, "", True)]


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_client_that_leaves_in_a_pause_ends_it_all(tmp_path: Path, client: str) -> None:
    """No vendor is called for nobody, and what refused is not charged."""
    async with two(tmp_path, client, {"status": 503, "retry_after": "1"}, retry_count=5) as (flow, demo, other):
        host, port = flow.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(chat_request())
        async with asyncio.timeout(SECONDS):
            while not any(one.attempts for one in flow.parts.sweep.exchanges):  # noqa: ASYNC110 - another task's
                await asyncio.sleep(0.002)
        writer.close()
        events = await flow.recorded()
        assert (events["proxy_log"]["outcome"], ends(events["analytics"])) == (
            "client_closed", [("demo", 503, "", False)],
        )  # fmt: skip
        assert events["analytics"]["cost_nanos"] is None
        assert (demo.served_count, other.served_count) == (1, 0)
