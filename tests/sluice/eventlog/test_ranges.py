"""What a range of offsets is; how each log reads one is ``tests/contracts/test_ranges.py``."""

from __future__ import annotations

import pytest

from sluice.eventlog.ranges import OffsetRange


@pytest.mark.parametrize(("first", "end", "is_empty"), [(0, 0, True), (3, 3, True), (4, 3, True), (3, 4, False)])
def test_a_range_without_room_is_empty(first: int, end: int, is_empty: bool) -> None:
    """Its end is not part of it; one that ends before it begins, as when all of it was deleted, has nothing either."""
    assert OffsetRange(first, end).is_empty is is_empty
