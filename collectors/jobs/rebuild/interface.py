"""What a rebuild is to the command that runs it, wherever its documents go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from collectors.jobs.sums import Sums
from collectors.sinks.interface import Sink
from schemas.events import Kind


class Span(NamedTuple):
    """The events of a kind from one moment on and before another, in microseconds by ``occurred_at``."""

    kind: Kind
    start: int
    end: int


CatchUp = Callable[[Sequence[Span]], Awaitable[Sums]]
"""Carries what was appended since the job last read the log into the rebuild, of these spans alone, which are all that
the job has rebuilt; the sums of everything it has carried by now. Called while a place is blocked: what the live
collector wrote before is in the log."""

Distinct = Callable[[Span], Awaitable[Sums]]
"""The sums of a span, with each event once, however often the log has it: a relay may have sent it twice."""

Wholeness = Callable[[Span], Awaitable[str]]
"""Why a job cannot have read all events of a span; empty where it has."""

Progress = Callable[[int, int, str], None]

State = Literal["swapped", "swapped before", "refused", "undone"]


@dataclass(frozen=True, slots=True)
class Swapping:
    """What a swap needs to know."""

    sums: Sums
    """What the job carried of the log."""
    catch_up: CatchUp
    distinct: Distinct
    wholeness: Wholeness
    delete_old: bool = False
    drop_surplus: bool = False
    """Whether documents that the log does not have may go."""
    progress: Progress = lambda _done, _total, _what: None


@dataclass(frozen=True, slots=True)
class Swapped:
    """What became of one place: a day's index, or the rows of a day."""

    kind: Kind
    place: str
    """What it is for readers."""
    state: State
    reason: str = ""
    """Why not, and what to do."""
    kept: str = ""
    """Where what was there before is now."""
    events: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "kind": self.kind, "place": self.place, "state": self.state, "reason": self.reason, "kept": self.kept,
            "events": self.events,
        }  # fmt: skip


class Rebuild(Protocol):
    """One job's. All raise Retryable, Halt and UsageError."""

    @property
    def sink(self) -> Sink[Any]:
        """What the replay writes to, instead of the entry's."""
        ...

    async def prepare(self) -> None:
        """Before the first record, and again when the job is gone on with: refuses what others made."""
        ...

    async def verify(self, sums: Sums, distinct: Distinct, progress: Progress = ...) -> list[str]:
        """How what was rebuilt differs from the log, a line for each day; empty where it is equal."""
        ...

    async def swap(self, swapping: Swapping) -> list[Swapped]:
        """Each place in its turn; one that is refused holds no other up. What was swapped before stays so."""
        ...

    async def undo(self) -> list[Swapped]:
        """What was kept takes its place again."""
        ...

    async def close(self) -> None:
        """Let go of connections; of the sink's too."""
        ...
