"""Whether a position fits the log: an id decides where both are known, and the end where one is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.services.budget_truth.counting import Position
from collectors.services.budget_truth.fitting import Found, Misfit, fitted, is_trimmed, lost_text
from sluice.eventlog.ranges import OffsetRange
from sluice.intervals import Intervals
from tests.collectors.services.budget_truth.making import HERE

IDS = st.sampled_from(["", "a", "b"])
OFFSETS = st.integers(0, 20)


@st.composite
def positions(draw: st.DrawFn) -> Position:
    """Of some log, with something lost or not."""
    first, length = draw(OFFSETS), draw(OFFSETS)
    lost = Intervals([(first, first + length)]) if draw(st.booleans()) else Intervals()
    return Position(first + length, first, lost, draw(IDS))


@st.composite
def logs(draw: st.DrawFn) -> Found:
    """As they may be found."""
    first = draw(OFFSETS)
    return Found(HERE, OffsetRange(first, first + draw(OFFSETS)), draw(IDS), was_at_end=draw(st.booleans()))


@given(positions(), logs())
def test_an_id_decides_where_both_are_known(at: Position, found: Found) -> None:
    """Another one is a log from its beginning, as one that is new, and that is said with both ids. In every other case
    all is as if there were no ids, but that an id that is known is kept, and one that becomes known is taken."""
    fits, misfits = fitted(at, found)
    if at.log_id and found.log_id and at.log_id != found.log_id:
        new, _ = fitted(None, found)
        assert replace(fits, lost=Intervals()) == new
        assert misfits[0].kind == "rewound"
        assert lost_text(misfits[0]).endswith(f": its id is {found.log_id}, and was {at.log_id}")
        assert [misfit.kind for misfit in misfits[1:]] == ["lost"] * is_trimmed(found.there.first, is_kafka=True)
    else:
        by_end, said = fitted(replace(at, log_id=""), found._replace(log_id=""))
        assert (replace(fits, log_id=""), misfits) == (by_end, said)
        assert fits.log_id == (at.log_id or found.log_id)


@given(st.none() | positions(), logs())
def test_what_was_made_to_fit_fits(at: Position | None, found: Found) -> None:
    """It lies in the log, and the same log says nothing a second time."""
    fits, _ = fitted(at, found)
    assert found.there.first <= fits.next_offset <= found.there.end
    assert fitted(fits, found) == (fits, [])


def test_of_a_log_that_was_made_anew_what_retention_took_is_lost() -> None:
    """Also where as many offsets of the log before had been lost: those were others."""
    at = Position(9, 0, Intervals([(0, 5)]), "a")
    fits, misfits = fitted(at, Found(HERE, OffsetRange(6, 30), "b"))
    assert fits == Position(6, 6, Intervals([(0, 5)]), "b")
    assert [(misfit.kind, misfit.is_cut, lost_text(misfit)) for misfit in misfits] == [
        ("rewound", False, "sluice.budget.v1/0 offsets 0-8: its id is b, and was a"),
        ("lost", True, "sluice.budget.v1/0 offsets 0-5"),
    ]


def test_a_journal_s_segment_that_was_read_to_its_end_is_not_lost() -> None:
    """The next one has another number; what was not read to its end is lost."""
    at, there = Position((1 << 32) + 9, 0), OffsetRange(2 << 32, (2 << 32) + 5)
    found = Found(HERE, there, is_kafka=False, was_at_end=True)
    assert fitted(at, found) == (replace(at, next_offset=there.first), [])
    _, misfits = fitted(at, found._replace(was_at_end=False))
    assert misfits == [Misfit("lost", HERE, OffsetRange((1 << 32) + 9, 2 << 32))]


@pytest.mark.parametrize(
    ("first", "is_kafka", "expected"),
    [(0, True, False), (1, True, True), (1 << 32, False, False), (2 << 32, False, True)],
)
def test_a_log_that_had_more_is_known_by_its_first_offset(first: int, is_kafka: bool, expected: bool) -> None:
    """A topic begins with 0, a journal with the first entry of its first segment."""
    assert is_trimmed(first, is_kafka=is_kafka) is expected
