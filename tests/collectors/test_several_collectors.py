"""Several collectors in one service, on a virtual clock: none waits for another, and nothing is acknowledged early."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest

from collectors.errors import Halt, Retryable, Unprocessable
from collectors.sinks.interface import Verdict
from sluice.eventlog.interface import CommitFailedError, EventLogError
from tests.collectors.events import event_id_of, make_record
from tests.collectors.fakes import FakeSink, postponed, until
from tests.collectors.several import FIRST, SECOND, THIRD, Bench
from tests.collectors.virtual_time import virtual_time


@virtual_time
async def test_each_has_every_event_and_its_own_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """As its ``batch`` says; where all replace the database there is no fallback to open."""
    bench = Bench(monkeypatch, {"a": {"batch": {"max_records": 10}}, "b": {"batch": {"max_records": 25}}})
    ids = bench.fill(100, owed={"a", "b"})
    async with bench.running():
        await until(lambda: bench.log.is_done)
    assert bench.sinks["a"].durable == bench.sinks["b"].durable == dict.fromkeys(ids, 1)
    assert {len(write) for write in bench.sinks["a"].writes} == {10}
    assert {len(write) for write in bench.sinks["b"].writes} == {25}
    assert bench.metrics.records.value("s", "delivered") == 100
    assert [bench.metrics.collector_outcomes.value("s", name, "handled") for name in "ab"] == [100, 100]
    assert not bench.sinks["fallback"].closed


@virtual_time
async def test_a_slow_one_holds_back_what_is_acknowledged_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other goes on until as much is unfinished as the flow allows; then the partition pauses."""
    bench = Bench(monkeypatch, {"fast": {}, "stuck": {}}, flow={"max_records": 200}, batch={"max_records": 10})
    bench.fill(200, owed={"fast", "stuck"})
    gate = asyncio.Event()

    async def hang(_documents: Sequence[str]) -> Verdict:
        await gate.wait()
        return Verdict()

    bench.sinks["stuck"].script = hang
    async with bench.running():
        await until(lambda: len(bench.sinks["fast"].durable) == 200)
        bench.fill(5_000, owed={"fast", "stuck"})
        await asyncio.sleep(60)
        assert len(bench.sinks["fast"].durable) == 200
        assert bench.log.committed.get(FIRST, 0) == 0
        assert bench.sources[-1].paused == {FIRST}
        gate.set()
        await until(lambda: bench.log.is_done)
    assert bench.sinks["fast"].durable.keys() == bench.sinks["stuck"].durable.keys()


@pytest.mark.parametrize("cause", [Retryable("refused"), Halt("401", "give a password")])
@virtual_time
async def test_one_that_is_away_at_the_start_is_waited_for_alone(
    monkeypatch: pytest.MonkeyPatch, cause: Retryable | Halt
) -> None:
    """The others begin; it gets its events when it is there, and all are acknowledged then. Its breaker opened."""
    bench = Bench(monkeypatch, {"a": {}, "b": {"breaker": {"max_failures": 2, "open_seconds": 30}}})
    ids = bench.fill(50, owed={"a", "b"})
    bench.sinks["b"].start_errors.extend([cause] * 20)
    async with bench.running() as service:
        await until(lambda: len(bench.sinks["a"].durable) == 50)
        assert (bench.log.committed, service.health.is_ready) == ({}, False)
        assert list(service.health.causes) == ["sink b"]
        if isinstance(cause, Retryable):
            await until(lambda: bench.metrics.breaker_open.value("s", "b") == 1, step=1.0)
        await until(lambda: bench.log.is_done, 3_600, step=5.0)
        await until(lambda: service.health.is_ready)
        assert not bench.metrics.breaker_open.value("s", "b")
    assert bench.sinks["b"].durable == dict.fromkeys(ids, 1)


