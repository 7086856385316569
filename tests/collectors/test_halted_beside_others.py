"""One collector of several is held up, on a virtual clock: what that costs the others, the log, and memory."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

import pytest

from collectors.burial import LIMITS, UNDECODABLE
from collectors.errors import Halt, Retryable, Unprocessable
from collectors.sinks.interface import Verdict
from tests.collectors.events import event_id_of, make_record
from tests.collectors.fakes import FakeSink, postponed, until
from tests.collectors.several import FIRST, SECOND, Bench
from tests.collectors.virtual_time import virtual_time

Script = Callable[[Sequence[str]], Awaitable[Verdict]]


def always(cause: Retryable | Halt) -> Script:
    """Nothing goes through."""

    async def script(documents: Sequence[str]) -> Verdict:
        return postponed(len(documents), cause)

    return script


async def refuse(documents: Sequence[str]) -> Verdict:
    """Everything is poison."""
    return Verdict(poison={at: Unprocessable("bad") for at in range(len(documents))})


@virtual_time
async def test_the_limit_of_one_holds_up_that_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others go on as beside a halted sink; when its cause is gone it buries nothing more, and all is acknowledged.

    Each has a limit of its own: what the first delivers does not count for the second.
    """
    bench = Bench(
        monkeypatch,
        {"well": {}, "ill": {"dead_letter": {"max_consecutive": 20}, "retry": {"halt_seconds": 7}}},
        batch={"max_records": 10},
    )
    bench.fill(100, owed={"well", "ill"})
    bench.sinks["ill"].script = refuse
    async with bench.running() as service:
        await until(lambda: service.health.is_halted_at(f"{LIMITS} ill"))
        bench.fill(100, owed={"well", "ill"})
        await until(lambda: len(bench.sinks["well"].durable) == 200)
        assert len(bench.log.buried_by) == 20
        assert list(service.health.causes) == [f"{LIMITS} ill"]
        tries = len(bench.sinks["ill"].writes)
        await asyncio.sleep(7 * 10)
        assert len(bench.sinks["ill"].writes) > tries  # by its own halt_seconds
        bench.sinks["ill"].script = None
        await until(lambda: bench.log.is_done)
        await until(lambda: service.health.is_ready)
    assert len(bench.log.buried_by) == 20
    assert len(bench.sinks["ill"].durable) == 180


@virtual_time
async def test_a_selective_first_one_decides_nothing_about_what_cannot_be_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A share of undecodable records is one of all records, whatever the first entry wants of the others."""
    bench = Bench(
        monkeypatch,
        {"first": {"include": {"apps": [8]}}, "second": {}},
        dead_letter={"max_ratio": 0.2, "min_records": 50},
    )
    bad = []
    for _ in range(60):
        bench.fill(9, owed={"second"})
        record = make_record()
        record.value = (record.value or b"")[:-3]
        bench.log.append(FIRST, [record])
        bench.log.owed[event_id_of(record)] = {"s"}
        bad.append(event_id_of(record))
    bench.sinks["s"] = FakeSink(closed=True)  # nobody: only a dead letter settles it
    async with bench.running() as service:
        await until(lambda: bench.log.is_done)
        assert not service.health.has(UNDECODABLE)
    assert {name for _, name in bench.log.buried_by} == set(bad)


@virtual_time
async def test_too_many_undecodable_ones_halt_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are nobody's in particular: the intake stops for all."""
    bench = Bench(monkeypatch, {"a": {}, "b": {}}, dead_letter={"max_consecutive": 5})
    records = [make_record() for _ in range(30)]
    for record in records:
        record.value = (record.value or b"")[:-3]
        bench.log.owed[event_id_of(record)] = {"s"}
    bench.sinks["s"] = FakeSink(closed=True)
    bench.log.append(FIRST, records)
    async with bench.running() as service:
        await until(lambda: service.health.is_halted_at(UNDECODABLE))
        assert service.health.stops_intake
        await asyncio.sleep(300)
        assert bench.log.committed.get(FIRST, 0) == 0


@pytest.mark.parametrize("cause", [Halt("401", "give a password"), Retryable("refused")])
@virtual_time
async def test_what_waits_for_it_is_gathered(monkeypatch: pytest.MonkeyPatch, cause: Retryable | Halt) -> None:
    """While one batch tries, what trickles in makes few large batches and not many of one event."""
    bench = Bench(
        monkeypatch,
        {"a": {}, "b": {"retry": {"halt_seconds": 30}, "breaker": {"max_failures": 1, "open_seconds": 30}}},
        batch={"max_records": 1_000, "max_age_seconds": 0.2},
    )
    bench.sinks["b"].script = always(cause)
    async with bench.running():
        for _ in range(300):
            bench.fill(1, owed={"a", "b"})
            await asyncio.sleep(1)
        assert len(bench.sinks["a"].durable) >= 299
        bench.sinks["b"].script = None
        before = len(bench.sinks["b"].writes)
        await until(lambda: bench.log.is_done, step=0.5)
        assert len(bench.sinks["b"].writes) - before < 30


