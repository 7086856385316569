"""A host's budgets: what is held fits in all of them, or is held in none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.access.budget_rows import Budget, BudgetRows, Shortfall, rows_held
from gateway.access.ledger import APP, APP_LLM, LLM, SliceAnswer
from gateway.access.settlement import Settlements, Worth
from gateway.access.shared_table import Key, SharedTable, TableFullError
from tests.gateway.access.sharing import held_in

END = 2_000
ONE, OTHER = Budget((APP, 7, 0, 1_000), END, 100), Budget((LLM, 0, 3, 1_000), END, 500)
ID = "01900000-0000-7000-8000-000000000001"


def granted(nanos: int, *, written_off: int = 0, spent: int = 0) -> SliceAnswer:
    """What the ledger says."""
    return SliceAnswer(nanos, 0, written_off, spent, 0)


@pytest.fixture(name="rows")
def rows_in_folder(tmp_path: Path) -> Iterator[BudgetRows]:
    """Of a host without anything yet."""
    table = SharedTable(tmp_path, "w0", max_rows=64)
    yield BudgetRows(table)
    table.close()


def row_of(rows: BudgetRows, key: Key) -> int:
    """Where a budget is."""
    with rows.table.lock:
        return rows.table.find(key)


def test_without_a_grant_nothing_is_held(rows: BudgetRows) -> None:
    """What is lacking is said for each budget."""
    assert rows.hold([ONE, OTHER], 40) == [Shortfall(ONE, 40, False), Shortfall(OTHER, 40, False)]
    assert held_in(rows.table) == [(0, 0), (0, 0)]


def test_one_that_lacks_keeps_the_others_from_being_held(rows: BudgetRows) -> None:
    """All or none."""
    rows.take_note(OTHER.key, END, granted(500))
    assert rows.hold([ONE, OTHER], 40) == [Shortfall(ONE, 40, False)]
    rows.take_note(ONE.key, END, granted(40))
    assert isinstance(rows.hold([ONE, OTHER], 40), tuple)
    assert held_in(rows.table) == [(40, 1), (40, 1)]
    assert rows.hold([ONE], 1) == [Shortfall(ONE, 1, False)]
    assert (rows.room(ONE), rows.room(OTHER), rows.reserved(ONE.key), rows.reserved((APP, 1, 0, 0))) == (0, 460, 40, 0)


def test_what_the_limit_has_no_room_for_is_certain(rows: BudgetRows) -> None:
    """No ledger need be asked; a limit that was lowered holds at once, whatever was granted."""
    assert rows.hold([ONE], 101) == [Shortfall(ONE, 101, True)]
    rows.take_note(ONE.key, END, granted(100))
    assert isinstance(rows.hold([ONE], 60), tuple)
    lowered = ONE._replace(limit_nanos=70)
    assert rows.hold([lowered], 11) == [Shortfall(lowered, -29, True)]
    assert isinstance(rows.hold([lowered], 10), tuple)


def test_what_is_held_anyway_is_held(rows: BudgetRows) -> None:
    """Where the ledger cannot be asked and the app's policy is open; what comes later has to make up for it."""
    assert isinstance(rows.hold([ONE], 40, anyway=True), tuple)
    assert rows.room(ONE) == -40
    assert rows.hold([ONE], 10) == [Shortfall(ONE, 50, False)]


def test_what_no_cell_can_count_is_held_nowhere(rows: BudgetRows) -> None:
    """Anyway holds have no limit: one that passes 64 bits in the second budget is not left behind in the first."""
    most = (1 << 62) - 1
    for _ in range(2):
        assert isinstance(rows.hold([OTHER], most, anyway=True), tuple)
    with pytest.raises(TableFullError):
        rows.hold([ONE, OTHER], most, anyway=True)
    assert sorted(held_in(rows.table)) == [(0, 0), (2 * most, 2)]


def test_what_is_idle_is_given_back_and_gone(rows: BudgetRows) -> None:
    """What is held or spent is not; twice is once."""
    rows.take_note(ONE.key, END, granted(100))
    held = rows.hold([ONE], 30)
    assert isinstance(held, tuple)
    with rows.table.lock:
        assert [rows.give_back(held[0]) for _ in range(2)] == [70, 0]
        assert rows.slice_of(held[0]).returned_nanos == 70
        assert not rows.is_reported(held[0])
    assert rows.room(ONE) == 0


def test_what_was_written_off_is_not_here(rows: BudgetRows) -> None:
    """The operator gave it to others."""
    rows.take_note(ONE.key, END, granted(100, written_off=80))
    assert rows.room(ONE) == 20


def test_a_late_answer_takes_nothing_away(rows: BudgetRows) -> None:
    """Answers overtake each other."""
    rows.take_note(ONE.key, END, granted(90, spent=3))
    rows.take_note(ONE.key, END, granted(40))
    assert rows.room(ONE) == 87


def test_what_was_spent_before_a_row_was_made_counts(rows: BudgetRows) -> None:
    """It is not told before the ledger has said what there was; then both together, and there is more to tell."""
    held = rows.hold([ONE], 5, anyway=True)
    assert isinstance(held, tuple)
    Settlements(rows.table).settle(ID, held, 5, Worth(8, 1, 1), lambda: None)
    with rows.table.lock:
        told = rows.slice_of(held[0])
    assert told.spent_nanos == 0
    assert rows.take_note(ONE.key, END, granted(50, spent=30), told) == held[0]
    with rows.table.lock:
        told = rows.slice_of(held[0])
    assert told.spent_nanos == 38
    assert rows.take_note(ONE.key, END, granted(50, spent=38), told) == -1
    assert rows.room(ONE) == 12


@pytest.mark.parametrize(
    ("app_id", "llm_id", "at", "expected"),
    [(7, 3, 1_500, 3), (7, 3, 1_000, 3), (7, 3, 2_000, 0), (7, 3, 999, 0), (8, 3, 1_500, 1), (7, 4, 1_500, 1)],
)
def test_rows_of_a_slot_are_believed_where_they_fit(
    rows: BudgetRows, app_id: int, llm_id: int, at: int, expected: int
) -> None:
    """App, LLM and period must be the slot's: a table that was lost has other rows under these numbers."""
    held = rows.hold([ONE, OTHER, Budget((APP_LLM, 7, 3, 1_000), END, 9)], 1, anyway=True)
    assert isinstance(held, tuple)
    assert len(rows_held(rows.table, (*held, 63, 1 << 40, -1), app_id, llm_id, at)) == expected


def test_only_budgets_are_budgets(rows: BudgetRows) -> None:
    """Limits are in the same table."""
    assert isinstance(rows.hold([ONE], 1, anyway=True), tuple)
    with rows.table.lock:
        other = rows.table.row((8, 7, 0, 0))
    assert list(rows) == [row_of(rows, ONE.key)]
    assert not rows.is_budget(other)
