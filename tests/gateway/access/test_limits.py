"""Limits: exact over all workers, counted in all or in none, given back when an exchange ends or its worker dies."""

from __future__ import annotations

import asyncio
import hashlib
import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.access.limits import APP_OPEN, Limits
from gateway.access.rates import BUCKET_NS, BUCKETS, WINDOW_NS
from gateway.access.shared_table import OPEN, SharedTable
from gateway.exchange import Exchange
from gateway.outcomes import Overloaded, RateLimited
from gateway.snapshot import App, Llm
from sluice.dev.vendor import MockVendor
from sluice.money.usage import Usage
from tests.gateway.access.subjects import an_app, an_llm
from tests.gateway.flow import SECONDS, TOKEN, Flow, running

START = 1_000 * BUCKET_NS
FORK = multiprocessing.get_context("fork")
EACH_TRIES, LIMIT = 300, 37


class Clock:
    """A monotonic clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.nanos = START

    def __call__(self) -> int:
        return self.nanos


def an_exchange() -> Exchange:
    """One that limits see for the first time; of its other fields they look at its usage alone."""
    unused: Any = None
    return Exchange("", 0, 0, "POST", unused, [], b"", "", unused)


class World:
    """The limits of one worker, on a table of their own."""

    def __init__(self, folder: Path, gateways: int = 1) -> None:
        self.clock = Clock()
        self.table = SharedTable(folder, "w0", max_rows=1024)
        self.limits = Limits(self.table, gateways, self.clock)

    def admit(self, app: App, llm: Llm | None = None, tokens: int = 0) -> Exchange:
        """One exchange; raises what keeps it out."""
        exchange = an_exchange()
        self.limits.admit(exchange, llm or an_llm(), app, tokens)
        return exchange

    def refused(self, app: App, llm: Llm | None = None, tokens: int = 0) -> RateLimited:
        """One exchange that must be kept out."""
        with pytest.raises(RateLimited) as caught:
            self.admit(app, llm, tokens)
        return caught.value


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """One worker's."""
    made = World(tmp_path)
    yield made
    made.table.close()


def header(refusal: RateLimited, name: str) -> int:
    """A number that the client is told."""
    return int(dict(refusal.headers)[name.encode()])


def test_without_limits_nothing_is_counted(world: World) -> None:
    """No row, no hold, and no look at the table."""
    rows = list(world.table.used_rows())
    exchange = world.admit(an_app(), tokens=1 << 40)
    assert exchange.limit_hold is None
    assert list(world.table.used_rows()) == rows
    world.limits.settle(exchange)


LIMITED = [
    ({"rate_limit_rpm": 3}, {}, "app 'app-1' may have 3 requests a minute and has 0 left"),
    ({}, {"rate_limit_rpm": 3}, "LLM 'llm-1' may have 3 requests a minute and has 0 left"),
    ({"rate_limit_tpm": 30}, {}, "app 'app-1' may have 30 tokens a minute and has 0 left; this one may use 10"),
    ({}, {"rate_limit_tpm": 30}, "LLM 'llm-1' may have 30 tokens a minute and has 0 left; this one may use 10"),
    ({"max_concurrent": 3}, {}, "app 'app-1' may have 3 exchanges under way at once, and has them"),
]


@pytest.mark.parametrize(("of_app", "of_llm", "message"), LIMITED)
def test_a_refusal_names_the_limit(world: World, of_app: dict[str, int], of_llm: dict[str, int], message: str) -> None:
    """Whose it is, of what, and how much is left: 429, and the connection goes on."""
    app, llm = an_app(**of_app), an_llm(**of_llm)
    for _ in range(3):
        world.admit(app, llm, 10)
    refusal = world.refused(app, llm, 10)
    assert refusal.message == message
    assert (refusal.status, refusal.outcome, refusal.code, refusal.close) == (
        429,
        "rate_limited",
        "rate_limited",
        False,
    )
    assert header(refusal, "x-ratelimit-remaining") == 0
    assert 1 <= header(refusal, "retry-after") <= header(refusal, "x-ratelimit-reset") <= 64


