"""One attempt to write: it never raises, keeps positions straight, and goes at the pace the sink asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.backoff import MAX_RETRY_AFTER_SECONDS, Backoff
from collectors.breaker import Breaker
from collectors.concurrency import Concurrency
from collectors.deliveries import Batch, Frame
from collectors.entries import BreakerSettings, RetrySettings
from collectors.errors import Halt, Retryable, Unprocessable, Waiting
from collectors.health import Health
from collectors.metrics import CollectorMetrics
from collectors.sinks.interface import Prepared, Verdict
from collectors.writer import SINK, Writer, prepare
from schemas.codec import SchemaBook
from tests.collectors.events import make_record, numbered
from tests.collectors.fakes import FakeSink, postponed
from tests.collectors.frames import frame_of_records
from tests.collectors.virtual_time import virtual_time

HALT_SECONDS = 30.0


def frame(count: int = 4) -> Frame:
    """A frame of good events."""
    return frame_of_records(SchemaBook(), numbered(make_record() for _ in range(count)))


class PickySink(FakeSink):
    """A sink whose ``prepare`` breaks in the way polars does."""

    error: type[BaseException] = ValueError

    def prepare(self, frame: Frame) -> Prepared[str]:
        try:
            return super().prepare(frame)
        except ValueError:
            raise self.error from None


@dataclass
class Bench:
    """A writer on a fake sink, and batches for it."""

    sink: FakeSink
    writer: Writer
    health: Health
    metrics: CollectorMetrics

    def batch(self, count: int = 4, unwritable: dict[int, Unprocessable] | None = None) -> Batch:
        made = frame(count)
        prepared = prepare(self.sink, made)
        return Batch(made, prepared.documents, prepared.poison | (unwritable or {}))

    def answers(self, *verdicts: Verdict | Exception) -> None:
        """What the next writes come to; all later ones go well."""
        left = list(verdicts)

        async def script(_documents: Sequence[str]) -> Verdict:
            answer = left.pop(0) if left else Verdict()
            if isinstance(answer, Exception):
                raise answer
            return answer

        self.sink.script = script


def bench(*, writes: int = 8, **breaker: float) -> Bench:
    """On the running loop's clock, without jitter."""
    clock, sink, metrics = asyncio.get_running_loop().time, FakeSink(), CollectorMetrics()
    health = Health("test", clock)
    backoff = Backoff(RetrySettings(base_seconds=1.0, max_seconds=8.0), lambda: 1.0)
    writer = Writer(
        sink,
        Concurrency(writes),
        health,
        metrics.of("test"),
        backoff,
        HALT_SECONDS,
        clock,
        breaker=Breaker(BreakerSettings.model_validate(breaker), clock),
    )
    return Bench(sink, writer, health, metrics)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 12), st.data())
def test_halving_finds_the_rows_that_break_a_sink(count: int, data: st.DataObject) -> None:
    """Only those are poison, each at its position, and every other document stands at its own."""
    made, sink = frame(count), FakeSink()
    ids = made.rows["event_id"].to_list()
    sink.unencodable = set(data.draw(st.lists(st.sampled_from(ids), unique=True)))
    prepared = prepare(sink, made)
    assert [each if each not in sink.unencodable else None for each in ids] == list(prepared.documents)
    assert {ids[at] for at in prepared.poison} == sink.unencodable
    assert {error.reason for error in prepared.poison.values()} <= {"unencodable"}


@pytest.mark.parametrize(
    "error", [ValueError, RecursionError, pl.exceptions.ComputeError, pl.exceptions.PanicException]
)
def test_whatever_a_row_breaks_with_is_its_own(error: type[BaseException]) -> None:
    """Polars' panics too, which are no ``Exception``; the reason names the class and no value."""
    made, sink = frame(3), PickySink()
    sink.error, sink.unencodable = error, {made.rows["event_id"][1]}
    poison = prepare(sink, made).poison
    assert {at: str(found) for at, found in poison.items()} == {1: f"unencodable: {error.__name__}"}


def test_a_stop_is_no_row_s_fault() -> None:
    """What ends the process is not caught and halved."""
    made, sink = frame(1), PickySink()
    sink.error, sink.unencodable = KeyboardInterrupt, set(made.rows["event_id"].to_list())
    with pytest.raises(KeyboardInterrupt):
        prepare(sink, made)


