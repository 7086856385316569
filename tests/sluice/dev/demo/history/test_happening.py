"""What happened in the demo's past."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import UTC, datetime

import pytest

from sluice.clock import micros_of
from sluice.dev.demo.cast import TEAMS
from sluice.dev.demo.history.happening import FAILED, REFUSED, Happened, happened_in
from sluice.dev.demo.history.rhythm import SLOT_MICROS, expected

FIRST = micros_of(datetime(2026, 11, 9, tzinfo=UTC)) // SLOT_MICROS
SLOTS = range(FIRST, FIRST + 14 * 144)


@pytest.fixture(scope="module")
def fortnight() -> list[Happened]:
    """Two weeks of it."""
    return [each for slot in SLOTS for each in happened_in(slot)]


def test_the_past_is_the_same_whenever_it_is_asked_for() -> None:
    """Whoever writes it twice writes the same events."""
    slot = FIRST + 60
    assert list(happened_in(slot)) == list(happened_in(slot))
    assert list(happened_in(slot)) != list(happened_in(slot + 1))


def test_exchanges_lie_in_their_slot_in_order_under_ids_of_their_moment(fortnight: list[Happened]) -> None:
    """As the gateway makes them: UUIDv7, none twice."""
    assert [each.at for each in fortnight] == sorted(each.at for each in fortnight)
    assert len({each.exchange_id for each in fortnight}) == len(fortnight)
    for each in fortnight[:500]:
        made = uuid.UUID(each.exchange_id)
        assert (made.version, made.variant) == (7, uuid.RFC_4122)
        assert made.int >> 80 == each.at // 1000


def test_as_many_as_expected_of_every_team(fortnight: list[Happened]) -> None:
    """Within a tenth of the mean, or five times the spread of so few; a demo's worth in all."""
    by_team = Counter(each.team.id for each in fortnight)
    for team in TEAMS:
        mean = sum(expected(team, slot) for slot in SLOTS)
        assert abs(by_team[team.id] - mean) < max(0.1 * mean, 5 * mean**0.5)
    assert 10_000 < len(fortnight) < 20_000


def test_everything_that_ends_an_exchange_early_is_among_them(fortnight: list[Happened]) -> None:
    """And nineteen in twenty are well."""
    outcomes = Counter(each.outcome for each in fortnight)
    assert outcomes.keys() == {"ok", "client_closed", *REFUSED, *FAILED}
    assert outcomes["ok"] > 0.94 * len(fortnight)


def test_no_count_contradicts_another(fortnight: list[Happened]) -> None:
    """Cached and reasoning tokens are parts, the first byte is not behind the last, and who was refused was quick."""
    for each in fortnight:
        assert 0 <= each.cached_tokens <= each.prompt_tokens
        assert 0 <= each.reasoning_tokens <= each.response_tokens
        assert 0 < each.gateway_micros <= each.total_micros
        assert each.first_byte_micros <= each.total_micros
        assert each.outcome not in REFUSED or each.total_micros < 10_000
