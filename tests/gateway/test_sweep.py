"""The sweep: one timer ends what has waited too long, and touches nothing else."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from gateway.exchange import Exchange
from gateway.sweep import INTERVAL_SECONDS, Sweep
from tests.gateway.test_exchange import Connection, Upstream, an_exchange

NOW = 1_000.0


def watched(sweep: Sweep, **values: Any) -> tuple[Exchange, Connection, Upstream]:
    """An exchange under way, its client's connection and its vendor's answer."""
    connection, upstream = Connection(), Upstream()
    exchange = an_exchange(connection=connection, upstream=upstream, **values)
    sweep.watch(exchange)
    return exchange, connection, upstream


def test_exchanges_are_counted_while_they_are_under_way() -> None:
    """Two that are equal are two."""
    sweep = Sweep(30.0)
    first, second = an_exchange(), an_exchange()
    sweep.watch(first)
    sweep.watch(second)
    assert sweep.in_flight == 2
    assert [*map(id, sweep.exchanges)] == [id(first), id(second)]
    sweep.forget(first)
    assert sweep.in_flight == 1
    assert [*map(id, sweep.exchanges)] == [id(second)]
    sweep.forget(second)
    assert sweep.in_flight == 0


def test_an_exchange_that_is_over_may_still_be_told_of() -> None:
    """It is not in flight, and not looked at; but who asks whose plugins may be called sees it."""
    sweep = Sweep(30.0)
    exchange, connection, _ = watched(sweep, deadline=NOW)
    sweep.forget(exchange)
    with sweep.lingering(exchange):
        other, *_ = watched(sweep)
        assert (sweep.in_flight, [*map(id, sweep.exchanges)]) == (1, [id(other), id(exchange)])
        sweep.run_once(NOW + 1)
        assert connection.aborted == 0
    assert [*map(id, sweep.exchanges)] == [id(other)]


def test_what_was_never_watched_cannot_be_forgotten() -> None:
    """A count that is wrong would admit or refuse for ever, so it is an error at once."""
    with pytest.raises(KeyError):
        Sweep(30.0).forget(an_exchange())


async def test_it_rests_until_an_exchange_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """And from then on looks as often as ever, until none is under way."""
    looks: list[int] = []

    async def at_once(seconds: float) -> None:
        assert seconds == INTERVAL_SECONDS
        looks.append(sweep.in_flight)
        await asyncio.sleep(0)

    monkeypatch.setattr("gateway.sweep.beat", at_once)
    sweep = Sweep(30.0)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(sweep.run())
        for _ in range(2):
            await turns(5)
            assert looks == []
            exchange, *_ = watched(sweep)
            other, connection, _ = watched(sweep, deadline=time.monotonic() - 1)
            assert sweep.in_flight == 2
            await turns(5)
            assert len(looks) > 2
            assert connection.aborted
            sweep.forget(exchange)
            sweep.forget(other)
            await turns(5)
            looks.clear()
        running.cancel()


async def turns(count: int) -> None:
    """Turns of the event loop."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize(("deadline", "aborted"), [(0.0, 0), (NOW - 0.1, 1), (NOW, 0), (NOW + 0.1, 0)])
def test_a_client_that_neither_reads_nor_writes_is_cut(deadline: float, aborted: int) -> None:
    """Behind its deadline, not at it; zero is none."""
    sweep = Sweep(30.0)
    _, connection, upstream = watched(sweep, deadline=deadline)
    sweep.run_once(NOW)
    assert (connection.aborted, upstream.aborted) == (aborted, 0)


def test_a_client_that_left_is_drained_for_a_while() -> None:
    """From the first look on; then its upstream call is ended, once."""
    sweep = Sweep(30.0)
    exchange, connection, upstream = watched(sweep, client_left=True, deadline=1.0)
    for now in (NOW, NOW + 30.0):
        sweep.run_once(now)
        assert upstream.aborted == 0
    for now in (NOW + 30.1, NOW + 60.0):
        sweep.run_once(now)
        assert upstream.aborted == 1
    assert exchange.drain_expired
    assert connection.aborted == 0


def test_each_is_looked_at_by_itself() -> None:
    """One that ends while others are looked at disturbs none."""
    sweep = Sweep(30.0)
    ended: list[Exchange] = []

    class Ending(Connection):
        def abort(self) -> None:
            for exchange in ended:
                sweep.forget(exchange)
            ended.clear()

    first = an_exchange(connection=Ending(), deadline=1.0)
    ended.append(first)
    sweep.watch(first)
    _, second, _ = watched(sweep, deadline=1.0)
    sweep.run_once(NOW)
    assert (sweep.in_flight, second.aborted) == (1, 1)


def test_the_clock_is_monotonic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless a test turns it."""
    monkeypatch.setattr(time, "monotonic", lambda: NOW)
    sweep = Sweep(30.0)
    exchange, _, _ = watched(sweep, client_left=True)
    sweep.run_once()
    assert exchange.left_at == NOW
