"""The clock: whole microseconds, always UTC, never rounded by a float."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.clock import at_micros, iso_micros, micros_of, now_micros, utc_now

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROS = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)  # the years 1 to 9999


def test_now_is_now_in_microseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nanoseconds are cut, not rounded: a moment is never in the future."""
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_123_456_999)
    assert now_micros() == 1_700_000_000_123_456


def test_utc_now_is_aware_and_the_same_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Aware, in UTC, and the very microsecond that ``now_micros`` says."""
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_123_456_000)
    assert utc_now() == datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC)
    assert utc_now().tzinfo is UTC


@settings(deadline=None)
@given(MICROS)
def test_a_moment_keeps_every_microsecond(micros: int) -> None:
    """There and back is the same integer, before the epoch too: no float is in between."""
    at = at_micros(micros)
    assert at.tzinfo is UTC
    assert (at - EPOCH) // timedelta(microseconds=1) == micros
    assert micros_of(at) == micros_of(at.replace(tzinfo=None)) == micros


@settings(deadline=None)
@given(st.integers(0, 253_402_300_799_999_999))
def test_text_is_read_back_as_the_same_moment(micros: int) -> None:
    """RFC 3339 with six digits and ``Z``, of one width, so that texts sort as moments do."""
    text = iso_micros(micros)
    assert len(text) == len("1970-01-01T00:00:00.000000Z")
    assert datetime.fromisoformat(text) == at_micros(micros)


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (1_709_164_800_000_001, "2024-02-29T00:00:00.000001Z"),
    ],
)
def test_known_moments(micros: int, text: str) -> None:
    """The epoch, the microsecond before it, and a leap day."""
    assert iso_micros(micros) == text


def test_a_moment_beyond_the_calendar_is_refused() -> None:
    """Year 10000 is an error, not another year."""
    with pytest.raises((ValueError, OverflowError)):
        at_micros(253_402_300_800_000_000)
