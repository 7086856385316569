"""When the demo's teams are busy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sluice.clock import micros_of
from sluice.dev.demo.cast import LLMS, REPORTS, REVIEW, SEARCH, TEAMS, Team
from sluice.dev.demo.history.rhythm import SLOT_MICROS, Trouble, expected, trouble_at

MONDAY = datetime(2026, 11, 16, tzinfo=UTC)


def of_day(team: Team, day: datetime) -> float:
    """What a team is expected to send on a day."""
    first = micros_of(day) // SLOT_MICROS
    return sum(expected(team, slot) for slot in range(first, first + 144))


@pytest.mark.parametrize("team", TEAMS, ids=[team.name for team in TEAMS])
def test_a_working_day_is_what_the_team_says_within_a_quarter(team: Team) -> None:
    """However its hours spread; weeks differ, days of a week do not."""
    assert of_day(team, MONDAY) == pytest.approx(team.daily, rel=0.25)
    assert of_day(team, MONDAY) == pytest.approx(of_day(team, MONDAY + timedelta(days=2)))
    saturday = of_day(team, MONDAY + timedelta(days=5))
    assert saturday == pytest.approx(of_day(team, MONDAY) * team.weekend)


def test_offices_sleep_when_reports_are_made() -> None:
    """At three in the morning one team works, and shops nearly rest."""
    three, ten = (micros_of(MONDAY + timedelta(hours=hour)) // SLOT_MICROS for hour in (3, 10))
    assert expected(REVIEW, three) == 0 < expected(REVIEW, ten)
    assert expected(REPORTS, ten) == 0 < expected(REPORTS, three)
    assert expected(SEARCH, three) < expected(SEARCH, ten) / 4


def test_two_weeks_have_bad_hours_and_are_good_otherwise() -> None:
    """So that one week's errors are not the week's before; nearly all hours have none."""
    hours = [micros_of(MONDAY) + number * 3_600_000_000 for number in range(14 * 24)]
    bad = {(llm.slug, at) for llm in LLMS for at in hours if trouble_at(llm, at) != Trouble()}
    assert 4 <= len(bad) < len(hours) / 20
    week = 7 * 24 * 3_600_000_000
    assert not {(slug, at + week) for slug, at in bad} & bad
