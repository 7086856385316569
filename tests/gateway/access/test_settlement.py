"""Settlements: what an exchange cost is charged once, wherever its worker is killed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from gateway.access.budget_rows import Budget, BudgetRows
from gateway.access.ledger import APP, APP_LLM, LLM
from gateway.access.settlement import Settlements, Worth
from gateway.access.shared_table import (
    OPEN,
    PROMPT_TOKENS,
    REQUESTS,
    RESERVED,
    RESPONSE_TOKENS,
    SPENT,
    SharedTable,
)
from tests.gateway.access.killing import Killed, dying_after

ID = str(UUID(int=(1 << 128) - 5))
BUDGETS = [Budget((kind, 1, 2, 3), 1000, 10_000) for kind in (APP, LLM, APP_LLM)]
CELLS = (SPENT, REQUESTS, PROMPT_TOKENS, RESPONSE_TOKENS)
STORES, ALL_STORES = 30, 80
"""Of a settlement at least, of a recovery at most."""


class Bench:
    """A table with one exchange that holds 100 in three budgets, and its slot."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_open = True
        self.step: Callable[[], None] = lambda: None
        self.table = SharedTable(folder, "w0", max_rows=64)
        held = BudgetRows(self.table).hold(BUDGETS, 100, anyway=True)
        assert isinstance(held, tuple)
        self.rows = held

    def clear(self) -> None:
        """The slot is free."""
        self.step()
        self.is_open = False

    def settle(self, worth: Worth) -> None:
        """As the recorder does, behind the record."""
        Settlements(self.table).settle(ID, self.rows, 100, worth, self.clear)

    def reopen(self) -> None:
        """The next process."""
        self.table.close()
        self.table = SharedTable(self.folder, "w0", max_rows=64)

    def recover(self, worth: Worth) -> None:
        """As whoever opens the dead worker's directory does."""
        settlements = Settlements(self.table)
        if settlements.finish_redo() == ID:
            self.clear()
        settlements.end_redo()
        if self.is_open:
            self.settle(worth)
        self.table.let_go()

    def cells(self) -> set[tuple[int, ...]]:
        """What each row has."""
        return {tuple(self.table.total(row, cell) for cell in (*CELLS, RESERVED, OPEN)) for row in self.rows}


@pytest.fixture(name="bench")
def bench_in_folder(tmp_path: Path) -> Bench:
    """One exchange is under way."""
    return Bench(tmp_path)


def test_what_was_held_becomes_what_was_spent(bench: Bench) -> None:
    """In every budget; the slot is free."""
    assert bench.cells() == {(0, 0, 0, 0, 100, 1)}
    bench.settle(Worth(70, 5, 6))
    assert bench.cells() == {(70, 1, 5, 6, 0, 0)}
    assert not bench.is_open


def test_without_a_cost_nothing_is_counted(bench: Bench) -> None:
    """As there is no budget event either: what is counted here is what events say."""
    bench.settle(Worth(0, 5, 6))
    assert bench.cells() == {(0, 0, 0, 0, 0, 0)}
    assert not bench.is_open


@pytest.mark.parametrize("stores", range(ALL_STORES))
def test_a_kill_at_any_store_charges_once(bench: Bench, stores: int) -> None:
    """Before it, in its middle, behind it; and a second kill during recovery changes nothing."""
    worth = Worth(70, 5, 6)
    deaths = 0
    for step in (bench.settle, bench.recover):
        try:
            with dying_after(bench.table, stores) as bench.step:
                step(worth)
        except Killed:
            deaths += 1
        bench.step = lambda: None
        bench.reopen()
        if not deaths:
            break
    bench.recover(worth)
    assert bench.cells() == {(70, 1, 5, 6, 0, 0)}
    assert not bench.is_open
    assert deaths or stores > STORES
    assert deaths < 2 or stores < ALL_STORES - 1, "recovery has more stores than this test kills at"


def test_a_redo_of_a_table_that_was_lost_is_let_be(bench: Bench, tmp_path: Path) -> None:
    """Its rows are others now."""
    with pytest.raises(Killed), dying_after(bench.table, 25):
        bench.settle(Worth(70, 5, 6))
    bench.table.close()
    (tmp_path / "table").unlink()
    table = SharedTable(tmp_path, "w0", max_rows=64)
    held = BudgetRows(table).hold(BUDGETS, 1, anyway=True)
    assert isinstance(held, tuple)
    assert Settlements(table).finish_redo() == ""
    assert [table.total(row, SPENT) for row in held] == [0, 0, 0]