def test_the_headers_say_what_is_left_and_when(world: World) -> None:
    """Retry-After is when this one fits, Reset when all is free again."""
    app = an_app(rate_limit_tpm=100)
    world.admit(app, tokens=60)
    world.clock.nanos += 10 * BUCKET_NS
    world.admit(app, tokens=30)
    refusal = world.refused(app, tokens=20)
    assert header(refusal, "x-ratelimit-limit") == 100
    assert header(refusal, "x-ratelimit-remaining") == 10
    assert header(refusal, "retry-after") == -(-10 * BUCKET_NS // 10**9)
    assert header(refusal, "x-ratelimit-reset") == -(-20 * BUCKET_NS // 10**9)
    world.clock.nanos += header(refusal, "retry-after") * 10**9
    world.admit(app, tokens=20)


def test_apps_and_llms_have_limits_of_their_own(world: World) -> None:
    """One that is used up leaves the others alone, also where an app and an LLM have the same id."""
    llm = an_llm(1, rate_limit_rpm=2)
    world.admit(an_app(1, rate_limit_rpm=1), llm)
    world.refused(an_app(1, rate_limit_rpm=1), an_llm(2))
    world.admit(an_app(2, rate_limit_rpm=1), llm)
    assert "LLM" in world.refused(an_app(3), llm).message
    world.admit(an_app(4, rate_limit_rpm=1), an_llm(2, rate_limit_rpm=1))


def test_an_app_s_limit_is_over_all_its_llms(world: World) -> None:
    """Requests, and what is under way."""
    app = an_app(rate_limit_rpm=2)
    world.admit(app, an_llm(1))
    world.admit(app, an_llm(2))
    world.refused(app, an_llm(3))


ALL = {"rate_limit_rpm": 10, "rate_limit_tpm": 100, "max_concurrent": 5}


@pytest.mark.parametrize(
    ("of_app", "of_llm"),
    [
        ({"max_concurrent": 1}, {}),
        ({}, {"rate_limit_rpm": 1}),
        ({"rate_limit_tpm": 10}, {}),
        ({}, {"rate_limit_tpm": 10}),
    ],
)
def test_who_is_refused_is_counted_nowhere(world: World, of_app: dict[str, int], of_llm: dict[str, int]) -> None:
    """A limit that is used up takes nothing of the others, however often it is asked."""
    tight, tight_llm = an_app(**{**ALL, **of_app}), an_llm(**of_llm)
    world.admit(tight, tight_llm, 10)
    for _ in range(50):
        world.refused(tight, tight_llm, 10)
    wide = an_app(**ALL)
    for _ in range(4):
        world.admit(wide, an_llm(2), 20)
    assert "app-1" in world.refused(wide, an_llm(2), 20).message


def test_tokens_are_settled_to_what_was_used(world: World) -> None:
    """What was held and not used is there for the next; what was used beyond is counted."""
    app = an_app(rate_limit_tpm=100)
    exchange = world.admit(app, tokens=90)
    world.refused(app, tokens=20)
    exchange.usage = Usage(prompt_tokens=20, response_tokens=10)
    world.limits.settle(exchange)
    second = world.admit(app, tokens=70)
    second.usage = Usage(prompt_tokens=100, response_tokens=None)
    world.limits.settle(second)
    assert header(world.refused(app, tokens=1), "x-ratelimit-remaining") == 0


@pytest.mark.parametrize("usage", [None, Usage(), Usage(prompt_tokens=-5, response_tokens=-7)])
def test_an_exchange_that_used_nothing_gives_all_back(world: World, usage: Usage | None) -> None:
    """It was refused later, or failed; and nobody earns tokens by it."""
    app = an_app(rate_limit_tpm=100)
    exchange = world.admit(app, tokens=100)
    exchange.usage = usage
    world.limits.settle(exchange)
    world.admit(app, tokens=100)
    world.refused(app, tokens=1)


def test_settling_twice_is_settling_once(world: World) -> None:
    """However an exchange ends."""
    app = an_app(max_concurrent=1, rate_limit_tpm=100)
    exchange = world.admit(app, tokens=10)
    for _ in range(3):
        world.limits.settle(exchange)
    world.admit(app, tokens=10)
    world.refused(app)


def test_an_exchange_larger_than_a_limit_passes_an_empty_window(world: World) -> None:
    """Or it never could; its worst case is more than it will use."""
    app = an_app(rate_limit_tpm=100)
    exchange = world.admit(app, tokens=5_000)
    world.refused(app, tokens=1)
    exchange.usage = Usage(prompt_tokens=40, response_tokens=0)
    world.limits.settle(exchange)
    world.admit(app, tokens=60)
    world.refused(app, tokens=5_000)


def test_an_exchange_that_nobody_meters_needs_no_tokens(world: World) -> None:
    """A list of models passes where all tokens of a minute are used; it is a request like any other."""
    app = an_app(rate_limit_tpm=10, rate_limit_rpm=2)
    exchange = world.admit(app, tokens=10)
    exchange.usage = Usage(prompt_tokens=30, response_tokens=0)
    world.limits.settle(exchange)
    world.refused(app, tokens=1)
    world.admit(app, tokens=0)
    assert "requests" in world.refused(app, tokens=0).message


def test_a_request_stays_counted_when_it_ends(world: World) -> None:
    """A rate is of what was begun, whatever tokens it gives back."""
    app = an_app(rate_limit_rpm=1, rate_limit_tpm=10)
    world.limits.settle(world.admit(app, tokens=10))
    world.refused(app)
    world.clock.nanos += BUCKETS * BUCKET_NS
    world.admit(app)


def test_what_ends_makes_room_for_another(world: World) -> None:
    """At once."""
    app = an_app(max_concurrent=2)
    first, _ = world.admit(app), world.admit(app)
    refusal = world.refused(app)
    assert (header(refusal, "retry-after"), header(refusal, "x-ratelimit-limit")) == (1, 2)
    world.limits.settle(first)
    world.admit(app)
    world.refused(app)


@pytest.mark.parametrize(("limit", "share"), [(10, 2), (4, 1), (3, 1), (1, 1)])
def test_gateways_share_a_limit(tmp_path: Path, limit: int, share: int) -> None:
    """``limits.gateways``: each its even part, rounded down, so that together they keep it; at least one."""
    world = World(tmp_path, gateways=4)
    app = an_app(rate_limit_rpm=limit)
    for _ in range(share):
        world.admit(app)
    assert header(world.refused(app), "x-ratelimit-limit") == share
    world.table.close()


def test_a_changed_limit_holds_for_the_next_exchange(world: World) -> None:
    """The app's or the LLM's; what was counted stays counted."""
    app, llm = an_app(), an_llm()
    for _ in range(3):
        world.admit(an_app(rate_limit_rpm=3), llm)
    world.refused(an_app(rate_limit_rpm=3), llm)
    world.admit(an_app(rate_limit_rpm=4), llm)
    world.refused(an_app(rate_limit_rpm=1), llm)
    world.admit(app, llm)
    world.admit(app, an_llm(rate_limit_rpm=1))
    world.refused(app, an_llm(rate_limit_rpm=1))
    world.admit(app, an_llm(rate_limit_rpm=2))


def test_a_limit_that_cannot_be_counted_refuses(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is no reason to let everybody through; the client may try again."""

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(world.table, "row", full)
    with pytest.raises(Overloaded, match="limits cannot be counted"):
        world.admit(an_app(rate_limit_rpm=1))
    monkeypatch.undo()
    world.admit(an_app(rate_limit_rpm=1))


def test_a_table_that_is_full_refuses(tmp_path: Path) -> None:
    """And frees the lock."""
    world = World(tmp_path)
    for app_id in range(1, 1025):
        world.table.row((8, app_id, 0, 0))
    for _ in range(2):
        with pytest.raises(Overloaded, match="no row left"):
            world.admit(an_app(2000, rate_limit_rpm=1))
    world.admit(an_app(7, rate_limit_rpm=1))
    world.table.close()


def test_plans_do_not_pile_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of apps that were here once is bounded, and forgetting it changes no count."""
    monkeypatch.setattr("gateway.access.limits._MAX_PLANS", 3)
    apps = [an_app(number, rate_limit_rpm=1) for number in range(1, 9)]
    for app in apps:
        world.admit(app)
        assert len(world.limits._plans) <= 3
    for app in apps:
        world.refused(app)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["admit", "settle", "wait"]), st.integers(0, 60), st.integers(0, 2)), max_size=60
    )
)
def test_limits_hold_in_any_order_of_events(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int]]
) -> None:
    """Concurrent exchanges, requests in any sixty seconds, and tokens that are held or used, of two apps and an LLM."""
    world = World(tmp_path_factory.mktemp("limits"))
    apps = [an_app(number, rate_limit_rpm=5, rate_limit_tpm=100, max_concurrent=2) for number in (1, 2)]
    llm = an_llm(rate_limit_rpm=7)
    begun: list[tuple[int, int]] = []
    under_way: list[tuple[int, Exchange]] = []
    for step, number, which in steps:
        if step == "wait":
            world.clock.nanos += number * 10**9
        elif step == "settle" and under_way:
            _, exchange = under_way.pop(number % len(under_way))
            exchange.usage = Usage(prompt_tokens=which, response_tokens=0)
            world.limits.settle(exchange)
        elif step == "admit":
            app = apps[which % 2]
            try:
                under_way.append((app.id, world.admit(app, llm, number)))
            except RateLimited:
                continue
            begun.append((world.clock.nanos, app.id))
        for app in apps:
            assert sum(app_id == app.id for app_id, _ in under_way) <= 2
    for end, _ in begun:
        window = [app_id for at, app_id in begun if end - WINDOW_NS <= at <= end]
        assert len(window) <= 7
        assert max(window.count(1), window.count(2)) <= 5
    for _, exchange in under_way:
        world.limits.settle(exchange)
    for app in apps:
        assert world.table.total(world.table.row((APP_OPEN, app.id, 0, 0)), OPEN) == 0
    world.table.close()


