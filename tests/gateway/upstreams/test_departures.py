"""Requests leave at the end of their turn, in order, none behind its bound, and none on a connection that is gone."""

from __future__ import annotations

import asyncio
from typing import Self, cast

from gateway.upstreams.departures import MAX_SECONDS, Departures
from tests.contracts.scripted_upstream import turns


class Wire:
    """Stands for the transports of one origin: what was written, and to which."""

    def __init__(self, log: list[tuple[str, bytes]], name: str) -> None:
        self._log, self._name = log, name
        self.is_gone = self.is_broken = False

    def named(self, name: str) -> Self:
        """Another of the same origin."""
        return type(self)(self._log, name)

    def is_closing(self) -> bool:
        """As a test says."""
        return self.is_gone

    def write(self, data: bytes) -> None:
        """Remember it."""
        assert not self.is_gone, "some event loops raise"
        if self.is_broken:
            raise RuntimeError
        self._log.append((self._name, data))

    def abort(self) -> None:
        """Remember that too."""
        self._log.append((self._name, b"aborted"))


def put(departures: Departures, wire: Wire, request: bytes) -> None:
    """As a connection does."""
    departures.put(cast("asyncio.Transport", wire), request, asyncio.get_running_loop())


async def test_requests_of_one_turn_leave_together_at_its_end() -> None:
    """In the order in which they were made; those of the next turn at the end of that."""
    log: list[tuple[str, bytes]] = []
    departures, first = Departures(lambda: 0.0), Wire(log, "a")
    put(departures, first, b"1")
    put(departures, first.named("b"), b"2")
    assert log == []
    await turns(1)
    assert log == [("a", b"1"), ("b", b"2")]
    put(departures, first, b"3")
    await turns(1)
    assert log[2:] == [("a", b"3")]


async def test_a_long_turn_keeps_no_request_waiting() -> None:
    """What is made behind the bound takes with it what waits; what comes then waits anew."""
    log: list[tuple[str, bytes]] = []
    now = 0.0
    departures, wire = Departures(lambda: now), Wire(log, "a")
    put(departures, wire, b"1")
    now += MAX_SECONDS / 2
    put(departures, wire, b"2")
    assert log == []
    now += MAX_SECONDS
    put(departures, wire, b"3")
    assert [request for _, request in log] == [b"1", b"2", b"3"]
    put(departures, wire, b"4")
    assert len(log) == 3
    await turns(1)
    assert len(log) == 4


async def test_what_is_closed_meanwhile_gets_nothing() -> None:
    """Its exchange is told by the connection; the others' requests leave."""
    log: list[tuple[str, bytes]] = []
    departures, gone = Departures(lambda: 0.0), Wire(log, "gone")
    put(departures, gone, b"1")
    put(departures, gone.named("b"), b"2")
    gone.is_gone = True
    await turns(1)
    assert log == [("b", b"2")]


async def test_a_request_that_cannot_be_written_takes_no_other_with_it() -> None:
    """Neither those behind it nor the exchange that made the last one; its own is told by the connection."""
    log: list[tuple[str, bytes]] = []
    now = 0.0
    departures, broken = Departures(lambda: now), Wire(log, "broken")
    broken.is_broken = True
    put(departures, broken, b"1")
    now += 2 * MAX_SECONDS
    put(departures, broken.named("b"), b"2")
    assert log == [("broken", b"aborted"), ("b", b"2")]
