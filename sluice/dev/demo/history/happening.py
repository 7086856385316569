"""What happened in ten minutes: exchanges with their tokens, their times and how they ended; the same each time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sluice.dev.demo.cast import REPORTS, SUPPORT, TEAMS, TRIAL, Model, Team
from sluice.dev.demo.files import FORBIDDEN
from sluice.dev.demo.history.rhythm import SLOT_MICROS, Trouble, expected, trouble_at

_SPREAD = 0.55
"""Of tokens around their median: the sigma of a lognormal."""
_TIMEOUT_SECONDS = 30.0
_REFUSALS: Final = {
    REPORTS.id: ("rate_limited", 0.12),
    TRIAL.id: ("budget_exceeded", 0.3),
    SUPPORT.id: ("blocked_post_auth", 0.012),
}
"""What a team's own exchanges are refused for, and how often."""
REFUSED: Final = frozenset(("rate_limited", "budget_exceeded", "blocked_post_auth", "auth_failed"))
"""Outcomes of exchanges that no vendor was asked for."""
FAILED: Final = frozenset(("upstream_error", "upstream_timeout", "upstream_unreachable"))


@dataclass(frozen=True, slots=True)
class Happened:
    """One exchange of the past."""

    exchange_id: str
    at: int
    """When it was admitted, in micros of the epoch."""
    team: Team
    model: Model
    outcome: str
    is_stream: bool
    prompt: str
    prompt_tokens: int
    cached_tokens: int
    response_tokens: int
    """Of which a client that left has paid for all that its vendor made until then."""
    tool_calls: int
    first_byte_micros: int
    total_micros: int
    gateway_micros: int
    """What of that is the gateway's own."""

    @property
    def reasoning_tokens(self) -> int:
        """The part of the response that its client did not see."""
        return int(self.response_tokens * self.model.reasoning)


def happened_in(slot: int) -> Iterator[Happened]:
    """All exchanges of a slot, the earliest first."""
    found = [each for team in TEAMS for each in _of_team(team, slot)]
    return iter(sorted(found, key=lambda each: each.at))


def _of_team(team: Team, slot: int) -> Iterator[Happened]:
    mean = expected(team, slot)
    if mean:
        chance = random.Random(f"{team.name} {slot}")
        for _ in range(_how_many(mean, chance)):
            yield _exchange(team, slot * SLOT_MICROS + chance.randrange(SLOT_MICROS), chance)


def _how_many(mean: float, chance: random.Random) -> int:
    """As many as arrive in a time when each comes by itself."""
    count, passed = 0, chance.expovariate(1.0)
    while passed < mean:
        count, passed = count + 1, passed + chance.expovariate(1.0)
    return count


def _exchange(team: Team, at: int, chance: random.Random) -> Happened:
    models, weights = zip(*team.uses, strict=True)
    (model,) = chance.choices(models, weights)
    trouble = trouble_at(model.llm, at)
    is_stream = chance.random() < team.streams
    outcome = _outcome(team, trouble, chance, is_stream=is_stream)
    prompt_tokens = _around(team.prompt_tokens, chance)
    response_tokens = _around(team.response_tokens, chance)
    own = chance.randint(600, 2400)
    first, total = _times(model, trouble, outcome, response_tokens, chance)
    return Happened(
        exchange_id=_exchange_id(at, chance),
        at=at,
        team=team,
        model=model,
        outcome=outcome,
        is_stream=is_stream,
        prompt=f"Please {FORBIDDEN}." if outcome == "blocked_post_auth" else chance.choice(team.prompts),
        prompt_tokens=prompt_tokens,
        cached_tokens=int(prompt_tokens * team.cached) if chance.random() < 0.8 else 0,
        response_tokens=response_tokens,
        tool_calls=chance.choice((1, 1, 2)) if chance.random() < team.tools else 0,
        first_byte_micros=(first if is_stream else total) + own,
        total_micros=total + own,
        gateway_micros=own,
    )


def _outcome(team: Team, trouble: Trouble, chance: random.Random, *, is_stream: bool) -> str:
    refusal, refused = _REFUSALS.get(team.id, ("", 0.0))
    by_chance = (
        (refusal, refused),
        ("auth_failed", 0.003),
        ("upstream_timeout", trouble.times_out),
        ("upstream_error", trouble.fails + 0.004),
        ("upstream_unreachable", 0.0008),
        ("client_closed", 0.015 if is_stream else 0.001),
    )
    left = chance.random()
    for outcome, part in by_chance:
        if left < part:
            return outcome
        left -= part
    return "ok"


def _times(
    model: Model, trouble: Trouble, outcome: str, response_tokens: int, chance: random.Random
) -> tuple[int, int]:
    """Micros to the vendor's first byte and to its last."""
    if outcome in REFUSED:
        return 0, 0
    if outcome == "upstream_timeout":
        return 0, int(_TIMEOUT_SECONDS * 1e6)
    first = model.first_byte_seconds * trouble.slower * chance.lognormvariate(0, 0.35)
    if outcome in FAILED:
        return int(first * 4e5), int(first * 4e5)
    making = response_tokens / model.tokens_per_second * trouble.slower * chance.lognormvariate(0, 0.15)
    return int(first * 1e6), int((first + making) * 1e6)


def _around(median: int, chance: random.Random) -> int:
    return max(1, int(median * chance.lognormvariate(0, _SPREAD)))


def _exchange_id(at: int, chance: random.Random) -> str:
    """A UUIDv7 of that moment, as the gateway makes them, of chances that come again: written twice it is one."""
    bits = chance.getrandbits(74)
    value = ((at // 1000) << 80) | (0x7 << 76) | ((bits >> 62) << 64) | (0x2 << 62) | (bits & 0x3FFFFFFFFFFFFFFF)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
