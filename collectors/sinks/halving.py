"""Finds the documents that make a server refuse a request, by sending it again in halves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from collectors.errors import Halt, Retryable, Unprocessable
from collectors.sinks.interface import Verdict

MAX_REFUSED = 100
"""In one write: after as many the rest waits for the next, so that the limits of dead letters are asked in between."""

DocumentT = TypeVar("DocumentT")


class UnansweredError(Retryable):
    """Nothing came back: whether the documents were taken is not known, and others would not fare better now."""


Send = Callable[[Sequence[DocumentT]], Awaitable[Verdict | Unprocessable]]
"""Sends documents in one request: what became of them, or why the request was refused, for one of them or for all."""


def absorb_at(verdict: Verdict, found: Verdict, positions: Sequence[int]) -> None:
    """Add what became of the documents that are at these positions of a write."""
    verdict.duplicates += found.duplicates
    verdict.poison.update({positions[at]: error for at, error in found.poison.items()})
    if found.cause is not None:
        verdict.postpone([positions[at] for at in found.retry], found.cause)


def ends_a_write(cause: Retryable | Halt | None) -> bool:
    """Whether further requests would end the same way: the server is away, asks for rest, or is not set up."""
    return isinstance(cause, UnansweredError | Halt) or (cause is not None and cause.throttled)


async def write_runs(documents: Sequence[DocumentT], runs: Sequence[Sequence[int]], send: Send[DocumentT]) -> Verdict:
    """Send runs of documents, each given by its positions, one after the other: a pipeline keeps several writes going.

    Where further requests would end the same way, the rest is postponed unsent.
    """
    verdict = Verdict()
    for number, positions in enumerate(runs):
        found = await write_in_halves([documents[at] for at in positions], send)
        absorb_at(verdict, found, positions)
        if found.cause is not None and ends_a_write(found.cause):
            for rest in runs[number + 1 :]:
                verdict.postpone(rest, found.cause)
            break
    return verdict


async def write_in_halves(documents: Sequence[DocumentT], send: Send[DocumentT]) -> Verdict:
    """Send these; what is refused is halved until what is at fault is alone, and poison.

    The first half always goes first and the cuts depend on nothing but the number of documents: a retry of the same
    documents sends the same requests. Where further requests would end the same way, none is sent.
    """
    verdict, waiting = Verdict(), [(0, len(documents))]
    while waiting:
        start, end = waiting.pop()
        found = await send(documents[start:end])
        if isinstance(found, Unprocessable):
            if end - start > 1:
                middle = start + (end - start) // 2
                waiting += [(middle, end), (start, middle)]
                continue
            found = Verdict(poison={0: found})
        verdict.absorb(found, start)
        cause = found.cause if ends_a_write(found.cause) else None
        if len(verdict.poison) >= MAX_REFUSED:
            cause = cause or Retryable("too many documents are refused; the rest is written after them")
        if cause is not None:
            for rest_start, rest_end in waiting:
                verdict.postpone(range(rest_start, rest_end), cause)
            break
    return verdict
