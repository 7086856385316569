"""Cursors come back as they were given, and nothing else is one."""

from __future__ import annotations

import pytest

from sluice.eventstore.panels.places import cursor_of, place_of
from sluice.eventstore.panels.query import QueryError


@pytest.mark.parametrize("place", [(0, "a"), (-5, "e.1-a"), (1_764_000_000_000_000, "x" * 100)])
def test_a_cursor_is_its_place(place: tuple[int, str]) -> None:
    """There and back."""
    assert place_of(cursor_of(place)) == place


@pytest.mark.parametrize(
    "cursor", ["", ".", "a.b", "1", "²5.a", "9" * 20 + ".a", "1.\0", "1.\ud800", "1." + "x" * 300, 5]
)
def test_what_is_no_cursor_is_refused(cursor: object) -> None:
    """With what to do."""
    with pytest.raises(QueryError, match=r"cursor: .* begin without"):
        place_of(cursor)  # type: ignore[arg-type]
