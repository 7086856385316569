"""What a sink is to the pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar, runtime_checkable

from collectors.deliveries import Frame
from collectors.errors import Halt, Retryable, Unprocessable, Waiting

DocumentT = TypeVar("DocumentT")


@dataclass(slots=True)
class Prepared(Generic[DocumentT]):
    """The documents of a frame, made once; where ``poison`` names a position its document is never written."""

    documents: Sequence[DocumentT]
    poison: dict[int, Unprocessable] = field(default_factory=dict)


@dataclass(slots=True)
class Verdict:
    """What became of each document of one write, by its position; those that are not named are durable in the sink."""

    duplicates: int = 0
    """Durable ones that were there before; they count among the durable."""
    poison: dict[int, Unprocessable] = field(default_factory=dict)
    retry: list[int] = field(default_factory=list)
    cause: Retryable | Halt | None = None
    """Why ``retry`` is not empty; of several causes the one that asks for most."""
    passed: list[int] = field(default_factory=list)
    """Those that the sink saw and did not want; with them it is done as with the durable. Only plugins pass."""

    def postpone(self, positions: Sequence[int], cause: Retryable | Halt) -> None:
        """These must be written again, because of this."""
        self.retry += positions
        if self.cause is None or _weight(cause) > _weight(self.cause):
            self.cause = cause

    def absorb(self, other: Verdict, offset: int) -> None:
        """Add what became of further documents, which begin at ``offset``."""
        self.duplicates += other.duplicates
        self.passed += [offset + at for at in other.passed]
        self.poison.update({offset + at: error for at, error in other.poison.items()})
        if other.cause is not None:
            self.postpone([offset + at for at in other.retry], other.cause)


@runtime_checkable
class Kept(Protocol):
    """A sink with something that goes on beside its writes."""

    async def keep(self) -> None:
        """Until cancelled; an exception ends the service."""
        ...


def _weight(cause: Retryable | Halt) -> int:
    if isinstance(cause, Halt):
        return 3
    return 0 if isinstance(cause, Waiting) else 1 + cause.throttled


class Sink(Protocol[DocumentT]):
    """Writes documents that carry their event's id, so that a second write of one is known and changes nothing.

    All methods are called from one loop; ``write`` from several tasks at once. A document is *handled* when ``write``
    has returned without naming it: it is then durable, and of this sink's its record may be acknowledged.
    """

    async def start(self) -> None:
        """Make ready whatever documents need (templates, tables). Called again until it succeeds.

        Raises ``Retryable`` where the sink is away and ``Halt`` where somebody must change something.
        """
        ...

    def prepare(self, frame: Frame) -> Prepared[DocumentT]:
        """Serialise a frame; called once for each batch, whatever the number of writes, and where a service has several
        collectors maybe before ``start`` succeeded. Blocks the loop: be quick."""
        ...

    async def write(self, documents: Sequence[DocumentT]) -> Verdict:
        """Write these; never raises but when cancelled: what failed is in the verdict."""
        ...

    async def check(self) -> None:
        """Whether the sink answers; raises as ``start`` does."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
