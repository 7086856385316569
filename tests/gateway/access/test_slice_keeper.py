"""The keeper: one for a host; recalls are heeded, the dead are reported, periods that are over are cleared away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.access import slice_keeper as slice_keeper_module
from gateway.access.budget_rows import Budget, BudgetRows
from gateway.access.ledger import APP, Recalls, SliceAnswer
from gateway.access.settlement import Settlements, Worth
from gateway.access.shared_table import SharedTable
from gateway.access.slice_keeper import KEPT_MICROS, SliceKeeper
from gateway.access.slices import Slices
from sluice.clock import now_micros
from tests.gateway.access.memory_ledger import MemoryLedger

NOW = now_micros()
BUDGET = Budget((APP, 7, 0, NOW - 1_000), NOW + 3_600_000_000, 1000)
ENDED = Budget((APP, 7, 0, NOW - 2_000), NOW - 1_000, 1000)
ID = "01900000-0000-7000-8000-000000000001"
SECONDS = 20.0


class Worker:
    """One worker of a host."""

    def __init__(self, folder: Path, name: str, ledger: MemoryLedger) -> None:
        self.table = SharedTable(folder, name, max_rows=64)
        self.rows = BudgetRows(self.table)
        self.slices = Slices(self.rows, ledger, 5.0)
        self.keeper = SliceKeeper(self.slices, ledger, 0.005)

    def hold(self, budget: Budget, nanos: int) -> int:
        """An exchange under way, of a budget of which 500 are here."""
        self.rows.take_note(budget.key, budget.period_end, SliceAnswer(500, 0, 0, 0, 0))
        held = self.rows.hold([budget], nanos)
        assert isinstance(held, tuple)
        return held[0]

    def settle(self, row: int, nanos: int) -> None:
        """It cost what was held, and nobody was told: its worker is dead."""
        Settlements(self.table).settle(ID, (row,), nanos, Worth(nanos), lambda: None)


@pytest.fixture(name="ledger")
def ledger_in_memory() -> MemoryLedger:
    """Without anything granted."""
    return MemoryLedger()


@pytest.fixture(name="worker")
def first_worker(tmp_path: Path, ledger: MemoryLedger) -> Iterator[Worker]:
    """Worker w0."""
    worker = Worker(tmp_path, "w0", ledger)
    yield worker
    worker.table.close()


async def test_one_worker_of_a_host_keeps(tmp_path: Path, worker: Worker, ledger: MemoryLedger) -> None:
    """The next one does when it is gone."""
    other = Worker(tmp_path, "w1", ledger)
    for each in (worker, other):
        each.keeper.is_keeper = each.keeper._lock.try_to_keep()
    assert (worker.keeper.is_keeper, other.keeper.is_keeper) == (True, False)
    await worker.keeper.close()
    assert other.keeper._lock.try_to_keep()
    await other.keeper.close()
    other.table.close()


async def test_what_a_dead_worker_did_not_report_is_reported(worker: Worker, ledger: MemoryLedger) -> None:
    """Whatever lies in the table and was not told."""
    worker.settle(worker.hold(BUDGET, 40), 40)
    await worker.keeper.look_at_all()
    await worker.slices.report()
    assert ledger.parts[BUDGET.key][worker.slices.host].spent == 40


async def test_exchanges_go_on_while_it_looks(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also past rows that are none of its own: a hundred thousand apps have limits, and one of them a budget."""
    monkeypatch.setattr(slice_keeper_module, "_ROWS_AT_ONCE", 10)
    with worker.table.lock:
        for app_id in range(50):
            worker.table.row((8, app_id, 0, 0))
    worker.settle(worker.hold(BUDGET, 40), 40)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        other = tasks.create_task(others())
        await asyncio.sleep(0)
        turns = 0
        await worker.keeper.look_at_all()
        other.cancel()
    assert 5 <= turns <= 10
    assert await worker.slices.report()


