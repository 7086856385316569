"""A job carries what all tests want, and counts just that."""

from __future__ import annotations

import pytest

from collectors.deliveries import Frame
from collectors.jobs.engine.pace import Pace
from collectors.jobs.engine.tally import Tally
from collectors.jobs.engine.wanted import JobSelection, occurred_within
from collectors.selection import Selection
from schemas.codec import SchemaBook
from schemas.events import KINDS
from tests.collectors.frames import frame_of_records
from tests.collectors.jobs.bench import records


def frame(count: int = 10) -> Frame:
    """Events that occurred at 0, 100, 200 … microseconds."""
    return frame_of_records(SchemaBook(), [each for at in range(count) for each in records(1, occurred_at=100 * at)])


def test_rows_must_be_wanted_by_all() -> None:
    """In their order; where all want all, it is a range."""
    tally, pace = Tally(), Pace(10.0, lambda: 0.0)
    seen: list[Frame] = []
    tests = [lambda _: [1, 2, 3, 8], lambda _: range(10), lambda _: [0, 2, 3, 9]]
    selection = JobSelection(Selection(KINDS), tests, tally, pace, seen.append)
    assert list(selection.positions(frame())) == [2, 3]
    assert (tally.first_at, tally.last_at) == (200, 300)
    assert pace.seconds_left == pytest.approx(0.2)
    assert [len(each.delivery) for each in seen] == [2]
    assert JobSelection(Selection(KINDS), [], tally, pace).positions(frame()) == range(10)


def test_what_the_entry_does_not_take_is_not_counted() -> None:
    """Of another kind nothing is matched, paid for or observed."""
    tally, pace = Tally(), Pace(10.0, lambda: 0.0)
    selection = JobSelection(Selection(["budget"]), [], tally, pace)
    assert list(selection.positions(frame())) == []
    assert (tally.first_at, pace.seconds_left) == (None, 0.0)


@pytest.mark.parametrize(
    ("start", "end", "wanted"),
    [(None, None, range(10)), (300, None, range(3, 10)), (None, 300, range(3)), (200, 201, [2]), (201, 300, [])],
)
def test_moments_are_of_the_event(start: int | None, end: int | None, wanted: range | list[int]) -> None:
    """From the first on, before the second."""
    assert list(occurred_within(start, end)(frame())) == list(wanted)
