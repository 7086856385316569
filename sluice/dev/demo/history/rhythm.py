"""How busy a team is at a moment, and which vendor has its bad hour: the same for the same moment, whoever asks."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Final, NamedTuple

from sluice.clock import at_micros
from sluice.dev.demo.cast import CLAUDE, MISTRAL, OPENAI, Llm, Rhythm, Team

SLOT_MICROS: Final = 600_000_000
"""Ten minutes: of so much time history is made at once."""
_SLOTS_AN_HOUR = 6
_SATURDAY = 5

_HOURS: dict[Rhythm, tuple[int, ...]] = {
    "office": (0, 0, 0, 0, 0, 0, 1, 4, 9, 12, 12, 10, 7, 11, 12, 11, 8, 4, 2, 1, 0, 0, 0, 0),
    "shop": (3, 2, 1, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 7, 6, 6, 7, 8, 10, 12, 12, 10, 7, 5),
    "night": (0, 0, 8, 10, 6, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
}
"""How a day's exchanges spread over its hours, UTC."""


class Trouble(NamedTuple):
    """What a vendor's bad hour does."""

    slower: float = 1.0
    fails: float = 0.0
    """What part of the calls gets an error."""
    times_out: float = 0.0


class _BadHour(NamedTuple):
    llm: Llm
    is_even_week: bool
    weekday: int
    hours: range
    trouble: Trouble


_BAD_HOURS: Final = (
    _BadHour(CLAUDE, True, 1, range(14, 16), Trouble(1.5, fails=0.5)),
    _BadHour(OPENAI, True, 3, range(9, 12), Trouble(4.0, times_out=0.06)),
    _BadHour(MISTRAL, False, 2, range(18, 19), Trouble(2.0, fails=0.35)),
    _BadHour(CLAUDE, False, 4, range(10, 11), Trouble(2.5, fails=0.1)),
)
_NONE = Trouble()


def expected(team: Team, slot: int) -> float:
    """How many exchanges a team sends in a slot, on the average of many such; slots are numbered from the epoch."""
    at = at_micros(slot * SLOT_MICROS)
    hours = _HOURS[team.rhythm]
    day = team.daily * (team.weekend if at.weekday() >= _SATURDAY else 1.0)
    return day * _of_the_week(team, at) * hours[at.hour] / sum(hours) / _SLOTS_AN_HOUR


def _of_the_week(team: Team, at: datetime) -> float:
    """No week is like the one before."""
    year, week, _ = at.isocalendar()
    return random.Random(f"{team.name} {year} {week}").uniform(0.78, 1.22)


def trouble_at(llm: Llm, micros: int) -> Trouble:
    """What is wrong with a vendor at a moment; nearly always nothing."""
    at = at_micros(micros)
    is_even = at.isocalendar().week % 2 == 0
    for bad in _BAD_HOURS:
        if (bad.llm, bad.is_even_week, bad.weekday) == (llm, is_even, at.weekday()) and at.hour in bad.hours:
            return bad.trouble
    return _NONE
