"""Hours and folders: every hour has one name, and no other name is an hour."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.services.archive.layout import HOUR_MS, Hour, folder_of, kind_of
from schemas.topics import Topics


@given(st.integers(0, 70_000_000))
def test_an_hour_is_its_folder(number: int) -> None:
    """There and back, and in the order of time."""
    hour = Hour(number)
    assert Hour.parse(hour.folder) == hour
    assert hour.folder < hour.next.folder
    assert Hour.of_ms(hour.start_ms) == Hour.of_ms(hour.end_ms - 1) == hour
    assert hour.end_ms - hour.start_ms == HOUR_MS


@pytest.mark.parametrize(
    "name", ["", "date=2026-02-30/hour=01", "date=2026-01-01/hour=24", "date=2026-01-01", "x/date=2026-01-01/hour=01"]
)
def test_no_other_name_is_an_hour(name: str) -> None:
    """Days that there are not too."""
    assert Hour.parse(name) is None


def test_names_for_people() -> None:
    """As RFC 3339 without seconds."""
    hour = Hour.of_ms(1_764_000_000_000)
    assert str(hour) == "2025-11-24T16:00Z"
    assert folder_of("t.analytics.v1", hour) == "t.analytics.v1/date=2025-11-24/hour=16"


def test_kinds_are_known_in_any_namespace() -> None:
    """Events by their topic; dead letters and all else are none."""
    topics = Topics("a.b-c")
    assert {kind_of(topic.name) for topic in topics.all()} == {"proxy_log", "analytics", "budget", None}
    assert kind_of(topics.event("analytics").name) == "analytics"
    assert kind_of(topics.event("analytics").dead_letters().name) is None
