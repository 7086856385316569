"""The search for what is at fault: no document is lost, none is named twice, and no more is sent than must be."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.errors import Halt, Retryable, Unprocessable
from collectors.sinks.halving import MAX_REFUSED, UnansweredError, absorb_at, ends_a_write, write_in_halves, write_runs
from collectors.sinks.interface import Verdict

REFUSAL = Unprocessable("bad", "", status=400)


class Server:
    """Takes requests without a bad number in them; fails as told at the n-th request."""

    def __init__(self, bad: set[int], fails: dict[int, Retryable | Halt] | None = None) -> None:
        self.bad = bad
        self.fails = fails or {}
        self.taken: list[int] = []
        self.sent: list[list[int]] = []

    async def send(self, numbers: Sequence[int]) -> Verdict | Unprocessable:
        self.sent.append(list(numbers))
        if cause := self.fails.get(len(self.sent)):
            verdict = Verdict()
            verdict.postpone(range(len(numbers)), cause)
            return verdict
        if self.bad & set(numbers):
            return REFUSAL
        self.taken += numbers
        return Verdict()


@given(st.integers(1, 90), st.sets(st.integers(0, 89)), st.dictionaries(st.integers(1, 40), st.just(Retryable("503"))))
async def test_every_document_has_one_end(count: int, bad: set[int], fails: dict[int, Retryable | Halt]) -> None:
    """Taken, poison or to be written again: each exactly one of them, whatever fails on the way."""
    server = Server(bad, fails)
    verdict = await write_in_halves(range(count), server.send)
    ends = sorted([*server.taken, *verdict.poison, *verdict.retry])
    assert ends == list(range(count))
    assert set(verdict.poison) <= bad
    assert bool(verdict.retry) == (verdict.cause is not None)


async def test_one_bad_document_costs_a_logarithm() -> None:
    """Of 1024, one is found with 21 requests, and all others are taken."""
    server = Server({777})
    verdict = await write_in_halves(range(1024), server.send)
    assert list(verdict.poison) == [777]
    assert len(server.sent) == 21
    assert len(server.taken) == 1023


async def test_a_retry_cuts_as_before() -> None:
    """The same documents make the same requests: what identifies one to the server does not change."""
    first, second = Server({3}), Server({3})
    await write_in_halves(range(20), first.send)
    await write_in_halves(range(20), second.send)
    assert first.sent == second.sent


@pytest.mark.parametrize(
    "cause", [UnansweredError("away"), Halt("wrong", "mend it"), Retryable("slow down", throttled=True)]
)
async def test_nothing_more_is_sent_to_who_is_away(cause: Retryable | Halt) -> None:
    """The rest is postponed unsent, in this request's halves and in the runs behind it."""
    server = Server({0}, {2: cause})
    verdict = await write_runs(list(range(12)), [[0, 1, 2, 3], [4, 5], [6, 7, 8, 9, 10, 11]], server.send)
    assert server.sent == [[0, 1, 2, 3], [0, 1]]
    assert sorted(verdict.retry) == list(range(12))
    assert verdict.cause is cause
    assert ends_a_write(cause)


async def test_a_500_of_one_request_holds_up_no_other() -> None:
    """A server that answers is asked on: its trouble may be this request's alone."""
    server = Server(set(), {1: Retryable("status 500")})
    verdict = await write_runs(list(range(6)), [[0, 1], [2, 3], [4, 5]], server.send)
    assert verdict.retry == [0, 1]
    assert server.taken == [2, 3, 4, 5]


async def test_a_server_that_refuses_everything_is_not_asked_for_ever() -> None:
    """After a hundred refused the rest waits, so that the limits of dead letters can halt the service."""
    server = Server(set(range(5_000)))
    verdict = await write_in_halves(range(5_000), server.send)
    assert len(verdict.poison) == MAX_REFUSED
    assert len(verdict.retry) == 5_000 - MAX_REFUSED
    assert len(server.sent) < 3 * MAX_REFUSED


def test_positions_are_those_of_the_write() -> None:
    """What became of a part is noted where its documents stand in the whole."""
    found = Verdict(duplicates=1, poison={1: REFUSAL})
    found.postpone([0], Retryable("later"))
    whole = Verdict()
    absorb_at(whole, found, [7, 3])
    assert (whole.duplicates, list(whole.poison), whole.retry) == (1, [3], [7])
    assert not ends_a_write(whole.cause)
    assert not ends_a_write(None)
