"""The recorder: every outcome is counted, what is durable is said to be, and rooms and slots are given back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.access.budget_rows import Budget, BudgetRows
from gateway.access.ledger import APP as APP_SCOPE
from gateway.access.settlement import Worth
from gateway.exchange import Exchange
from gateway.recording.backlog import Backlog
from gateway.recording.events import EventBuilder
from gateway.recording.inflight import InFlightFile
from gateway.recording.keeping import SLOW_BYTES
from gateway.recording.recorder import Recorder, TokenBucket, network_of
from gateway.recording.recovery import ChargeRule
from gateway.snapshot import App
from gateway.telemetry import GatewayMetrics
from sluice.clock import now_micros
from sluice.eventlog.interface import Boot, CommitFailedError, CommitTimeoutError, EventLogError
from sluice.money.usage import Usage
from tests.gateway.access.sharing import a_share, held_in, spent_in
from tests.gateway.memory_log import MemoryLog
from tests.gateway.test_exchange import a_snapshot, an_exchange

SNAPSHOT, LLM = a_snapshot()
APP = SNAPSHOT.apps[1]


class Bench:
    """A recorder with everything it writes to."""

    def __init__(self, folder: Path, *, slots: int = 2, per_second: int = 1) -> None:
        self.log = MemoryLog()
        self.metrics = GatewayMetrics()
        self.inflight = InFlightFile(folder / "inflight", slots)
        boot = Boot("gateway-1", "w0", "boot-1")
        rule = ChargeRule("reserved", SNAPSHOT.prices)
        self.share = a_share(folder)
        self.backlog = Backlog(self.log, self.inflight, boot, rule, lambda _: (), self.share.budgets)
        self.recorder = Recorder(
            log=self.log,
            builder=EventBuilder(boot, 1000, 1 << 20),
            inflight=self.inflight,
            backlog=self.backlog,
            budgets=self.share.budgets,
            mark=lambda: (3, 4096),
            metrics=self.metrics,
            unauthenticated_per_second=per_second,
        )

    def begun(self, **values: Any) -> Exchange:
        """An exchange of a known app, with room, whose upstream call has begun."""
        known = {"app": APP, "llm": LLM, "outcome": "ok", "model": "gpt-4o"}
        exchange = an_exchange(**{**known, **values})
        assert self.recorder.reserve(exchange)
        assert self.recorder.begin_upstream(exchange, LLM)
        return exchange

    def hold(self, nanos: int) -> tuple[int, ...]:
        """Held in an app's budget."""
        rows = BudgetRows(self.share.table).hold([Budget((APP_SCOPE, 1, 0, 0), 1 << 60, 1000)], nanos, anyway=True)
        assert isinstance(rows, tuple)
        return rows

    def refused(self, **values: Any) -> Exchange:
        """An exchange refused before an app was known."""
        exchange = an_exchange(**{"outcome": "auth_failed", **values})
        self.recorder.reserve(exchange)
        return exchange


@pytest.fixture(name="bench")
def bench_in_folder(tmp_path: Path) -> Bench:
    """Two slots, and one refusal a second."""
    return Bench(tmp_path)


async def test_an_exchange_leaves_its_events_and_nothing_else(bench: Bench) -> None:
    """Recorded and counted once; its slot and its room are given back, once."""
    exchange = bench.begun()
    assert bench.log.reserved == 1
    assert await bench.recorder.record(exchange)
    for _ in range(2):
        bench.recorder.close(exchange)
    assert set(bench.log.exchanges[0]) == {"proxy_log", "analytics"}
    assert bench.metrics.exchanges.value("ok") == 1
    assert bench.log.reserved == 0
    assert list(bench.inflight.open_slots()) == []


