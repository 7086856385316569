"""One reading of the log: what it has, what each target should have, and where to look again."""

from __future__ import annotations

import polars as pl
import pytest

from collectors.services.reconcile import scan as module
from collectors.services.reconcile.sequences import Sequences, no_ranges
from sluice.eventlog.ranges import OffsetRange
from tests.collectors.services.reconcile.scanning import PARTITION, SPAN, demand, frame, scanned


def ranges(numbers: Sequences) -> list[tuple[int, int]]:
    """Of the only boot."""
    return [row[1:] for row in numbers.ranges.iter_rows()]


def test_the_span_has_sharp_edges() -> None:
    """By the exchange's own time, the end not in it; what is outside is in the log all the same."""
    times = ((1, SPAN.start - 1), (2, SPAN.start), (3, SPAN.end - 1), (4, SPAN.end))
    wanted = demand()
    scan = scanned([frame(number, occurred_at=at) for number, at in times], wanted)
    assert ranges(scan.all["analytics"]) == [(1, 4)]
    assert ranges(scan.within["analytics"]) == ranges(wanted.numbers) == [(2, 3)]


def test_what_is_not_acknowledged_is_excused() -> None:
    """From the next offset on; of a partition without one, everything; and nothing where all is expected."""
    some, none, strict = demand({PARTITION: 2}), demand({}), demand(None)
    scanned([frame(1, 2, 3, 4)], some, none, strict)
    assert ranges(some.numbers) == [(1, 2)]
    assert ranges(some.excused["in_flight"]) == [(3, 4)]
    assert (ranges(none.numbers), ranges(none.excused["in_flight"])) == ([], [(1, 4)])
    assert (ranges(strict.numbers), strict.excused) == ([(1, 4)], {})


def test_what_retention_may_have_deleted_is_excused() -> None:
    """Before the cutoff."""
    wanted = demand(cutoff=SPAN.start + 10)
    scanned([frame(1, occurred_at=SPAN.start + 9), frame(2, occurred_at=SPAN.start + 10)], wanted)
    assert (ranges(wanted.numbers), ranges(wanted.excused["retention"])) == ([(2, 2)], [(1, 1)])


def test_what_is_not_selected_is_not_expected() -> None:
    """As the collectors select."""
    wanted = demand(include={"apps": [9]})
    scanned([frame(1, 2, app_id=9), frame(3, app_id=8)], wanted)
    assert ranges(wanted.numbers) == [(1, 2)]


def test_numbers_that_no_gateway_gives_are_none() -> None:
    """Older writers' zero, and less; a reused boot shows as numbers that come twice."""
    scan = scanned([frame(0, -3, 1, 2), frame(2, 3)])
    assert ranges(scan.all["analytics"]) == [(1, 3)]
    assert [row[1:] for row in scan.all["analytics"].repeated.iter_rows()] == [(2, 2)]


@pytest.mark.parametrize("crowded", [False, True])
def test_it_knows_where_to_look_again(crowded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only chunks that can have the numbers; those of too many boots always."""
    monkeypatch.setattr(module, "_MAX_BOOTS", 0 if crowded else 10)
    scan = scanned([frame(1, 2, first=0), frame(3, 4, first=2), frame(5, 9, first=4), frame(1, boot_id="x", first=6)])
    wanted = pl.DataFrame([(0, 4, 4), (0, 7, 7)], schema=no_ranges().schema, orient="row")
    found = [chunk.offsets for chunk in scan.where("analytics", wanted)]
    assert found == ([OffsetRange(0, 2), OffsetRange(2, 4), OffsetRange(4, 6), OffsetRange(6, 7)] if crowded
                     else [OffsetRange(2, 4), OffsetRange(4, 6)])  # fmt: skip
    assert (scan.where("analytics", no_ranges()) == []) is not crowded


def test_very_many_ranges_are_looked_for_by_their_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that looking costs no more than reading; nothing is passed over."""
    monkeypatch.setattr(module, "_EXACT_RANGES", 1)
    scan = scanned([frame(1, 2, first=0), frame(3, 4, first=2), frame(5, 9, first=4)])
    wanted = pl.DataFrame([(0, 1, 1), (0, 9, 9)], schema=no_ranges().schema, orient="row")
    assert len(scan.where("analytics", wanted)) == 3
