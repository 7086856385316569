"""Numbers side by side: figures, what is in doubt, and documents that are of no event."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.deliveries import Frame
from collectors.services.reconcile import comparing
from collectors.services.reconcile.boots import Boots
from collectors.services.reconcile.comparing import Side, Surplus, compare
from collectors.services.reconcile.holding import hold
from collectors.services.reconcile.looking import Doubt
from collectors.services.reconcile.results import Comparison
from collectors.services.reconcile.scan import Scan
from sluice.eventlog.interface import Boot
from tests.collectors.events import NOW_MICROS
from tests.collectors.services.reconcile.holdings import Held, MemoryStore
from tests.collectors.services.reconcile.scanning import PARTITION, SPAN, demand, frame, scanned

FOREIGN = Boot("who", "knows", "them")


async def sides(frames: list[Frame], held: list[Held], **entry: Any) -> tuple[Side, Scan, Doubt, Boots]:
    """A log and a store, compared by numbers."""
    boots, store = Boots(), MemoryStore(held)
    wanted = demand({PARTITION: 100}, **entry)
    whole = await hold(store, "analytics", SPAN, boots, lambda *_: None)
    scan = scanned(frames, wanted, boots=boots)
    side = Side(Comparison("rows", "analytics"), wanted, store, whole)
    return side, scan, compare(side, scan), boots


def documents(*numbers: int, **more: object) -> list[Held]:
    """One of each number."""
    return [Held(f"x{number}-a", number, NOW_MICROS, **more) for number in numbers]  # type: ignore[arg-type]


def ranges(table: object) -> list[tuple[int, int]]:
    """Without their boot."""
    return [row[1:] for row in table.iter_rows()]  # type: ignore[attr-defined]


async def test_equal_leaves_no_doubt() -> None:
    """And figures that say so."""
    side, _, doubt, _ = await sides([frame(1, 2, 3)], documents(1, 2, 3))
    found = side.comparison
    assert (found.in_log, found.expected, found.in_sink, found.explained) == (3, 3, 3, {})
    assert doubt.wanted.height == 0


async def test_doubt_is_what_is_absent_or_shared() -> None:
    """Numbers that two documents, or two records, have: there count and bounds agree, and ids must tell."""
    side, _, doubt, _ = await sides([frame(1, 2, 3, 4), frame(6, first=4), frame(6, first=5)], documents(1, 2, 2, 6))
    assert ranges(doubt.absent) == [(3, 4)]
    assert ranges(doubt.shared) == [(2, 2), (6, 6)]
    assert side.comparison.in_sink == 4


async def test_reasons_are_counted() -> None:
    """What is not selected, and what is under way."""
    frames = [frame(1, 2, app_id=9), frame(3, app_id=8, first=2), frame(4, app_id=9, first=100)]
    side, _, doubt, _ = await sides(frames, documents(1, 2), include={"apps": [9]})
    assert dict(side.comparison.explained) == {"filtered": 1, "in_flight": 1}
    assert doubt.wanted.height == 0


async def test_strangers_are_surplus() -> None:
    """By a boot that nobody knows, by a number behind all, and beside a real one; each with its id."""
    held = [
        *documents(1, 2),
        Held("far-a", 900, NOW_MICROS),
        Held("who-a", 1, NOW_MICROS, FOREIGN),
        Held("twin-a", 2, NOW_MICROS),
    ]
    side, scan, doubt, boots = await sides([frame(1, 2)], held)
    doubt.ids = {"x2-a"}
    await Surplus(boots, 10).find(side, doubt, scan)
    assert side.comparison.surplus == 3
    assert {item.event_id for item in side.comparison.items} == {"far-a", "who-a", "twin-a"}
    assert {item.boot for item in side.comparison.items} >= {FOREIGN}


async def test_what_is_in_the_log_under_another_number_is_no_stranger() -> None:
    """A store that renumbers has nobody else's documents because of it."""
    side, scan, doubt, boots = await sides([frame(1, 2)], documents(1, 500))
    doubt.displaced = {"x500-a"}
    await Surplus(boots, 10).find(side, doubt, scan)
    assert (side.comparison.surplus, side.comparison.items) == (0, [])


async def test_a_flood_of_strangers_is_counted_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many are looked at, fewer listed, all counted."""
    monkeypatch.setattr(comparing, "MAX_DOCUMENTS", 20)
    side, scan, doubt, boots = await sides([frame(1)], documents(1, *range(1_000, 1_100), *range(5_000, 5_100)))
    await Surplus(boots, 5).find(side, doubt, scan)
    assert (side.comparison.surplus, len(side.comparison.items)) == (200, 5)
