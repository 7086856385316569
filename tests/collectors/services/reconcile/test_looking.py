"""The second look: what is not there by its id is missing, unless its dead letter says why; and nothing twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from collectors.deliveries import Frame
from collectors.errors import Retryable
from collectors.services.reconcile.boots import Boots
from collectors.services.reconcile.letters import Letter, Letters
from collectors.services.reconcile.looking import Doubt, Look
from collectors.services.reconcile.results import Comparison
from collectors.services.reconcile.sequences import no_ranges
from sluice.eventlog.interface import Partition
from tests.collectors.events import NOW_MICROS
from tests.collectors.services.reconcile.holdings import Held, MemoryStore
from tests.collectors.services.reconcile.scanning import PARTITION, demand, frame, scanned


@dataclass
class Reader:
    """Gives these frames where they lie."""

    given: list[Frame]

    async def frames(self, ranges: Any) -> AsyncIterator[tuple[Partition, Frame]]:
        for each in self.given:
            if any(wanted.first <= each.delivery.records[0].offset < wanted.end for wanted in ranges.values()):
                yield PARTITION, each


def table(*numbers: int) -> pl.DataFrame:
    """Of the first boot."""
    return pl.DataFrame([(0, number, number) for number in numbers], schema=no_ranges().schema, orient="row")


async def looked(frames: list[Frame], doubts: list[Doubt], letters: Letters | None = None, limit: int = 10) -> None:
    """All of it."""
    wanted = [doubt.demand for doubt in doubts]
    scan = scanned(frames, *wanted, boots=Boots())
    await Look(Reader(frames), scan, letters or Letters(), limit).settle(doubts, lambda *_: None)  # type: ignore[arg-type]


def doubt(store: MemoryStore, *absent: int, shared: tuple[int, ...] = ()) -> Doubt:
    """About these numbers."""
    return Doubt(Comparison("rows", "analytics"), demand(None), store, table(*absent), table(*shared))


async def test_missing_dead_and_displaced() -> None:
    """Each event in doubt is one of the three; what was not in doubt is not asked for."""
    log = frame(1, 2, 3, 4)
    ids = log.rows["event_id"].to_list()
    store = MemoryStore([Held(ids[3], 0, NOW_MICROS)])
    letters = Letters()
    letters.add(ids[2], "rows", Letter("bad_row"))
    found = doubt(store, 2, 3, 4)
    await looked([log], [found], letters)
    comparison = found.comparison
    assert (comparison.missing, dict(comparison.explained)) == (1, {"dead_lettered": 1, "by_id": 1})
    assert {(item.verdict, item.event_id) for item in comparison.items} == {
        ("missing", ids[1]),
        ("dead_lettered", ids[2]),
    }
    assert found.displaced == {ids[3]}
    assert store.asked == [("present", set(ids[1:]))]


async def test_what_a_relay_sent_twice_is_missing_once() -> None:
    """The same event at two offsets."""
    log = frame(1, 2)
    again = frame(1, 2, first=2)
    again.rows = log.rows
    found = doubt(MemoryStore(), shared=(1, 2))
    await looked([log, again], [found])
    assert found.comparison.missing == 2
    assert found.ids == set(log.rows["event_id"])


async def test_two_events_with_one_number_are_two() -> None:
    """A boot that began again with numbers it had given: only ids tell them apart."""
    log = [frame(1, 2), frame(2, first=2)]
    held = [Held(event_id, 1, NOW_MICROS) for each in log for event_id in each.rows["event_id"]]
    found = doubt(MemoryStore(held[:2]), shared=(2,))
    await looked(log, [found])
    assert [item.event_id for item in found.comparison.items] == [held[2].event_id]


async def test_a_store_that_goes_away_says_nothing_and_holds_no_other_up() -> None:
    """Its figures are withdrawn; the other's stand."""
    away, well = doubt(MemoryStore(cause=Retryable("away")), 1, 2), doubt(MemoryStore(), 1)
    await looked([frame(1, 2)], [away, well])
    assert (away.comparison.problem, away.comparison.missing, away.comparison.is_equal) == ("away", 0, False)
    assert (well.comparison.problem, well.comparison.missing) == ("", 1)


async def test_a_list_is_bounded_and_a_count_is_not() -> None:
    """An empty sink is one figure, and a few examples."""
    found = doubt(MemoryStore(), *range(1, 51))
    await looked([frame(*range(1, 51))], [found], limit=3)
    assert (found.comparison.missing, len(found.comparison.items)) == (50, 3)
