"""What came of a job: counted exactly, as a table for eyes and as JSON for scripts."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from collectors.jobs.interface import OK, WRONG
from collectors.operations.moments import ago
from collectors.operations.printing import Printer
from sluice.clock import iso_micros

State = Literal["running", "complete", "counted", "stopped"]
"""``counted`` is a dry run's; ``stopped`` may be gone on with (``--resume``)."""


@dataclass(slots=True)
class Report:
    """``read`` = filtered + undecodable + matched; ``matched`` = written + already there + passed + unwritable."""

    command: str
    """``replay``, ``redrive`` …"""
    job: str
    state: State = "running"
    read: int = 0
    """Records of the range."""
    matched: int = 0
    """Of these, what was asked for: events that belong to the target."""
    written: int = 0
    already_there: int = 0
    """Which the target had; nothing of these was changed."""
    passed: int = 0
    """Which a plugin saw and did not want."""
    failed: int = 0
    """All in the job's ``failures.jsonl``, the undecodable among them."""
    undecodable: int = 0
    size_bytes: int = 0
    """Of the matched, as they lie in the log."""
    first_at: int | None = None
    last_at: int | None = None
    """``occurred_at`` of the earliest and the latest of the matched: microseconds since the epoch."""
    seconds: float = 0.0
    """Spent so far, all runs of the job together."""
    problems: list[str] = field(default_factory=list)
    """What is wrong, each with what to do."""
    notes: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    """What a job has beside all this, by name."""

    @property
    def rate(self) -> float:
        """Records read a second."""
        return self.read / self.seconds if self.seconds > 0 else 0.0

    @property
    def exit_code(self) -> int:
        """Of the command."""
        return OK if self.state in {"complete", "counted"} and not self.failed and not self.problems else WRONG

    def as_dict(self) -> dict[str, Any]:
        """For scripts and for ``report.json``; times as RFC 3339."""
        facts = asdict(self)
        facts["first_at"], facts["last_at"] = _time(self.first_at), _time(self.last_at)
        facts["seconds"], facts["rate"] = round(self.seconds, 3), round(self.rate, 1)
        return facts

    def show(self, printer: Printer) -> None:
        """Print it, as the printer is asked to."""
        if printer.as_json:
            printer.object(self.as_dict())
            return
        printer.table(("what", "count"), self._rows())
        for note in self.notes:
            printer.note(note)
        for problem in self.problems:
            printer.note(problem)

    def _rows(self) -> list[tuple[str, Any]]:
        rows: list[tuple[str, Any]] = [("job", self.job), ("state", self.state), ("read", self.read)]
        rows += [("matched", self.matched), ("bytes", self.size_bytes)]
        if self.state != "counted":
            rows += [("written", self.written), ("already there", self.already_there)]
            rows += [("passed", self.passed)] if self.passed else []
        rows += [("failed", self.failed)]
        rows += [("undecodable", self.undecodable)] if self.undecodable else []
        rows += [("first", _time(self.first_at)), ("last", _time(self.last_at))]
        rows += [("took", ago(self.seconds)), ("records/s", round(self.rate))]
        return rows + [(name, value) for name, value in self.details.items() if not isinstance(value, dict | list)]


def _time(micros: int | None) -> str | None:
    return None if micros is None else iso_micros(micros)
