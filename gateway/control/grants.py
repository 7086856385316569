"""The rules of the ledger: who gets how much of a budget, what is called back, when operators are told.

given = granted - returned - written off
available to a host = limit - its own given - Σ over other hosts max(given, spent)

No more than that is granted, so Σ given never passes the limit. What a host tells is cumulative and kept as a maximum:
telling it twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from gateway.access.ledger import SCOPES, Slice, SliceAnswer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.access.shared_table import Key

ALERT_PERCENTS: Final = (50, 80, 90, 100)


@dataclass(slots=True)
class Part:
    """What one host has of one budget in one period; everything is cumulative."""

    host: str
    period_end: int
    granted: int = 0
    returned: int = 0
    spent: int = 0
    written_off: int = 0
    requests: int = 0
    prompt_tokens: int = 0
    response_tokens: int = 0
    recall_at: int = 0
    reported_at: int = 0

    @property
    def given(self) -> int:
        """What it may spend in all."""
        return self.granted - self.returned - self.written_off

    @property
    def committed(self) -> int:
        """What nobody else can have: also what was spent beyond it."""
        return max(self.given, self.spent)

    @property
    def idle(self) -> int:
        """What it has not reported as spent; some of it may be held."""
        return max(self.given - self.spent, 0)

    def hear(self, told: Slice, now: int) -> None:
        """Take note of what the host says."""
        self.period_end = told.period_end
        self.granted = max(self.granted, told.granted_nanos)
        self.returned = max(self.returned, told.returned_nanos)
        self.spent = max(self.spent, told.spent_nanos)
        self.requests = max(self.requests, told.requests)
        self.prompt_tokens = max(self.prompt_tokens, told.prompt_tokens)
        self.response_tokens = max(self.response_tokens, told.response_tokens)
        self.reported_at = now
        if told.is_yielded:
            self.recall_at = 0


def answer_of(part: Part, available: int, *, is_recalling: bool = False) -> SliceAnswer:
    """What a host is told of its part."""
    return SliceAnswer(part.granted, part.returned, part.written_off, part.spent, available, is_recalling)


@dataclass(slots=True)
class Books:
    """All that is known of some budgets at one moment, and what changes of it."""

    now: int
    parts: dict[Key, dict[str, Part]]
    """By host."""
    budgets: dict[Key, tuple[int, int]]
    """Limit, and the highest alert that was given."""
    alive: Collection[str]
    """Hosts that were lately heard of: others are asked for nothing."""
    slice_fraction: float
    """Of what is available a grant takes this part, unless more is needed."""
    recalled: dict[Key, list[str]] = field(default_factory=dict)
    """Who shall return what is idle."""
    alerts: list[dict[str, Any]] = field(default_factory=list)

    def settle(self, host: str, told: Slice) -> SliceAnswer:
        """Hear one slice, grant what it asks for where that is there, else ask the others for what they do not use."""
        parts = self.parts.setdefault(told.key, {})
        part = parts.setdefault(host, Part(host, told.period_end))
        part.hear(told, self.now)
        others = [other for other in parts.values() if other is not part]
        limit = told.limit_nanos or self.budgets.get(told.key, (0, 0))[0]
        if not limit:  # no exchange was admitted under it yet, here or elsewhere: there is nothing to grant or to watch
            return answer_of(part, 0)
        self._watch(told._replace(limit_nanos=limit), parts.values())
        available = limit - sum(other.committed for other in others) - part.given
        lenders: list[str] = []
        if available < max(told.least_nanos, 0):  # also where a limit was lowered below what is out
            lenders = [other.host for other in others if other.idle and other.host in self.alive]
            self.recalled[told.key] = lenders
        elif told.least_nanos > 0:
            granted = min(max(int(available * self.slice_fraction), told.needed_nanos), available)
            part.granted += granted
            available -= granted
        return answer_of(part, max(available, 0), is_recalling=bool(lenders))

    def _watch(self, told: Slice, parts: Iterable[Part]) -> None:
        """Alert once for each threshold of a budget in a period; again below a limit that was raised."""
        limit, alerted = self.budgets.get(told.key, (told.limit_nanos, 0))
        spent = sum(part.spent for part in parts)
        percent = spent * 100 // told.limit_nanos
        reached = max((each for each in ALERT_PERCENTS if each <= percent), default=0)
        if told.limit_nanos > limit:
            alerted = min(alerted, reached)
        if reached > alerted:
            scope, (_, app_id, llm_id, start) = SCOPES[told.key[0]], told.key
            self.alerts.append({
                "scope": scope, "app_id": app_id or None, "llm_id": llm_id or None, "percent": reached,
                "spent_nanos": spent, "limit_nanos": told.limit_nanos, "period_start": start,
                "period_end": told.period_end,
            })  # fmt: skip
            alerted = reached
        self.budgets[told.key] = (told.limit_nanos, alerted)