async def test_without_a_budget_nothing_can_be_recalled(
    worker: Worker, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger hears of the host now and then; with the first budget it is asked for recalls again and again."""
    monkeypatch.setattr(slice_keeper_module, "ALONE_SECONDS", 0.001)
    worker.keeper.is_keeper = True
    asked = asyncio.Semaphore(0)
    look = ledger.recalls

    async def recalls(host: str) -> Recalls:
        asked.release()
        return await look(host)

    monkeypatch.setattr(ledger, "recalls", recalls)
    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as tasks:
        answering = tasks.create_task(worker.keeper._answer_recalls())
        await asked.acquire()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await asked.acquire()
        worker.hold(BUDGET, 40)
        for _ in range(3):
            await asked.acquire()
        answering.cancel()


async def test_without_a_budget_a_host_is_heard_of_at_each_fifth_look(
    worker: Worker, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that comes a little sooner behind its beat than the one before it waits for no other."""
    looks, heard, last = 0, list[int](), 12

    async def beat(seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks > last:
            raise EOFError

    async def recalls(_host: str) -> Recalls:
        heard.append(looks)
        return Recalls()

    monkeypatch.setattr(slice_keeper_module, "beat", beat)
    monkeypatch.setattr(ledger, "recalls", recalls)
    worker.keeper.is_keeper = True
    with monkeypatch.context() as patched:
        patched.setattr(asyncio.get_running_loop(), "time", lambda: looks + (last - looks) / 1_000)
        with pytest.raises(EOFError):
            await worker.keeper._answer_recalls()
    assert heard == [1, 6, 11]


async def test_a_recall_is_heeded(worker: Worker, ledger: MemoryLedger) -> None:
    """What is idle goes back, what is held stays; the ledger can give it to others."""
    worker.hold(BUDGET, 40)
    worker.slices.touch(list(worker.rows))
    await worker.slices.report()
    part = ledger.parts[BUDGET.key][worker.slices.host]
    part.recall_at = 1
    await worker.keeper._heed_recalls()
    assert (part.granted, part.returned, part.recall_at) == (500, 460, 0)
    assert worker.rows.room(BUDGET) == 0


async def test_a_recall_that_cannot_be_answered_is_answered_later(worker: Worker, ledger: MemoryLedger) -> None:
    """What was returned here is nowhere else meanwhile; nobody can spend it twice."""
    worker.hold(BUDGET, 40)
    worker.slices.touch(list(worker.rows))
    await worker.slices.report()
    ledger.parts[BUDGET.key][worker.slices.host].recall_at = 1
    assert (await ledger.recalls(worker.slices.host)).keys == (BUDGET.key,)
    ledger.is_down = True
    await worker.keeper._give_back(list(worker.rows))
    await worker.keeper._heed_recalls()
    assert worker.rows.room(BUDGET) == 0
    ledger.is_down = False
    await worker.slices.report()
    assert ledger.parts[BUDGET.key][worker.slices.host].returned == 460


async def test_what_is_left_of_a_period_goes_back_and_its_row_is_freed(
    worker: Worker, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First what is open must end, then everything be told; an hour later the row is somebody else's."""
    row = worker.hold(ENDED, 40)
    await worker.keeper.look_at_all()
    await worker.slices.report()
    assert ledger.parts == {}
    worker.settle(row, 40)
    await worker.keeper.look_at_all()
    await worker.slices.report()
    part = ledger.parts[ENDED.key][worker.slices.host]
    assert (part.spent, part.given) == (40, 40)
    assert list(worker.rows) == [row]
    monkeypatch.setattr(slice_keeper_module, "now_micros", lambda: ENDED.period_end + KEPT_MICROS + 1)
    await worker.keeper.look_at_all()
    assert list(worker.rows) == []


async def test_it_runs_beside_the_server(worker: Worker, ledger: MemoryLedger) -> None:
    """Asks are answered, what is settled is reported, without anybody calling."""
    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(worker.keeper.run())
        found = worker.rows.hold([BUDGET], 40)
        assert isinstance(found, list)
        assert await worker.slices.ask(found)
        held = worker.rows.hold([BUDGET], 40)
        assert isinstance(held, tuple)
        worker.settle(held[0], 40)
        worker.slices.touch(held)
        while ledger.parts[BUDGET.key][worker.slices.host].spent != 40:  # noqa: ASYNC110 - another task's work
            await asyncio.sleep(0.001)
        running.cancel()


async def test_a_start_without_a_ledger_is_a_start(worker: Worker, ledger: MemoryLedger) -> None:
    """It is said; what can be served is served."""
    ledger.is_down = True
    with capture_logs() as lines:
        await worker.keeper.start()
    assert [line["event"] for line in lines] == ["budget slices not restored"]


async def test_at_the_end_others_get_what_is_idle(worker: Worker, ledger: MemoryLedger) -> None:
    """Where there are others; and what is spent is told."""
    worker.keeper.is_keeper = worker.keeper._lock.try_to_keep()
    row = worker.hold(BUDGET, 40)
    worker.settle(row, 40)
    worker.slices.touch([row])
    await worker.slices.report()
    ledger.hosts.add("another")
    await worker.keeper._heed_recalls()
    worker.slices.touch([row])
    await worker.keeper.close()
    part = ledger.parts[BUDGET.key][worker.slices.host]
    assert (part.spent, part.given) == (40, 40)