def hammer(folder: Path, worker: str, of_app: dict[str, int], results: Connection) -> None:
    """A worker that tries as often as it can, and stays until it is told."""
    table = SharedTable(folder, worker, max_rows=1024)
    limits, app, llm, admitted = Limits(table), an_app(**of_app), an_llm(), 0
    results.send("ready")
    results.recv()
    for _ in range(EACH_TRIES):
        try:
            limits.admit(an_exchange(), llm, app, 1)
        except RateLimited:
            continue
        admitted += 1
    results.send(admitted)
    results.recv()


class Workers:
    """Processes of one host."""

    def __init__(self, folder: Path, count: int, of_app: dict[str, int]) -> None:
        self.pipes: list[Connection] = []
        self.processes = []
        for number in range(count):
            ours, theirs = FORK.Pipe()
            process = FORK.Process(target=hammer, args=(folder, f"w{number}", of_app, theirs), daemon=True)
            process.start()
            self.pipes.append(ours)
            self.processes.append(process)

    def run(self) -> list[int]:
        """How many exchanges each let in, all at the same time."""
        for pipe in self.pipes:
            assert pipe.poll(10)
            assert pipe.recv() == "ready"
        for pipe in self.pipes:
            pipe.send("go")
        for pipe in self.pipes:
            assert pipe.poll(20)
        return [pipe.recv() for pipe in self.pipes]

    def kill(self) -> None:
        """-9."""
        for process in self.processes:
            assert process.pid
            os.kill(process.pid, signal.SIGKILL)
            process.join(10)


