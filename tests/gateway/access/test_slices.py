"""Slices: the ledger is asked once for all who wait, believed for a moment, and told everything in the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.access import slices as slices_module
from gateway.access.budget_rows import Budget, BudgetRows, Shortfall
from gateway.access.ledger import APP, LLM
from gateway.access.settlement import Settlements, Worth
from gateway.access.shared_table import SharedTable
from gateway.access.slices import Slices
from gateway.control.grants import Part
from tests.gateway.access.memory_ledger import MemoryLedger

END = 1 << 60
ONE, OTHER = Budget((APP, 7, 0, 1_000), END, 1000), Budget((LLM, 0, 3, 1_000), END, 500)
ID = "01900000-0000-7000-8000-000000000001"


class Bench:
    """One worker's way to a ledger."""

    def __init__(self, folder: Path) -> None:
        self.table = SharedTable(folder, "w0", max_rows=64)
        self.rows = BudgetRows(self.table)
        self.ledger = MemoryLedger()
        self.slices = Slices(self.rows, self.ledger, 20.0)

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """While asks are passed on."""
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.slices.answer_asks())
            yield
            task.cancel()

    def spend(self, budget: Budget, nanos: int) -> int:
        """An exchange that was settled."""
        held = self.rows.hold([budget], nanos, anyway=True)
        assert isinstance(held, tuple)
        Settlements(self.table).settle(ID, held, nanos, Worth(nanos, 2, 1), lambda: None)
        self.slices.touch(held)
        return held[0]


@pytest.fixture(name="bench")
def bench_in_folder(tmp_path: Path) -> Iterator[Bench]:
    """Nothing is granted yet."""
    bench = Bench(tmp_path)
    yield bench
    bench.table.close()


def short(budget: Budget, nanos: int) -> Shortfall:
    """What a budget lacks."""
    return Shortfall(budget, nanos, is_certain=False)


async def test_all_who_wait_are_one_ask(bench: Bench) -> None:
    """For what they lack together; the table has it when they go on."""
    async with bench.answering():
        answers = await asyncio.gather(*(bench.slices.ask([short(ONE, 10 + at)]) for at in range(5)))
    ((told,),) = bench.ledger.told
    assert (told.needed_nanos, told.least_nanos) == (60, 10)
    assert [answer[0].granted_nanos for answer in answers if answer] == [125] * 5
    assert bench.rows.room(ONE) == 125


async def test_several_budgets_are_one_question(bench: Bench) -> None:
    """Answered in the order they were asked in."""
    async with bench.answering():
        answers = await bench.slices.ask([short(OTHER, 400), short(ONE, 10)])
    assert answers
    assert [answer.granted_nanos for answer in answers] == [400, 125]
    assert len(bench.ledger.told) == 1


async def test_who_gets_no_answer_in_time_is_told_so(bench: Bench) -> None:
    """None is not a refusal."""
    bench.slices._ask_timeout_seconds = 0.01
    assert await bench.slices.ask([short(ONE, 10)]) is None


async def test_a_ledger_that_fails_is_said_once(bench: Bench) -> None:
    """And once when it answers again; who waits is told at once."""
    with capture_logs() as lines:
        async with bench.answering():
            bench.ledger.is_down = True
            for _ in range(3):
                assert await bench.slices.ask([short(ONE, 10)]) is None
            bench.ledger.is_down = False
            assert await bench.slices.ask([short(ONE, 10)])
    assert [line["event"] for line in lines] == ["budget ledger cannot be asked", "budget ledger answers again"]


async def test_a_refusal_is_remembered_for_a_moment(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """For what is no smaller, under the same limit, until something is settled."""
    bench.slices.refuse(short(ONE, 100), 40)
    assert [bench.slices.is_refused(short(ONE, nanos)) for nanos in (41, 100, 40)] == [True, True, False]
    assert not bench.slices.is_refused(short(OTHER, 100))
    assert not bench.slices.is_refused(short(ONE._replace(limit_nanos=2000), 100))
    bench.slices.touch([0])
    assert not bench.slices.is_refused(short(ONE, 100))
    monkeypatch.setattr(slices_module, "REFUSAL_SECONDS", -1.0)
    bench.slices.refuse(short(ONE, 100), 40)
    assert not bench.slices.is_refused(short(ONE, 100))


async def test_refusals_do_not_pile_up(bench: Bench) -> None:
    """However many budgets are exhausted."""
    for number in range(3 * slices_module.MAX_SLICES):
        bench.slices.refuse(short(ONE._replace(key=(APP, number, 0, 0)), 100), 40)
    assert len(bench.slices._refusals) <= slices_module.MAX_SLICES


async def test_what_was_touched_is_reported_once(bench: Bench) -> None:
    """Until something is settled again; a row of its own first hears what was spent before."""
    row = bench.spend(ONE, 30)
    while bench.slices._touched:
        assert await bench.slices.report()
    part = bench.ledger.parts[ONE.key][bench.slices.host]
    assert (part.spent, part.requests, part.prompt_tokens, part.response_tokens) == (30, 1, 2, 1)
    count = len(bench.ledger.told)
    assert await bench.slices.report()
    assert len(bench.ledger.told) == count
    bench.spend(ONE, 5)
    assert await bench.slices.report()
    assert part.spent == 35
    with bench.table.lock:
        assert bench.rows.is_reported(row)


async def test_what_was_not_heard_is_told_again(bench: Bench) -> None:
    """The ledger was away."""
    bench.spend(ONE, 30)
    bench.ledger.is_down = True
    assert not await bench.slices.report()
    bench.ledger.is_down = False
    while bench.slices._touched:
        assert await bench.slices.report()
    assert bench.ledger.parts[ONE.key][bench.slices.host].spent == 30


async def test_rows_that_are_no_budgets_any_more_are_not_told(bench: Bench) -> None:
    """They were freed, and are somebody else's."""
    row = bench.spend(ONE, 30)
    with bench.table.lock:
        bench.table.free(row)
    assert await bench.slices.report()
    assert bench.ledger.told == []


async def test_what_a_kill_kept_from_the_table_is_restored(bench: Bench) -> None:
    """Granted, written off and spent, as the ledger knows them."""
    bench.ledger.parts[ONE.key] = {
        bench.slices.host: Part(bench.slices.host, END, granted=500, spent=100, written_off=50),
        "another": Part("another", END, granted=100),
    }
    await bench.slices.restore()
    assert bench.rows.room(ONE) == 350
