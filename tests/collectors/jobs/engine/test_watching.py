"""Nothing that cannot go on hangs, and nothing that goes on is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from collectors.errors import Halt, Retryable
from collectors.jobs.engine import watching
from collectors.jobs.engine.assembly import assemble_job
from collectors.jobs.engine.tally import Tally
from collectors.jobs.engine.watching import Watching
from collectors.sinks.interface import Verdict
from tests.collectors.fakes import FakeSink, postponed
from tests.collectors.jobs.bench import origin_of, work_of
from tests.collectors.virtual_time import virtual_time


async def watched(sink: FakeSink, count: int = 50, **given: Any) -> tuple[Watching, float]:
    """A whole run, with how long it took."""
    work = await work_of(origin_of(count), sink, **given)
    tally, clock = Tally(), work.clock

    async def store(_: object) -> None:
        """Nothing is kept."""

    parts = assemble_job(work, work.ranges, tally, store)
    looked: list[int] = []
    watch = Watching(parts, tally, lambda: looked.append(1), clock)
    began = clock()
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(parts.source.run())
        await parts.source.start(parts.pipeline)
        await watch.run(tasks.create_task(parts.pipeline.run()))
        reading.cancel()
    assert looked
    return watch, clock() - began


@virtual_time
async def test_a_run_that_ends_is_complete() -> None:
    """Everything was read, and its outcome is known."""
    watch, _ = await watched(FakeSink())
    assert (watch.is_complete, watch.problems) == (True, [])


@virtual_time
async def test_a_write_that_hangs_is_given_up() -> None:
    """Nobody says why, and that is said."""

    async def hang(documents: Sequence[str]) -> Verdict:
        await asyncio.sleep(1e9)
        raise AssertionError(documents)

    watch, seconds = await watched(FakeSink(hang))
    assert not watch.is_complete
    assert watching.PATIENCE_SECONDS <= seconds < watching.PATIENCE_SECONDS + 5
    assert "nothing moved" in watch.problems[0]


@virtual_time
async def test_slow_is_not_stuck() -> None:
    """A job in which something moves now and then goes on, however long it takes."""

    async def slow(documents: Sequence[str]) -> Verdict:
        await asyncio.sleep(watching.PATIENCE_SECONDS * 0.9)
        del documents
        return Verdict()

    entry = {"batch": {"max_records": 100}, "flow": {"max_writes": 1}}
    watch, seconds = await watched(FakeSink(slow), 500, entry=entry)
    assert watch.is_complete
    assert seconds > 4 * watching.PATIENCE_SECONDS


@virtual_time
async def test_a_slow_rate_is_not_stuck() -> None:
    """Waiting for its turn is what it was told to do."""
    watch, seconds = await watched(FakeSink(), 5, rate=0.001)
    assert watch.is_complete
    assert seconds > 3_000


@virtual_time
async def test_a_halt_is_given_up_at_once_and_names_its_cause() -> None:
    """Also where it comes in the middle."""
    written: list[int] = []

    async def fill_up(documents: Sequence[str]) -> Verdict:
        written.append(len(documents))
        return (
            postponed(len(documents), Halt("index is read-only", "lift the block")) if len(written) > 3 else Verdict()
        )

    watch, seconds = await watched(FakeSink(fill_up), 5_000, entry={"batch": {"max_records": 100}})
    assert not watch.is_complete
    assert seconds < 10
    assert "read-only" in watch.problems[0]
    assert "lift the block" in watch.problems[0]


@virtual_time
async def test_a_stop_leaves_time_for_what_is_in_flight_and_no_more() -> None:
    """A sink that does not answer holds nobody's shutdown up."""

    async def away(documents: Sequence[str]) -> Verdict:
        return postponed(len(documents), Retryable("away"))

    work = await work_of(origin_of(50), FakeSink(away))

    async def store(_: object) -> None:
        """Nothing is kept."""

    parts = assemble_job(work, work.ranges, Tally(), store)
    watch = Watching(parts, Tally(), lambda: None, work.clock)
    began = work.clock()
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(parts.source.run())
        await parts.source.start(parts.pipeline)
        carrying = tasks.create_task(parts.pipeline.run())
        await asyncio.sleep(1.0)
        watch.stop()
        await watch.run(carrying)
        reading.cancel()
    assert watching.DRAIN_SECONDS <= work.clock() - began < watching.DRAIN_SECONDS + 3
    assert not watch.is_complete