@virtual_time
async def test_positions_are_those_of_the_batch() -> None:
    """Of a batch that is partly settled, what the sink says of its second document is said of that one's position."""
    run = bench()
    batch = run.batch(6, {2: Unprocessable("too_old")})
    batch.settle([0, 4])
    said = Verdict(duplicates=1, poison={2: Unprocessable("bad")})
    said.postpone([1], Retryable("503"))
    run.answers(said)
    verdict = await run.writer.write(batch)
    assert run.sink.writes == [[batch.documents[at] for at in (1, 3, 5)]]
    assert {at: error.reason for at, error in verdict.poison.items()} == {2: "too_old", 5: "bad"}
    assert verdict.retry == [3]
    assert verdict.duplicates == 1
    assert batch.attempts == 1


@virtual_time
async def test_a_batch_without_documents_is_not_written() -> None:
    """Where every row is unwritable the sink is not asked, and nothing is said of it or counted as an attempt."""
    run = bench()
    run.health.trouble(SINK, "503")
    batch = run.batch(2, {0: Unprocessable("a"), 1: Unprocessable("b")})
    verdict = await run.writer.write(batch)
    assert sorted(verdict.poison) == [0, 1]
    assert (run.sink.writes, batch.attempts, run.writer.succeeded_at) == ([], 0, None)
    assert run.health.has(SINK)


@virtual_time
async def test_a_sink_that_raises_loses_nothing() -> None:
    """All of its documents are written again, and which error it was is known."""
    run = bench()
    run.answers(ZeroDivisionError("secret"))
    batch = run.batch(3)
    verdict = await run.writer.write(batch)
    assert verdict.retry == [0, 1, 2]
    assert str(verdict.cause) == "the sink raised ZeroDivisionError"
    assert run.health.causes == {SINK: "the sink raised ZeroDivisionError"}
    assert (await run.writer.write(batch)) == Verdict()
    assert run.health.causes == {}
    assert run.metrics.write_seconds.count("test") == 2


@virtual_time
async def test_a_cancelled_write_gives_its_slot_back() -> None:
    """Whoever stops a service stops its writes, and no slot stays taken."""
    run = bench(writes=1)

    async def hang(_documents: Sequence[str]) -> Verdict:
        await asyncio.Event().wait()
        return Verdict()

    run.sink.script = hang
    async with asyncio.TaskGroup() as tasks:
        writing = [tasks.create_task(run.writer.write(run.batch(1))) for _ in range(3)]
        await asyncio.sleep(1)
        for task in writing:
            task.cancel()
    assert run.writer.concurrency.in_flight == 0
    assert run.writer.concurrency.has_room


@pytest.mark.parametrize(
    ("cause", "kind", "halted", "troubled"),
    [
        (Retryable("503"), "transient", False, True),
        (Retryable("429", throttled=True), "throttled", False, False),
        (Halt("403", "grant it"), "halt", True, True),
    ],
)
@virtual_time
async def test_health_and_metrics_say_what_the_write_came_to(
    cause: Retryable | Halt, kind: str, *, halted: bool, troubled: bool
) -> None:
    """A halt halts, a failure is trouble, a throttled sink is well; each is counted, and none as a success."""
    run = bench()
    run.answers(postponed(2, cause))
    await run.writer.write(run.batch(2))
    assert run.health.is_halted_at(SINK) == halted
    assert run.health.has(SINK) == troubled
    assert run.metrics.retries.value("test", kind) == 1
    assert run.writer.succeeded_at is None


@virtual_time
async def test_a_success_ends_the_trouble_and_is_remembered() -> None:
    """Poison is a success of the sink: it answered, document by document."""
    run = bench()
    loop = asyncio.get_running_loop()
    run.health.halt(SINK, Halt("403", "grant it"))
    run.answers(Verdict(poison={0: Unprocessable("bad")}))
    await run.writer.write(run.batch(1))
    assert not run.health.has(SINK)
    assert run.writer.succeeded_at == loop.time()


