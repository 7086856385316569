"""The names of indices: an event's own UTC day, whenever and wherever it is written."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import KINDS, Kind
from sluice.eventstore.names import (
    INDEX_NAMES,
    Making,
    Period,
    daily_index,
    daily_pattern,
    dated_index,
    job_index_of,
    job_stem,
)

DAY = 86_400_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
moments = st.integers(0, 253_402_300_799_999_999)
"""To the end of the year 9999."""


@pytest.fixture
def far_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A host whose clock shows another day than UTC."""
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@given(moments)
@settings(deadline=None)
def test_the_day_is_the_events_own(micros: int) -> None:
    """By the calendar in UTC, always ten characters, and found by the pattern that the template has."""
    name = daily_index("stem", micros)
    day = (EPOCH + timedelta(microseconds=micros)).date()
    assert name == f"stem-{day.year:04}.{day.month:02}.{day.day:02}"
    assert fnmatchcase(name, daily_pattern("stem"))


@given(moments, moments)
@settings(deadline=None)
def test_names_sort_like_days(one: int, other: int) -> None:
    """So that the oldest can be found and deleted by name; two moments of one day have one name."""
    earlier, later = sorted((one, other))
    assert daily_index("s", earlier) <= daily_index("s", later)
    assert (daily_index("s", one) == daily_index("s", other)) == (one // DAY == other // DAY)


@pytest.mark.parametrize(
    ("micros", "day"),
    [
        (0, "1970.01.01"),
        (DAY - 1, "1970.01.01"),
        (DAY, "1970.01.02"),
        (1_709_164_799_999_999, "2024.02.28"),
        (1_709_164_800_000_000, "2024.02.29"),
        (1_735_689_599_999_999, "2024.12.31"),
        (1_735_689_600_000_000, "2025.01.01"),
    ],
)
def test_a_day_ends_at_midnight_to_the_microsecond(micros: int, day: str, far_away: None) -> None:
    """In UTC, whatever the host's own zone is."""
    assert daily_index("s", micros) == f"s-{day}"


def test_every_kind_has_an_alias_of_its_own() -> None:
    """Lower case, as Elasticsearch demands, and no alias is matched by another's pattern."""
    assert list(INDEX_NAMES) == list(KINDS)
    assert len(set(INDEX_NAMES.values())) == len(KINDS)
    for name in INDEX_NAMES.values():
        assert name == name.lower()
        assert not set(name) & set('\\/*?"<>| ,#:')
        assert [other for other in INDEX_NAMES.values() if fnmatchcase(f"{other}-2026.01.01", daily_pattern(name))] == [
            name
        ]
        assert not fnmatchcase(name, daily_pattern(name)), "the alias itself is no index of a day"


JOBS = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,30}", fullmatch=True)


@given(
    JOBS,
    st.sampled_from(KINDS),
    moments,
    st.sampled_from(["day", "month", "year"]),
    st.sampled_from(["rebuild", "replaced"]),
)
@settings(deadline=None)
def test_what_a_job_makes_is_known_by_its_name(
    job: str, kind: Kind, micros: int, period: Period, making: Making
) -> None:
    """Whatever the job is called, even like an event; and no pattern that is read has it."""
    name = dated_index(job_stem(job, kind, making), micros, period)
    found = job_index_of(name)
    assert found is not None
    assert (found.making, found.job, found.kind, found.name) == (making, job, kind, name)
    assert not any(
        fnmatchcase(name, pattern) for pattern in ("microgateway-*", *map(daily_pattern, INDEX_NAMES.values()))
    )


@pytest.mark.parametrize(
    "name",
    [
        "",
        "sluice-rebuild-",
        "sluice-rebuild-j-analytics",
        "sluice-rebuild-j-analytics-",
        "sluice-rebuild--analytics-2026",
        "sluice-rebuild-J-analytics-2026",
        "sluice-rebuild-j-analytics-2026.1.1",
        "sluice-rebuild-j-analytics-2026.01.01 ",
        "sluice-rebuild-j-others-2026.01.01",
        "sluice-rebuilt-j-analytics-2026.01.01",
        "xsluice-rebuild-j-analytics-2026.01.01",
        "microgateway-analytics-2026.01.01",
    ],
)
def test_what_no_job_makes_is_nobodys(name: str) -> None:
    """It is never touched as a job's."""
    assert job_index_of(name) is None
