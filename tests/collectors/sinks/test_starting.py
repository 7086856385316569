"""A sink that its first write starts: waited for by its own events alone, started once, and otherwise as it is."""

from __future__ import annotations

import asyncio

import pytest

from collectors.errors import Halt, Retryable
from collectors.sinks.interface import Verdict
from collectors.sinks.starting import StartingSink
from schemas.codec import SchemaBook
from tests.collectors.events import make_record, numbered
from tests.collectors.fakes import FakeSink
from tests.collectors.frames import frame_of_records


class Sink(FakeSink):
    """Counts its starts, and takes a while for one."""

    starts = 0

    async def start(self) -> None:
        await asyncio.sleep(0)
        await super().start()
        self.starts += 1


@pytest.mark.parametrize("cause", [Retryable("away", 3.0), Halt("401", "give a password")])
async def test_while_it_does_not_start_all_is_postponed(cause: Retryable | Halt) -> None:
    """With the very cause, so that it is waited for as a write's would be; nothing is written."""
    within = Sink()
    within.start_errors.append(cause)
    sink = StartingSink(within)
    verdict = await sink.write(["a", "b"])
    assert (verdict.retry, verdict.cause, within.writes) == ([0, 1], cause, [])
    assert await sink.write(["a", "b"]) == Verdict()
    assert (within.starts, within.writes) == (1, [["a", "b"]])


async def test_a_fault_of_its_own_is_waited_for_too() -> None:
    """It ends neither the service nor the other sinks, and is named by its class."""
    within = Sink()
    within.start_errors.append(KeyError("a value"))
    sink = StartingSink(within)
    assert str((await sink.write(["a"])).cause) == "the sink raised KeyError as it started"
    assert await sink.write(["a"]) == Verdict()


async def test_writes_at_once_start_it_once() -> None:
    """And a start after that does nothing."""
    within = Sink()
    sink = StartingSink(within)
    await asyncio.gather(*(sink.write([name]) for name in "abc"), sink.start(), sink.check())
    await sink.start()
    assert (within.starts, sorted(within.durable)) == (1, ["a", "b", "c"])


async def test_a_check_starts_it() -> None:
    """A sink without events is known to be away too."""
    within = Sink()
    within.start_errors.append(Retryable("away"))
    within.check_errors.append(Retryable("ill"))
    sink = StartingSink(within)
    for said in ("away", "ill"):
        with pytest.raises(Retryable, match=said):
            await sink.check()
    await sink.check()
    assert within.starts == 1


async def test_all_else_is_the_sink_s_own() -> None:
    """Documents, also before it is started, and the close."""
    within = Sink()
    sink = StartingSink(within)
    frame = frame_of_records(SchemaBook(), numbered(make_record() for _ in range(2)))
    assert sink.prepare(frame).documents == frame.rows["event_id"].to_list()
    await sink.close()
    assert (within.closed, within.starts) == (True, 0)
