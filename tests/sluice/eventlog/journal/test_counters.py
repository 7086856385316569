"""What is counted: from nothing, each for itself, and no name that nobody renders."""

from __future__ import annotations

import dataclasses

import pytest

from sluice.eventlog.journal.counters import JournalCounters, ReaderCounters

KINDS = [JournalCounters, ReaderCounters]


@pytest.mark.parametrize("kind", KINDS)
def test_everything_begins_at_nothing(kind: type[JournalCounters | ReaderCounters]) -> None:
    """Plain integers, so that counting costs an addition; two journals do not share them."""
    one, other = kind(), kind()
    values = dataclasses.asdict(one)
    assert values
    assert set(values.values()) == {0}
    assert all(type(value) is int for value in values.values())
    one.records += 5
    assert (one.records, other.records) == (5, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_misspelt_counter_is_an_error(kind: type[JournalCounters | ReaderCounters]) -> None:
    """It would count where nobody looks."""
    with pytest.raises(AttributeError):
        setattr(kind(), "recrods", 1)  # noqa: B010