def test_a_slot_says_what_a_kill_must_not_lose(bench: Bench) -> None:
    """Who, what, the price, and where the journal ended."""
    exchange = bench.begun(
        body=b"12345", reserved_nanos=77, is_stream=True, price=SNAPSHOT.prices.find("openai", "gpt-4o", 1)
    )
    exchange.response_bytes, exchange.sse_frames = 10, 2
    bench.recorder.progress(exchange)
    ((slot, kept),) = bench.inflight.open_slots()
    assert slot == exchange.slot
    assert (kept.exchange_id, kept.app_id, kept.user_id, kept.llm_id) == (exchange.exchange_id, 1, 7, 1)
    assert (kept.segment, kept.segment_bytes) == (3, 4096)
    assert (kept.reserved_nanos, kept.request_bytes, kept.is_stream) == (77, 5, True)
    assert (kept.llm_slug, kept.vendor, kept.model, kept.price_id) == ("demo", "openai", "gpt-4o", "gpt")
    assert (kept.request_id, kept.method_path) == ("request-1", "POST /chat/completions")
    assert (kept.response_bytes, kept.sse_frames) == (10, 2)


def test_a_slot_says_in_which_periods_its_exchange_is_charged(bench: Bench) -> None:
    """The app's and the LLM's, each by its own day: values go to the slot by their places."""
    app = replace(APP, budget_reset_day=5, time_zone="Asia/Tokyo")
    exchange = an_exchange(app=app, holds=(4, 6))
    assert bench.recorder.begin_upstream(exchange, replace(LLM, budget_reset_day=9))
    ((_, kept),) = bench.inflight.open_slots()
    assert (kept.app_reset_day, kept.llm_reset_day, kept.time_zone) == (5, 9, "Asia/Tokyo")
    assert (kept.occurred_at, kept.rows) == (exchange.occurred_at, (4, 6))


def test_without_a_free_slot_no_upstream_call_begins(bench: Bench) -> None:
    """An exchange that a kill would lose is not begun; a slot that is given back is the next one's."""
    first, _ = bench.begun(), bench.begun()
    third = an_exchange(app=APP)
    assert not bench.recorder.begin_upstream(third, LLM)
    bench.recorder.progress(third)
    bench.recorder.close(first)
    assert bench.recorder.begin_upstream(third, LLM)


def test_progress_without_a_slot_is_nothing(bench: Bench) -> None:
    """Before the call and after the record."""
    bench.recorder.progress(an_exchange())
    assert list(bench.inflight.open_slots()) == []


@pytest.mark.parametrize("error", [CommitFailedError("disk full"), CommitTimeoutError("no answer")])
async def test_what_is_not_durable_is_said_and_kept_for_the_next_boot(bench: Bench, error: EventLogError) -> None:
    """The last byte must not go out; the slot stays open, the room is given back, the failure is counted by kind."""
    exchange = bench.begun()
    bench.log.error = error
    assert not await bench.recorder.record(exchange)
    bench.recorder.close(exchange)
    assert [kept.exchange_id for _, kept in bench.inflight.open_slots()] == [exchange.exchange_id]
    assert bench.log.reserved == 0
    assert bench.metrics.commit_failures.value(type(error).__name__) == 1
    assert bench.metrics.exchanges.value("ok") == 1


async def test_a_log_that_recovers_finds_a_gateway_that_serves(bench: Bench) -> None:
    """A disk that was full, a Kafka that was slow: when it is over, exchanges go through again without a restart."""
    bench.log.error = CommitTimeoutError("no answer")
    for _ in range(2):
        exchange = bench.begun()
        assert not await bench.recorder.record(exchange)
        bench.recorder.close(exchange)
    assert not bench.recorder.begin_upstream(an_exchange(app=APP), LLM)
    bench.log.error = None
    await bench.backlog.settle()
    assert bench.recorder.begin_upstream(an_exchange(app=APP), LLM)
    assert [each["proxy_log"]["outcome"] for each in bench.log.exchanges] == ["ok", "ok"]


@pytest.mark.parametrize("fails", [False, True])
async def test_what_a_record_waits_for_its_disk_is_no_time_of_its_exchange(bench: Bench, *, fails: bool) -> None:
    """That ends with its outcome, however late events are encoded: by the log, or for the backlog where that failed."""
    exchange = bench.begun()
    bench.log.released.clear()
    async with asyncio.TaskGroup() as tasks:
        recording = tasks.create_task(bench.recorder.record(exchange))
        while not bench.log.waiting:  # noqa: ASYNC110 - the commit gets there in a few turns of the loop
            await asyncio.sleep(0)
        exchange.started_ns -= 60_000_000_000  # as if it waited for a minute
        bench.log.error = CommitFailedError("the disk does not answer") if fails else None
        bench.log.released.set()
    assert recording.result() is not fails
    bench.log.error = None
    await bench.backlog.settle()
    (events,) = bench.log.exchanges
    log, usage = events["proxy_log"], events["analytics"]
    assert log["outcome"] == "ok"
    assert log["total_micros"] == usage["total_micros"] < 60_000_000
    assert log["completed_at"] - log["occurred_at"] == timedelta(microseconds=log["total_micros"])