@pytest.mark.parametrize("of_app", [{"rate_limit_rpm": LIMIT}, {"rate_limit_tpm": LIMIT}, {"max_concurrent": LIMIT}])
def test_four_workers_let_in_exactly_the_limit(tmp_path: Path, of_app: dict[str, int]) -> None:
    """1,200 at once, of which 37 may."""
    workers = Workers(tmp_path, 4, of_app)
    try:
        assert sum(workers.run()) == LIMIT
    finally:
        workers.kill()


def test_a_killed_worker_s_exchanges_are_under_way_until_its_name_is_there_again(tmp_path: Path) -> None:
    """Then nothing of it is: its place is free for others."""
    app = {"max_concurrent": LIMIT}
    workers = Workers(tmp_path, 2, app)
    try:
        first, second = workers.run()
    finally:
        workers.kill()
    other = SharedTable(tmp_path, "w2", max_rows=1024)
    limits = Limits(other)
    with pytest.raises(RateLimited):
        limits.admit(an_exchange(), an_llm(), an_app(**app), 0)
    again = SharedTable(tmp_path, "w0", max_rows=1024)
    with again.lock:
        again.let_go()
    for _ in range(first):
        limits.admit(an_exchange(), an_llm(), an_app(**app), 0)
    with pytest.raises(RateLimited):
        limits.admit(an_exchange(), an_llm(), an_app(**app), 0)
    assert first + second == LIMIT
    again.close()
    other.close()