@virtual_time
async def test_a_halt_whose_only_batch_was_revoked_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch that tries goes with its partition; another takes its place, and the service recovers."""
    bench = Bench(monkeypatch, {"a": {}, "b": {}}, batch={"max_age_seconds": 0.1}, retry={"halt_seconds": 20})
    bench.sinks["b"].script = always(Halt("401", "give a password"))
    bench.fill(3, FIRST, owed={"a", "b"})
    async with bench.running() as service:
        await until(lambda: service.health.is_halted_at("sink b"))
        await bench.sources[-1].revoke([FIRST])
        bench.fill(3, SECOND, owed={"a", "b"})
        await bench.sources[-1].assign([SECOND])
        await asyncio.sleep(60)
        bench.sinks["b"].script = None
        await until(lambda: bench.log.committed.get(SECOND) == 3)
        await bench.sources[-1].assign([FIRST])
        await until(lambda: bench.log.is_done)
        await until(lambda: service.health.is_ready)


@pytest.mark.parametrize("bound", ["max_records", "max_partition_records", "max_bytes", "max_partition_bytes"])
@virtual_time
async def test_of_flow_the_smallest_bound_holds(monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    """Whoever of the entries gives it; beyond it the partition pauses, and at half of it goes on."""
    record_bytes = len(make_record().value or b"")
    small, large = (100, 1_000) if bound.endswith("records") else (100 * record_bytes, 1_000 * record_bytes)
    bench = Bench(
        monkeypatch,
        {"a": {"flow": {bound: large}}, "stuck": {"flow": {bound: small}}, "c": {}},
        batch={"max_records": 10},
    )
    monkeypatch.setattr("collectors.intake.MAX_POLL_RECORDS", 10)
    gate = asyncio.Event()

    async def hang(_documents: Sequence[str]) -> Verdict:
        await gate.wait()
        return Verdict()

    bench.sinks["stuck"].script = hang
    bench.fill(500, owed={"a", "stuck", "c"})
    async with bench.running():
        await asyncio.sleep(60)
        assert 90 <= len(bench.sinks["a"].durable) == len(bench.sinks["c"].durable) <= 120
        assert bench.sources[-1].paused == {FIRST}
        gate.set()
        await until(lambda: bench.log.is_done)


@virtual_time
async def test_the_fallback_is_the_one_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its events wait within the flow and no collector is called again; those that do not need it are finished.

    A crash before it came back calls all again, and nothing was acknowledged that it owed.
    """
    bench = Bench(
        monkeypatch,
        {"a": {"replace_database": False}},
        flow={"max_records": 100},
        batch={"max_records": 10},
        fallback={"path": "sink://database", "breaker": {"max_failures": 2, "open_seconds": 60}},
    )
    bench.sinks["fallback"].script = always(Retryable("away"))
    monkeypatch.setattr("collectors.intake.MAX_POLL_RECORDS", 10)
    ids = bench.fill(300, owed={"a", "fallback"})
    async with bench.running():
        await until(lambda: bench.metrics.breaker_open.value("s", "fallback") == 1)
        await asyncio.sleep(600)
        assert 90 <= len(bench.sinks["a"].durable) <= 120
        assert set(bench.sinks["a"].durable.values()) == {1}
        assert bench.log.committed.get(FIRST, 0) == 0
        bench.sinks["fallback"].script = None
        await until(lambda: bench.log.is_done, step=0.1)
        assert not bench.metrics.breaker_open.value("s", "fallback")
    assert set(bench.sinks["fallback"].durable) == set(ids)
    assert set(bench.sinks["a"].durable.values()) == {1}


@pytest.mark.parametrize("seed", range(2))
@virtual_time
async def test_a_crash_anywhere_loses_nothing(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Killed again and again at whatever step it is: each life goes on from what was committed; nothing is early."""
    draw = random.Random(seed)
    bench = Bench(
        monkeypatch,
        {"a": {}, "b": {"replace_database": False, "batch": {"max_records": 3}}},
        batch={"max_records": 8, "max_age_seconds": 0.1},
        dead_letter={"max_ratio": 1.0},
    )
    ids = bench.fill(120, FIRST, SECOND, owed={"a", "b", "fallback"})
    bad = set(draw.sample(ids, 8))
    for name in bad:  # dead-lettered by b, handled by a
        bench.log.owed[name] = {"a", "b"}

    async def slowly(documents: Sequence[str]) -> Verdict:
        await asyncio.sleep(draw.random())
        if draw.random() < 0.2:
            return postponed(len(documents), Retryable("503"))
        return Verdict()

    async def slowly_with_bad(documents: Sequence[str]) -> Verdict:
        verdict = await slowly(documents)
        if not verdict.retry:
            verdict.poison = {at: Unprocessable("bad") for at, name in enumerate(documents) if name in bad}
        return verdict

    bench.sinks["a"].script = bench.sinks["fallback"].script = slowly
    bench.sinks["b"].script = slowly_with_bad
    for life in range(200):
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(bench.new_service().run())
            await asyncio.sleep(draw.random() * (2 + life / 10))
            running.cancel()
            await asyncio.wait({running})
        assert bench.log.early == []
        if bench.log.is_done:
            break
    assert bench.log.is_done
    assert set(bench.sinks["a"].durable) == set(ids)
    assert set(bench.sinks["fallback"].durable) == set(ids) - bad
    assert {name for _, name in bench.log.buried_by} == bad