@virtual_time
async def test_of_a_halted_sink_one_batch_tries_at_a_time() -> None:
    """One write each ``halt_seconds`` however many wait; the first that goes through lets all others go at once."""
    run = bench()
    loop = asyncio.get_running_loop()
    run.health.halt(SINK, Halt("403", "grant it"))
    began, tried_at = loop.time(), list[float]()
    forbidden = True

    async def forbid(documents: Sequence[str]) -> Verdict:
        nonlocal forbidden
        tried_at.append(loop.time() - began)
        forbidden = len(tried_at) < 3
        return postponed(len(documents), Halt("403", "grant it")) if forbidden else Verdict()

    run.sink.script = forbid
    async with asyncio.TaskGroup() as tasks:
        for _ in range(5):
            tasks.create_task(run.writer.write(run.batch(1)))
    assert tried_at == [HALT_SECONDS, 2 * HALT_SECONDS, *[3 * HALT_SECONDS] * 3]
    assert not run.health.is_halted


async def throttled_times(retry_afters: Sequence[float | None], *, then_at: float) -> list[float]:
    """Throttled writes one second apart, then one more begun at ``then_at``: when each reached the sink."""
    run, loop = bench(), asyncio.get_running_loop()
    began, reached = loop.time(), list[float]()
    gate = asyncio.Event()
    left: list[Any] = [Retryable("429", asked, throttled=True) for asked in retry_afters]

    async def throttle(documents: Sequence[str]) -> Verdict:
        reached.append(loop.time() - began)
        cause = left.pop(0) if left else None
        if cause is None:
            return Verdict()
        seconds = len(retry_afters) - len(left)
        await gate.wait()
        await asyncio.sleep(seconds)
        return postponed(len(documents), cause)

    run.sink.script = throttle
    async with asyncio.TaskGroup() as tasks:
        for _ in retry_afters:
            tasks.create_task(run.writer.write(run.batch(1)))
        await asyncio.sleep(0)
        gate.set()
        await asyncio.sleep(then_at)
        tasks.create_task(run.writer.write(run.batch(1)))
    return reached


@virtual_time
async def test_retry_after_holds_for_every_write() -> None:
    """What was said to one write another waits for; not longer than the bound, whatever the server said."""
    assert (await throttled_times([5.0], then_at=2.0))[-1] == pytest.approx(6.0)
    assert (await throttled_times([1e9], then_at=2.0))[-1] == pytest.approx(1.0 + MAX_RETRY_AFTER_SECONDS)
    assert (await throttled_times([None], then_at=2.0))[-1] == pytest.approx(2.0)


@virtual_time
async def test_a_later_throttle_takes_no_word_back() -> None:
    """Told to wait ten seconds and then told 429 without a time: the ten seconds still hold."""
    assert (await throttled_times([10.0, None], then_at=3.0))[-1] == pytest.approx(11.0)
    assert (await throttled_times([10.0, 2.0], then_at=3.0))[-1] == pytest.approx(11.0)


@virtual_time
async def test_what_is_asked_while_a_write_waits_holds_for_it_too() -> None:
    """A write that waits for the first Retry-After waits on for the second, which came meanwhile."""
    assert (await throttled_times([2.0, 10.0], then_at=1.5))[-1] == pytest.approx(12.0)


@virtual_time
async def test_the_wait_before_another_attempt() -> None:
    """As the backoff says, for what may be tried again; the turn of a halt is waited for in ``write``."""
    run, loop = bench(), asyncio.get_running_loop()
    batch = run.batch(1)
    batch.attempts = 3
    waits: list[tuple[Retryable | Halt | None, float]] = [
        (Retryable("503"), 4.0),
        (Retryable("503", 20.0), 24.0),
        (Halt("403", "grant it"), 0.0),
        (None, 0.0),
    ]
    for cause, seconds in waits:
        began = loop.time()
        await run.writer.wait(batch, cause)
        assert loop.time() - began == pytest.approx(seconds)


