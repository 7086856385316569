"""Dead letters pass their gate as long as its limits do, and are in the log before anything passes them."""

from __future__ import annotations

import asyncio

import pytest

from collectors.backoff import Backoff
from collectors.burial import DEAD_LETTERS, Burial, Gate
from collectors.dead_letters import DeadLetterLimits, DeadLetters
from collectors.deliveries import Poison
from collectors.entries import DeadLetterSettings, RetrySettings
from collectors.errors import Unprocessable
from collectors.health import Health
from collectors.metrics import CollectorMetrics
from collectors.tracker import Lane
from sluice.eventlog.interface import EventLogError
from tests.collectors.events import NOW_MICROS, make_record, partition_of
from tests.collectors.fakes import FakeLog, FakeSink
from tests.collectors.virtual_time import virtual_time

WHERE = "limits of one"


def poison(count: int) -> Poison:
    """So many records of one producer."""
    made = Poison()
    for _ in range(count):
        made.add(make_record(), Lane(partition_of()), Unprocessable("bad"), "gw-1")
    return made


class Bench:
    """A gate that lets two pass in a row, and a burial."""

    def __init__(self) -> None:
        clock = asyncio.get_running_loop().time
        self.health, self.metrics, self.log = Health("test", clock), CollectorMetrics(), FakeLog(FakeSink())
        limits = DeadLetterLimits(DeadLetterSettings(max_consecutive=2), clock, lambda *_: None)
        self.gate = Gate(limits, self.health, 30.0, WHERE, lambda: NOW_MICROS)
        letters = DeadLetters(self.log, service="test", group="g", version="1")
        backoff = Backoff(RetrySettings(), lambda: 1.0)
        self.burial = Burial(letters, self.health, self.metrics.of("test"), backoff, clock)


@virtual_time
async def test_a_gate_is_halted_until_all_whom_it_held_up_have_left() -> None:
    """One that passes beside them, or leaves without having been held up, opens nothing."""
    bench = Bench()
    first, second, other = object(), object(), object()
    assert not bench.gate.admit(first, poison(3))
    assert not bench.gate.admit(second, poison(3))
    assert bench.gate.admit(other, poison(1))
    bench.gate.leave(other)
    bench.gate.leave(first)
    assert bench.health.is_halted_at(WHERE)
    bench.gate.leave(second)
    assert not bench.health.causes


@virtual_time
async def test_what_goes_well_counts_against_what_does_not() -> None:
    """In a row is in a row: after a delivery of the same producer it begins anew."""
    bench = Bench()
    assert bench.gate.admit(bench, poison(2))
    assert not bench.gate.admit(bench, poison(1))
    bench.gate.delivered({"gw-1": 1})
    assert bench.gate.admit(bench, poison(1))


@virtual_time
async def test_when_it_first_failed_is_when_it_first_stood_at_the_gate() -> None:
    """And not when it was let through; a time that is known already stays."""
    bench, held, older = Bench(), poison(3), poison(1)
    older.first_failed_at = 7
    bench.gate.admit(held, held)
    bench.gate.admit(older, older)
    assert (held.first_failed_at, older.first_failed_at) == (NOW_MICROS, 7)


@virtual_time
async def test_it_returns_when_the_log_has_them() -> None:
    """However often the log refuses: halted meanwhile, and waiting longer each time."""
    bench = Bench()
    bench.log.publish_errors.extend([EventLogError("read-only")] * 3)
    began = asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as tasks:
        burying = tasks.create_task(bench.burial.publish(poison(2)))
        await asyncio.sleep(0.1)
        assert bench.health.is_halted_at(DEAD_LETTERS)
        assert not burying.done()
    assert len(bench.log.dead_letters) == 2
    assert not bench.health.causes
    assert asyncio.get_running_loop().time() - began == pytest.approx(0.5 + 1 + 2, abs=0.1)
    assert bench.metrics.dead_letters.value("test", "bad") == 2