@pytest.mark.parametrize(("bodies", "slow_bytes"), [("full", 0), ("redacted", SLOW_BYTES), ("redacted", 0)])
async def test_what_is_redacted_waits_for_no_group(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, bodies: str, slow_bytes: int
) -> None:
    """It takes milliseconds, and a group is encoded in one turn of the loop; what is not waits for its group."""
    committed: list[Any] = []

    async def commit(events: Any) -> None:
        committed.append(events.encoded is not None)

    monkeypatch.setattr(bench.log, "commit", commit)
    monkeypatch.setattr("gateway.recording.keeping.SLOW_BYTES", slow_bytes)
    app = App(1, "tests", 7, frozenset({1}), bodies)
    assert await bench.recorder.record(bench.begun(app=app, body=b"{}"))
    assert committed == [bodies == "redacted"]


async def test_what_cannot_be_encoded_is_owed_as_interrupted(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the log failed before it looked: the slot goes to the backlog, and both errors are said."""

    async def commit(*_: object) -> None:
        message = "the journal is closed"
        raise CommitFailedError(message)

    def build_all(*_: object) -> None:
        raise OverflowError

    monkeypatch.setattr(bench.log, "commit", commit)
    monkeypatch.setattr(EventBuilder, "build_all", build_all)
    exchange, refused = bench.begun(), bench.refused(app=APP)
    with capture_logs() as logged:
        assert not await bench.recorder.record(refused), "nothing is owed of it, so nothing is encoded"
        assert not await bench.recorder.record(exchange)
    assert [(line["event"], line["exchange_id"]) for line in logged] == [("exchange not encoded", exchange.exchange_id)]
    assert bench.metrics.commit_failures.value("CommitFailedError") == 2
    monkeypatch.undo()
    await bench.backlog.settle()
    assert bench.log.exchanges[-1]["proxy_log"]["outcome"] == "interrupted"


async def test_a_fault_that_is_none_of_the_log_s_is_not_swallowed(bench: Bench) -> None:
    """Only what the log may raise means "not durable"; what is owed is kept all the same."""
    exchange = bench.begun()
    bench.log.error = ValueError("a fault of ours")  # type: ignore[assignment]
    with pytest.raises(ValueError, match="ours"):
        await bench.recorder.record(exchange)
    bench.recorder.close(exchange)
    assert [kept.exchange_id for _, kept in bench.inflight.open_slots()] == [exchange.exchange_id]
    assert (bench.log.reserved, len(bench.backlog)) == (0, 1)
    assert bench.metrics.exchanges.value("ok") == 1


async def test_without_room_nothing_is_recorded_and_all_is_counted(bench: Bench) -> None:
    """The answer says so; there is nothing to give back."""
    bench.log.has_room = False
    exchange = an_exchange(outcome="eventlog_unavailable", app=APP)
    assert not bench.recorder.reserve(exchange)
    assert await bench.recorder.record(exchange)
    bench.recorder.close(exchange)
    assert (bench.log.exchanges, bench.log.reserved) == ([], 0)
    assert bench.metrics.exchanges.value("eventlog_unavailable") == 1


async def test_strangers_are_recorded_up_to_their_cap(bench: Bench) -> None:
    """A flood of bad tokens fills no journal: beyond the cap it is counted, by outcome and network."""
    for _ in range(3):
        exchange = bench.refused()
        assert await bench.recorder.record(exchange)
        bench.recorder.close(exchange)
    assert len(bench.log.exchanges) == 1
    assert bench.metrics.exchanges.value("auth_failed") == 3
    assert bench.metrics.unrecorded.value("auth_failed", "192.0.0.0/16") == 2
    assert bench.log.reserved == 0


async def test_known_apps_have_no_cap(bench: Bench) -> None:
    """Whoever is known is recorded, however often."""
    for _ in range(5):
        exchange = bench.refused(app=APP, outcome="access_denied")
        assert await bench.recorder.record(exchange)
    assert len(bench.log.exchanges) == 5


async def test_strangers_do_not_take_the_last_room(bench: Bench) -> None:
    """Where the log has none for refusals, theirs are only counted, and their cap is not used up."""
    bench.log.takes_refusals = False
    await bench.recorder.record(bench.refused())
    bench.log.takes_refusals = True
    await bench.recorder.record(bench.refused())
    assert len(bench.log.exchanges) == 1
    assert bench.metrics.unrecorded.value("auth_failed", "192.0.0.0/16") == 1


def test_a_bucket_fills_with_time() -> None:
    """A second's worth at most, however long nobody came."""
    now = [100.0]
    bucket = TokenBucket(2, clock=lambda: now[0])
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    now[0] += 0.5
    assert [bucket.take() for _ in range(2)] == [True, False]
    now[0] += 3_600.0
    assert [bucket.take() for _ in range(3)] == [True, True, False]


def test_a_bucket_of_none_gives_none() -> None:
    """A rate of zero records no stranger at all."""
    now = [100.0]
    bucket = TokenBucket(0, clock=lambda: now[0])
    now[0] += 1e9
    assert not bucket.take()


@settings(deadline=None)
@given(st.integers(1, 50), st.lists(st.floats(0, 2), min_size=1, max_size=60))
def test_a_bucket_never_gives_more_than_its_rate(rate: int, waits: list[float]) -> None:
    """Over any time: what passed is a burst and the rate."""
    now, taken = [0.0], 0
    bucket = TokenBucket(rate, clock=lambda: now[0])
    for wait in waits:
        now[0] += wait
        taken += bucket.take()
    assert taken <= rate + rate * now[0] + 1e-6


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.0.0/16"),
        ("2001:db8:1:2::7", "2001:db8::/32"),
        ("::1", "::/32"),
        ("fe80::1", "fe80::/32"),
        ("2001::7", "2001::/32"),
        ("2001:0db8::7", "2001:db8::/32"),
        ("fe80::1%eth0", "fe80::/32"),
        ("::ffff:192.0.2.7", "192.0.0.0/16"),
    ],
)
def test_a_network_is_enough_to_find_a_flood(address: str, network: str) -> None:
    """/16 of IPv4, /32 of IPv6, each under one name."""
    assert network_of(address) == network