@virtual_time
async def test_one_that_hangs_at_the_start_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is waited for is waited for beside the others."""
    bench = Bench(monkeypatch, {"a": {}, "b": {}})
    gate, ids = asyncio.Event(), bench.fill(10, owed={"a", "b"})
    monkeypatch.setattr(bench.sinks["a"], "start", gate.wait)
    began = asyncio.get_running_loop().time()
    async with bench.running():
        await until(lambda: len(bench.sinks["b"].durable) == 10)
        assert asyncio.get_running_loop().time() - began < 2
        gate.set()
        await until(lambda: bench.log.is_done)
    assert bench.sinks["a"].durable == dict.fromkeys(ids, 1)


@virtual_time
async def test_where_none_is_there_nothing_more_is_taken_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """All halted is halted: partitions pause at once, and with the first that starts they are read again."""
    bench = Bench(monkeypatch, {"a": {}, "b": {}}, retry={"halt_seconds": 5})
    for name in "ab":
        bench.sinks[name].start_errors.extend([Halt("401", "give a password")] * 1_000)
    async with bench.running() as service:
        await until(lambda: service.health.stops_intake)
        await until(lambda: bench.sources)
        ids = bench.fill(10, owed={"a", "b"})
        await bench.sources[-1].assign([FIRST])
        await asyncio.sleep(120)
        assert bench.sources[-1].paused == {FIRST}
        bench.sinks["b"].start_errors.clear()
        await until(lambda: len(bench.sinks["b"].durable) == 10)
        bench.sinks["a"].start_errors.clear()
        await until(lambda: bench.log.is_done)
    assert bench.sinks["a"].durable == bench.sinks["b"].durable == dict.fromkeys(ids, 1)


@virtual_time
async def test_a_retry_calls_only_who_is_unfinished(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of its batch only what failed, and nobody else at all."""
    bench = Bench(monkeypatch, {"a": {}, "b": {}})
    ids = bench.fill(10, owed={"a", "b"})

    async def fail_two_once(documents: Sequence[str]) -> Verdict:
        return Verdict(retry=[3, 4], cause=Retryable("later")) if len(documents) == 10 else Verdict()

    bench.sinks["b"].script = fail_two_once
    async with bench.running():
        await until(lambda: bench.log.is_done)
    assert bench.sinks["a"].writes == [ids]
    assert bench.sinks["b"].writes == [ids, ids[3:5]]


@virtual_time
async def test_undecodable_records_are_buried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the service, whatever the number of its collectors."""
    bench = Bench(monkeypatch, {"a": {}, "b": {}}, dead_letter={"max_ratio": 1.0})
    bench.fill(3, owed={"a", "b"})
    bad = make_record()
    bad.value = (bad.value or b"")[:-3]
    bench.log.append(FIRST, [bad])
    bench.log.owed[event_id_of(bad)] = {"s"}
    bench.sinks["s"] = FakeSink(closed=True)  # no collector: only a dead letter can settle it
    async with bench.running():
        await until(lambda: bench.log.is_done)
    assert bench.log.buried_by == {("s", event_id_of(bad))}


@pytest.mark.parametrize("seed", range(4))
@virtual_time
async def test_random_failures_lose_nothing(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Collectors, fallback, log and group fail: each event is where it must be, and none is acknowledged early."""
    draw = random.Random(seed)
    bench = Bench(
        monkeypatch,
        {"a": {}, "b": {"replace_database": False, "batch": {"max_records": 7}}},
        batch={"max_records": 20, "max_age_seconds": 0.2},
        dead_letter={"max_ratio": 1.0},
    )
    ids = bench.fill(150, FIRST, SECOND, THIRD, owed={"a", "b", "fallback"})
    unwanted, bad = set(draw.sample(ids, 100)), set(draw.sample(ids, 15))
    for name in unwanted - bad:  # passed by b, handled by a, which replaces: the fallback is not due
        bench.log.owed[name] = {"a", "b"}

    async def fail_at_random(documents: Sequence[str]) -> Verdict:
        await asyncio.sleep(draw.random())
        if draw.random() < 0.2:
            return postponed(len(documents), Retryable("503", throttled=draw.random() < 0.5))
        verdict = Verdict()
        lost = [at for at in range(len(documents)) if draw.random() < 0.2]
        if lost:
            verdict.postpone(lost, Retryable("429", throttled=True))
        return verdict

    async def pass_some(documents: Sequence[str]) -> Verdict:
        verdict = await fail_at_random(documents)
        left = [at for at in range(len(documents)) if at not in verdict.retry]
        verdict.poison = {at: Unprocessable("bad") for at in left if documents[at] in bad}
        verdict.passed = [at for at in left if documents[at] in unwanted - bad]
        return verdict

    for name in bad:  # dead-lettered by b, which supplements; handled by a, which replaces
        bench.log.owed[name] = {"a", "b"}
    bench.sinks["a"].script = bench.sinks["fallback"].script = fail_at_random
    bench.sinks["b"].script = pass_some
    async with bench.running():
        await until(lambda: bench.sources)
        source = bench.sources[-1]
        source.poll_errors.extend(EventLogError("away") for _ in range(3))
        bench.log.publish_errors.extend(CommitFailedError("down") for _ in range(3))
        source.commit_results.extend(draw.choices([True, False, EventLogError("no")], k=10))
        for _ in range(4):
            await asyncio.sleep(draw.random() * 3)
            mine = draw.sample([FIRST, SECOND, THIRD], 2)
            await source.revoke(mine)
            await asyncio.sleep(draw.random())
            await source.assign(mine)
        await until(lambda: bench.log.is_done, step=1.0)
    assert set(bench.sinks["a"].durable) == set(ids)
    assert set(bench.sinks["fallback"].durable) == set(ids) - unwanted - bad
    assert {name for _, name in bench.log.buried_by} == bad
