"""What a comparison found: figures, the events that differ, and why where that is known."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from schemas.events import Kind
from sluice.clock import iso_micros
from sluice.eventlog.interface import Boot
from sluice.intervals import Intervals

Why = Literal["filtered", "in_flight", "retention", "dead_lettered", "by_id"]
"""Why an event need not be in a sink, or is not seen there: not selected, not acknowledged yet, deleted by retention,
in the dead letters, or there by its id, but not under its number."""

Verdict = Literal["missing", "surplus", "gap", "dead_lettered"]


@dataclass(frozen=True, slots=True)
class Item:
    """One event that differs; of a gap all numbers of a boot."""

    verdict: Verdict
    sink: str
    """Empty where the log itself lacks it."""
    kind: Kind
    boot: Boot
    numbers: Intervals
    event_id: str = ""
    """Empty where only sequence numbers are known."""
    outcome: str = ""
    """Of the exchange."""
    occurred_at: str = ""
    why: str = ""
    place: str = ""
    """Where the log has it: ``TOPIC/PARTITION/OFFSET``."""

    def as_dict(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "verdict": self.verdict,
            "sink": self.sink,
            "kind": self.kind,
            "event_id": self.event_id,
            "outcome": self.outcome,
            "occurred_at": self.occurred_at,
            "why": self.why,
            "gateway_id": self.boot.gateway_id,
            "worker": self.boot.worker,
            "boot_id": self.boot.boot_id,
            "sequences": str(self.numbers),
            "place": self.place,
        }


@dataclass(slots=True)
class Comparison:
    """One sink and one kind of event."""

    sink: str
    kind: Kind
    since: int = 0
    """Exchanges from this moment on were compared, in microseconds: the log has none before it."""
    in_log: int = 0
    in_sink: int = 0
    expected: int = 0
    """Of those in the log, what the sink should have by now."""
    missing: int = 0
    surplus: int = 0
    explained: Counter[str] = field(default_factory=Counter)
    beyond_log: int = 0
    """Documents of exchanges that are older than the log, and compared with nothing."""
    unnumbered: int = 0
    """Documents without a sequence number."""
    items: list[Item] = field(default_factory=list)
    problem: str = ""
    """Why it could not be compared."""

    def give_up(self, cause: Exception) -> None:
        """It could not be compared to the end: then no figure of a difference stands."""
        self.missing = self.surplus = 0
        self.items.clear()
        self.problem = str(cause)

    @property
    def is_equal(self) -> bool:
        """Whether it could be compared, and nothing differs."""
        return not (self.missing or self.surplus or self.problem)

    def as_dict(self) -> dict[str, Any]:
        """For scripts, without the items."""
        return {
            "sink": self.sink,
            "kind": self.kind,
            "since": iso_micros(self.since),
            "in_log": self.in_log,
            "in_sink": self.in_sink,
            "expected": self.expected,
            "missing": self.missing,
            "surplus": self.surplus,
            "explained": dict(sorted(self.explained.items())),
            "beyond_log": self.beyond_log,
            "unnumbered": self.unnumbered,
            "equal": self.is_equal,
            "problem": self.problem,
        }


@dataclass(slots=True)
class LogCheck:
    """What gateways reported of one kind, and what of it the log has."""

    kind: Kind
    boots: int = 0
    """That reported anything that could be checked."""
    reported: int = 0
    """Sequence numbers that the log should have."""
    missing: int = 0
    undecodable: int = 0
    """Records that cannot be decoded: their numbers are not known."""
    items: list[Item] = field(default_factory=list)

    @property
    def is_equal(self) -> bool:
        """Whether the log has everything that was reported."""
        return not self.missing

    def as_dict(self) -> dict[str, Any]:
        """For scripts, without the items."""
        return {
            "log": True,
            "kind": self.kind,
            "boots": self.boots,
            "reported": self.reported,
            "missing": self.missing,
            "undecodable": self.undecodable,
            "equal": self.is_equal,
        }


@dataclass(frozen=True, slots=True)
class Incomparable:
    """A sink that cannot be asked what it holds."""

    sink: str
    reason: str


@dataclass(slots=True)
class Findings:
    """Everything."""

    checks: list[LogCheck] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    incomparable: list[Incomparable] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs, and everything that can be compared was."""
        return all(each.is_equal for each in self.checks) and all(each.is_equal for each in self.comparisons)

    @property
    def items(self) -> list[Item]:
        """All that are listed."""
        listed = [each.items for each in self.checks] + [each.items for each in self.comparisons]
        return [item for items in listed for item in items]
