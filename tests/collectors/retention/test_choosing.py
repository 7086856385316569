"""Which pieces go: the oldest, as many as must, and none that is too young."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collectors.retention.choosing import DAY_MICROS, Piece, choose, end_of_day
from collectors.retention.settings import Limit

NOW = 1_000 * DAY_MICROS


def piece(days_ago: int, size: int = 10) -> Piece:
    """Whose day ended so long ago."""
    return Piece(f"d{days_ago:03}", NOW - days_ago * DAY_MICROS, size)


def names(limit: Limit, *pieces: Piece, floor_days: int = 0) -> list[str]:
    """Of those that go."""
    return [each.name for each in choose(pieces, limit, floor_days * DAY_MICROS, NOW).pieces]


def test_by_age() -> None:
    """A piece goes when its last day ended before the limit, to the microsecond; oldest first."""
    limit = Limit(max_age=30 * 86_400.0)
    assert names(limit, piece(29), piece(30), piece(31), piece(400)) == ["d400", "d031", "d030"]
    late = Piece("late", NOW - 30 * DAY_MICROS + 1, 10)
    assert names(limit, late) == []


def test_by_bytes() -> None:
    """The newest stay as far as they fit; what is older than the first that does not fit goes, however small."""
    limit = Limit(max_bytes=25)
    assert names(limit, piece(1), piece(2), piece(3), piece(4)) == ["d004", "d003"]
    assert names(limit, piece(1), piece(2, 100), piece(3, 1)) == ["d003", "d002"]
    assert names(limit, piece(1, 25)) == []


def test_nothing_that_the_log_still_keeps_goes() -> None:
    """Whatever the limits are; by how much that is too much is told."""
    chosen = choose([piece(1, 100), piece(8, 100)], Limit(max_bytes=30), 7 * DAY_MICROS, NOW)
    assert ([each.name for each in chosen.pieces], chosen.excess_bytes) == (["d008"], 70)
    assert names(Limit(max_age=1.0), piece(1), piece(6), piece(7), floor_days=7) == ["d007"]


def test_a_day_ends_at_midnight() -> None:
    """UTC; its first microsecond belongs to it, its end to the next."""
    assert end_of_day(0) == end_of_day(DAY_MICROS - 1) == DAY_MICROS
    assert end_of_day(DAY_MICROS) == 2 * DAY_MICROS


PIECES = st.lists(
    st.builds(lambda number, days, size: Piece(f"{days}-{number}", NOW - days * DAY_MICROS, size),
              st.integers(0, 10**6), st.integers(0, 60), st.integers(0, 50)),
    unique_by=lambda each: each.name,
)  # fmt: skip


@given(PIECES, st.integers(1, 60), st.integers(1, 500), st.integers(0, 60))
def test_laws(pieces: list[Piece], days: int, max_bytes: int, floor: int) -> None:
    """Nothing younger than the floor goes; no piece stays that is older than one that went; what stays fits, or is what
    the log keeps."""
    limit = Limit(max_age=days * 86_400.0, max_bytes=max_bytes)
    chosen = choose(pieces, limit, floor * DAY_MICROS, NOW)
    gone = {each.name for each in chosen.pieces}
    kept = [each for each in pieces if each.name not in gone]
    assert all(each.ends_at <= NOW - floor * DAY_MICROS for each in chosen.pieces)
    if gone:
        newest_gone = max(each.ends_at for each in chosen.pieces)
        assert all(each.ends_at >= newest_gone for each in kept)
    too_much = sum(each.size_bytes for each in kept) - max_bytes
    assert chosen.excess_bytes == max(0, too_much)
    if too_much > 0:
        assert all(each.ends_at > NOW - floor * DAY_MICROS for each in kept if each.size_bytes) or floor
