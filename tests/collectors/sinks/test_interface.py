"""Verdicts add up: positions stay straight over parts of a write, and of several causes the gravest stands."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.errors import Halt, Retryable, Unprocessable
from collectors.sinks.interface import Prepared, Verdict
from tests.collectors.events import make_record, partition_of
from tests.collectors.fakes import until
from tests.collectors.harness import Harness
from tests.collectors.virtual_time import virtual_time

TRANSIENT, THROTTLED = Retryable("503"), Retryable("429", throttled=True)
HALT = Halt("403", "grant it")
GRAVITY = {id(TRANSIENT): 0, id(THROTTLED): 1, id(HALT): 2}
CAUSES: st.SearchStrategy[Retryable | Halt] = st.sampled_from([TRANSIENT, THROTTLED, HALT])


@st.composite
def parts(draw: st.DrawFn) -> tuple[int, Verdict]:
    """A part of a write: how many documents it had, and what became of them."""
    size = draw(st.integers(0, 6))
    verdict = Verdict(duplicates=draw(st.integers(0, size)))
    for at in range(size):
        what = draw(st.sampled_from(["durable", "passed", "poison", "retry"]))
        if what == "poison":
            verdict.poison[at] = Unprocessable(f"bad-{at}")
        elif what == "passed":
            verdict.passed.append(at)
        elif what == "retry":
            verdict.postpone([at], draw(CAUSES))
    return size, verdict


def test_a_new_verdict_says_that_all_is_durable() -> None:
    """Nothing is named, and no two verdicts share what they name."""
    first, second = Verdict(), Verdict()
    first.postpone([0], TRANSIENT)
    first.poison[1] = Unprocessable("bad")
    assert second == Verdict(0, {}, [], None)
    assert Prepared([]).poison is not Prepared([]).poison


@settings(deadline=None)
@given(st.lists(st.tuples(st.lists(st.integers(0, 99), max_size=3), CAUSES), max_size=6))
def test_the_gravest_cause_stands(postponed: list[tuple[list[int], Retryable | Halt]]) -> None:
    """A halt before a throttle before a failure that passes, whatever the order; all are retried."""
    verdict = Verdict()
    for positions, cause in postponed:
        verdict.postpone(positions, cause)
    assert verdict.retry == [at for positions, _ in postponed for at in positions]
    gravest = max((cause for _, cause in postponed), key=lambda cause: GRAVITY[id(cause)], default=None)
    assert verdict.cause is gravest


def test_of_equal_causes_the_first_stands() -> None:
    """The second message would only hide the first."""
    verdict = Verdict()
    first = Retryable("first", 5.0)
    verdict.postpone([0], first)
    verdict.postpone([1], Retryable("second", 1.0))
    assert verdict.cause is first


@settings(deadline=None)
@given(st.lists(parts(), max_size=5))
def test_parts_of_a_write_become_one_verdict(written: list[tuple[int, Verdict]]) -> None:
    """Every position is moved by where its part begins; nothing is named twice, and duplicates add up."""
    whole, offset = Verdict(), 0
    poison: dict[int, str] = {}
    retry: list[int] = []
    passed: list[int] = []
    for size, part in written:
        whole.absorb(part, offset)
        poison |= {offset + at: error.reason for at, error in part.poison.items()}
        retry += [offset + at for at in part.retry]
        passed += [offset + at for at in part.passed]
        offset += size
    assert {at: error.reason for at, error in whole.poison.items()} == poison
    assert whole.retry == retry
    assert whole.duplicates == sum(part.duplicates for _, part in written)
    assert whole.passed == passed
    assert (whole.cause is None) == (not retry)
    assert not set(whole.poison) & set(whole.retry)


def test_absorbing_leaves_the_part_as_it_was() -> None:
    """What was said of a part can be read afterwards."""
    part = Verdict(1, {0: Unprocessable("bad")}, [1], TRANSIENT)
    whole = Verdict()
    whole.absorb(part, 10)
    whole.absorb(part, 20)
    assert part == Verdict(1, part.poison, [1], TRANSIENT)
    assert whole.retry == [11, 21]
    assert sorted(whole.poison) == [10, 20]


@pytest.mark.parametrize("graver", [THROTTLED, HALT])
def test_a_part_that_is_worse_changes_the_cause(graver: Retryable | Halt) -> None:
    """And one that went well does not."""
    whole = Verdict()
    whole.postpone([0], TRANSIENT)
    whole.absorb(Verdict(retry=[0], cause=graver), 5)
    whole.absorb(Verdict(), 9)
    whole.absorb(Verdict(retry=[0], cause=TRANSIENT), 12)
    assert (whole.cause, whole.retry) == (graver, [0, 5, 12])


@virtual_time
async def test_what_a_sink_did_not_want_is_acknowledged_and_counted_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen, none of its own: it advances like what was delivered, also where the rest of its write comes again."""
    harness = Harness(monkeypatch, batch={"max_records": 10})
    harness.log.append(partition_of(number=0), [make_record(sequence=number) for number in range(10)])
    answers = [Verdict(retry=[0, 1], cause=Retryable("later"), passed=[3, 7, 9]), Verdict(passed=[1])]

    async def script(_documents: Sequence[str]) -> Verdict:
        return answers.pop(0)

    harness.sink.script = script
    async with harness.running():
        await until(lambda: harness.log.is_done)
    assert (harness.records("passed"), harness.records("delivered")) == (4, 6)