def flow_of(
    folder: Path, vendor: MockVendor, gateway: dict[str, Any] | None = None, **of_app: int
) -> AbstractAsyncContextManager[Flow]:
    """A running gateway whose app has these limits."""
    app = {"id": 1, "name": "tests", "llms": ["demo", "nowhere"], **of_app}
    token = {"app": 1, "sha256": hashlib.sha256(TOKEN.encode()).hexdigest()}
    return running(folder, vendor.url, apps=[app], tokens=[token], gateway=gateway or {})


async def test_a_client_over_its_limit_is_answered_and_recorded(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """429 in the vendor's shape with the headers that SDKs read; two events, and the vendor was not called."""
    async with flow_of(tmp_path, mock_vendor, rate_limit_rpm=2) as flow:
        assert [(await flow.post()).status_code for _ in range(2)] == [200, 200]
        answer = await flow.post()
        events = await flow.recorded(3)
        assert flow.metrics.exchanges.value("rate_limited") == 1
    assert answer.status_code == 429
    assert answer.json()["error"]["code"] == "rate_limited"
    assert answer.json()["error"]["type"] == "rate_limit_error"
    assert "app 'tests'" in answer.json()["error"]["message"]
    assert answer.headers["x-ratelimit-limit"] == "2"
    assert answer.headers["x-ratelimit-remaining"] == "0"
    assert 1 <= int(answer.headers["retry-after"]) <= int(answer.headers["x-ratelimit-reset"]) <= 64
    assert set(events) == {"proxy_log", "analytics"}
    for event in events.values():
        assert (event["outcome"], event["app_id"]) == ("rate_limited", 1)
    assert events["proxy_log"]["upstream_status"] is None


async def test_tokens_that_were_not_used_are_there_for_the_next(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """4,096 tokens may be answered, 15 are: one after the other passes, until what was used fills the minute."""
    async with flow_of(tmp_path, mock_vendor, rate_limit_tpm=5_000) as flow:
        for _ in range(3):
            assert (await flow.post(script="prompt_tokens=10;response_tokens=5")).status_code == 200
        assert (await flow.post(script="prompt_tokens=3000;response_tokens=1500")).status_code == 200
        answer = await flow.post()
    assert answer.status_code == 429
    assert "tokens a minute and has 455 left" in answer.json()["error"]["message"]
    assert answer.headers["x-ratelimit-remaining"] == "455"


async def test_no_more_are_under_way_than_may_be(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """While three wait for a silent vendor no other passes; when they are gone, however they went, others do."""
    gateway = {"upstream": {"first_byte_timeout_seconds": 3.0}}
    async with flow_of(tmp_path, mock_vendor, gateway, max_concurrent=3) as flow, asyncio.timeout(SECONDS):
        under_way = flow.share.table.row((APP_OPEN, 1, 0, 0))
        async with asyncio.TaskGroup() as tasks:
            silent = [tasks.create_task(flow.post(script="hang=head")) for _ in range(3)]
            while flow.share.table.total(under_way, OPEN) < 3:  # noqa: ASYNC110 - another task's doing
                await asyncio.sleep(0.001)
            assert (await flow.post()).status_code == 429
        assert [task.result().status_code for task in silent] == [504] * 3
        for slug, script in (("demo", "status=500"), ("demo", "garbage=1"), ("nowhere", "")) * 2:
            assert (await flow.post(slug, script)).status_code in {500, 502}
        assert (await flow.post()).status_code == 200
        await flow.recorded(11)
        assert flow.share.table.total(under_way, OPEN) == 0