@virtual_time
async def test_a_sink_that_keeps_failing_is_tried_by_one_batch_at_a_time() -> None:
    """After so many failures in a row, each ``open_seconds`` one; the first that goes through lets all go at once."""
    run = bench(max_failures=3, open_seconds=5.0)
    loop = asyncio.get_running_loop()
    began, tried_at = loop.time(), list[float]()

    async def fail_often(documents: Sequence[str]) -> Verdict:
        tried_at.append(loop.time() - began)
        return postponed(len(documents), Retryable("503")) if len(tried_at) <= 5 else Verdict()

    run.sink.script = fail_often
    for _ in range(3):
        await run.writer.write(run.batch(1))
    assert not run.writer.has_room
    async with asyncio.TaskGroup() as tasks:
        for _ in range(6):
            tasks.create_task(run.writer.write(run.batch(1)))
    assert tried_at == [0.0] * 3 + [5.0, 10.0] + [15.0] * 4
    assert run.writer.has_room


@pytest.mark.parametrize(
    "answer",
    [
        Verdict(),
        Verdict(poison=dict.fromkeys(range(4), Unprocessable("bad"))),
        Verdict(retry=[0, 1, 2], cause=Retryable("of one only")),
        postponed(4, Retryable("429", throttled=True)),
    ],
)
@virtual_time
async def test_a_sink_that_answers_does_not_fail(answer: Verdict) -> None:
    """One event that never succeeds, poison, or a sink that asks for less: none of it leaves the sink alone."""
    run = bench(max_failures=2, open_seconds=60.0)
    run.answers(*(each for _ in range(5) for each in (postponed(4, Retryable("503")), answer)))
    for _ in range(10):
        await run.writer.write(run.batch(4))
    assert run.writer.has_room


@virtual_time
async def test_what_waits_for_other_records_says_nothing_of_the_sink() -> None:
    """A write that must come behind records of others' is counted as that alone: no failure, no trouble, no slower
    pace, no attempt, and no longer wait the longer it takes; nor does it end what is wrong."""
    run = bench(max_failures=2, open_seconds=60.0)
    run.answers(*(postponed(4, Waiting("offset 7 is on its way")) for _ in range(9)))
    limit, loop, batch = run.writer.concurrency.limit, asyncio.get_running_loop(), run.batch(4)
    for _ in range(9):
        verdict = await run.writer.write(batch)
        began = loop.time()
        await run.writer.wait(batch, verdict.cause)
        assert loop.time() - began <= 1.0
    assert (run.writer.concurrency.limit, batch.attempts, run.writer.succeeded_at) == (limit, 0, None)
    assert run.writer.has_room
    assert not run.health.has(SINK)
    assert run.metrics.retries.value("test", "waiting") == 9
    run.answers(postponed(4, Retryable("503")), postponed(4, Waiting("offset 7")), postponed(2, Waiting("offset 7")))
    await run.writer.write(batch)
    await run.writer.write(batch)
    assert run.health.has(SINK)
    await run.writer.write(run.batch(4))  # two of four were written
    assert not run.health.has(SINK)


@virtual_time
async def test_a_halt_is_no_failure_of_the_breaker_s() -> None:
    """It has its own turn: halted, a sink is tried each ``halt_seconds``, and then at once."""
    run = bench(max_failures=1, open_seconds=600.0)
    run.answers(postponed(1, Halt("403", "grant it")))
    await run.writer.write(run.batch(1))
    loop, began = asyncio.get_running_loop(), asyncio.get_running_loop().time()
    await run.writer.write(run.batch(1))
    assert loop.time() - began == HALT_SECONDS


@virtual_time
async def test_who_passed_stands_at_its_place_in_the_batch() -> None:
    """As with poison and retries: positions are those of the batch, also when part of it is settled."""
    run = bench()
    batch = run.batch(4)
    batch.settle([0, 2])
    run.answers(Verdict(passed=[1]))
    assert (await run.writer.write(batch)).passed == [3]


@virtual_time
async def test_there_is_no_room_while_another_tries() -> None:
    """Of a halted sink: what comes meanwhile is gathered; where nobody tries the next one may."""
    made = bench()
    made.health.halt(SINK, Halt("401", "give a password"))
    assert made.writer.has_room
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(made.writer.write(made.batch()))
        await asyncio.sleep(HALT_SECONDS / 2)
        found = [made.writer.has_room]
    assert [*found, made.writer.has_room] == [False, True]