@pytest.mark.parametrize("address", ["", "unix:", "testclient", "1.2", "::ffff:192.0.2.7", "x" * 1000])
def test_any_address_has_a_network(address: str) -> None:
    """A proxy, a socket file, a test: nothing raises."""
    assert network_of(address)


async def test_a_budget_is_settled_behind_the_record(bench: Bench) -> None:
    """Not before: a kill in between must find what is held. Then the slot is free, and nothing is held."""
    exchange = bench.begun(occurred_at=now_micros(), holds=bench.hold(70), reserved_nanos=70)
    exchange.cost_nanos, exchange.usage = 100, Usage(5, 6)
    bench.log.released.clear()
    async with asyncio.TaskGroup() as tasks:
        recording = tasks.create_task(bench.recorder.record(exchange))
        while not bench.log.waiting:  # noqa: ASYNC110 - another task's step
            await asyncio.sleep(0)
        assert held_in(bench.share.table) == [(70, 1)]
        ((_, kept),) = bench.inflight.open_slots()
        assert kept.worth == Worth(100, 5, 6)
        bench.log.released.set()
        assert await recording
    assert held_in(bench.share.table) == [(0, 0)]
    assert spent_in(bench.share.table, APP_SCOPE) == 100
    assert not list(bench.inflight.open_slots())


async def test_what_could_not_be_recorded_stays_held(bench: Bench) -> None:
    """The backlog has its slot; closing the exchange lets nothing go."""
    exchange = bench.begun(occurred_at=now_micros(), holds=bench.hold(70), reserved_nanos=70)
    bench.log.error = CommitFailedError("full")
    assert not await bench.recorder.record(exchange)
    bench.recorder.close(exchange)
    assert held_in(bench.share.table) == [(70, 1)]
    bench.log.error = None
    await bench.backlog.settle()
    assert held_in(bench.share.table) == [(0, 0)]
