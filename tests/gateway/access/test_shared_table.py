"""The shared table: one row for a key, whoever asks; sums over workers; nothing lost or doubled by a kill."""

from __future__ import annotations

import errno
import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.access import shared_table as shared_table_module
from gateway.access.mapped_words import MappedWords
from gateway.access.shared_table import OPEN, RESERVED, SPENT, Key, SharedTable, TableFullError, table_folder
from sluice.eventlog.places import gateway_journal
from tests.gateway.access.killing import Killed, dying_after

KEY: Key = (1, 7, 0, 1_700_000_000_000_000)
ROWS = 2048


@pytest.fixture(name="one")
def first_worker(tmp_path: Path) -> Iterator[SharedTable]:
    """Worker w0."""
    table = SharedTable(tmp_path, "w0", max_rows=ROWS)
    yield table
    table.close()


@pytest.fixture(name="other")
def second_worker(one: SharedTable) -> Iterator[SharedTable]:
    """Worker w1 of the same host."""
    table = SharedTable(one.folder, "w1", max_rows=ROWS)
    yield table
    table.close()


def add(table: SharedTable, key: Key, cell: int, amount: int) -> int:
    """Change a worker's own cell of a key."""
    with table.lock:
        row = table.row(key, 99)
        table.own[table.cell_at(row) + cell] += amount
        return row


def test_a_key_has_one_row_whoever_asks(one: SharedTable, other: SharedTable) -> None:
    """Made by one, found by the other, with its period's end."""
    row = add(one, KEY, SPENT, 5)
    with other.lock:
        assert other.find(KEY) == row == other.row(KEY)
        assert other.find((2, 7, 0, 0)) == -1
    assert (other.key(row), other.period_end(row), list(other.used_rows())) == (KEY, 99, [row])


def test_a_total_is_that_of_all_workers(one: SharedTable, other: SharedTable) -> None:
    """Also of those that came later, and of those that are gone."""
    row = add(one, KEY, SPENT, 5)
    assert one.total(row, SPENT) == 5
    add(other, KEY, SPENT, 7)
    late = SharedTable(one.folder, "../w 2", max_rows=ROWS)
    add(late, KEY, SPENT, 11)
    late.close()
    assert one.total(row, SPENT) == other.total(row, SPENT) == 23
    assert one.total_of_two(row, SPENT, RESERVED) == 23


def test_what_is_in_it_outlives_its_workers(one: SharedTable) -> None:
    """The next process of the same name goes on where the last one stood, on the same host."""
    row = add(one, KEY, SPENT, 5)
    again = SharedTable(one.folder, "w0", max_rows=ROWS)
    assert (again.host, again.total(row, SPENT), again.key(row)) == (one.host, 5, KEY)
    again.close()


def test_who_lost_the_table_is_another_host(one: SharedTable) -> None:
    """What the old one was granted must not be believed to be here."""
    (one.folder / "table").unlink()
    again = SharedTable(one.folder, "w0", max_rows=ROWS)
    assert again.host != one.host
    assert list(again.used_rows()) == []
    again.close()


def test_only_what_is_under_way_is_let_go(one: SharedTable, other: SharedTable) -> None:
    """Of this worker, not of others."""
    row = add(one, KEY, SPENT, 0)
    for table in (one, other):
        for cell in (SPENT, RESERVED, OPEN):
            add(table, KEY, cell, 3)
    one.let_go()
    assert [one.total(row, cell) for cell in (SPENT, RESERVED, OPEN)] == [6, 3, 3]


def test_a_row_that_was_freed_is_empty_for_its_next_key(one: SharedTable, other: SharedTable) -> None:
    """Whoever had cells there; the old key is not found any more, also by those who knew it."""
    row = add(one, KEY, SPENT, 5)
    add(other, KEY, SPENT, 6)
    with one.lock:
        one.words[one.at(row) + 8] = 44
        one.free(row)
    assert list(one.used_rows()) == []
    for number in range(ROWS):
        add(other, (3, number, 0, 0), OPEN, 0)
    with one.lock:
        assert one.find(KEY) == -1
        found = one.find(other.key(row))
    assert found == row
    assert one.total(row, SPENT) == one.words[one.at(row) + 8] == 0


def _fill(table: SharedTable) -> None:
    for number in range(ROWS):
        add(table, (3, number, 0, 0), OPEN, 0)


def test_a_table_that_is_full_says_so(one: SharedTable, other: SharedTable) -> None:
    """And has room again when a row is freed, for whoever asks first."""
    _fill(one)
    with pytest.raises(TableFullError, match="no row left of 2048"):
        add(other, KEY, OPEN, 0)
    with one.lock:
        one.free(7)
    assert add(other, KEY, OPEN, 0) == 7
    with pytest.raises(TableFullError):
        add(one, (4, 1, 0, 0), OPEN, 0)


def test_who_was_away_for_long_finds_everything(one: SharedTable, other: SharedTable) -> None:
    """More rows were made since than the ring of the last ones has place for."""
    rows = {number: add(one, (3, number, 0, 0), OPEN, 0) for number in range(ROWS)}
    with one.lock:
        for number in range(ROWS):
            one.free(rows[number])
        rows = {number: one.row((4, number, 0, 0)) for number in range(ROWS)}
        for number in range(ROWS):
            one.free(rows[number])
        rows = {number: one.row((5, number, 0, 0)) for number in range(ROWS)}
    with other.lock:
        assert {number: other.find((5, number, 0, 0)) for number in range(ROWS)} == rows
        assert other.find((4, 1, 0, 0)) == -1


def test_who_opens_a_table_keeps_nobody_waiting(one: SharedTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many rows take a tenth of a second to look at: the lock is free meanwhile, and what is made or freed behind its
    back is found all the same."""
    gone, kept = add(one, (1, 1, 0, 1), SPENT, 1), add(one, (1, 2, 0, 1), SPENT, 1)
    learn = SharedTable._learn

    def learn_late(table: SharedTable, row: int) -> None:
        learn(table, row)
        if row == gone and one.key(gone) == (1, 1, 0, 1):
            with one.lock:
                one.free(gone)
            add(one, KEY, SPENT, 7)
            add(one, (1, 3, 0, 1), SPENT, 8)

    monkeypatch.setattr(SharedTable, "_learn", learn_late)
    other = SharedTable(one.folder, "w1", max_rows=ROWS)
    with other.lock:
        found = [other.find(key) for key in ((1, 1, 0, 1), (1, 2, 0, 1), KEY, (1, 3, 0, 1))]
        assert found == [-1, kept, one.find(KEY), one.find((1, 3, 0, 1))]
        assert len({*found, other.row((1, 4, 0, 1))}) == 5
    other.close()


def test_a_full_disk_is_an_error_and_no_signal(one: SharedTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the call that needed the room; a row that is there goes on."""
    row = add(one, KEY, SPENT, 5)

    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(MappedWords, "allocate", full)
    assert add(one, KEY, SPENT, 1) == row
    with pytest.raises(OSError, match="No space"):
        _fill(one)


@pytest.mark.parametrize("stores", range(16))
def test_a_kill_while_a_row_is_made_leaves_one_or_none(one: SharedTable, other: SharedTable, stores: int) -> None:
    """Never two of one key."""
    try:
        with dying_after(one, stores), one.lock:
            one.row(KEY)
    except Killed:
        pass
    row = add(other, KEY, SPENT, 1)
    again = SharedTable(one.folder, "w0", max_rows=ROWS)
    with again.lock:
        assert again.row(KEY) == row
    assert [again.key(each) for each in again.used_rows()] == [KEY]
    again.close()


@settings(deadline=None, max_examples=20)
@given(st.binary(max_size=200))
def test_garbage_is_begun_anew(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever is in the file."""
    folder = tmp_path_factory.mktemp("table")
    (folder / "table").write_bytes(content)
    table = SharedTable(folder, "w0", max_rows=ROWS)
    assert list(table.used_rows()) == []
    assert table.total(add(table, KEY, SPENT, 5), SPENT) == 5
    table.close()


def _count(folder: Path, worker: str, times: int) -> None:
    table = SharedTable(folder, worker, max_rows=ROWS)
    for number in range(times):
        with table.lock:
            row = table.row((1, number % 50, 0, 0))
            table.words[table.at(row) + 9] += 1
            table.own[table.cell_at(row) + SPENT] += 1
    table.close()


def test_processes_that_change_the_same_words_lose_nothing(one: SharedTable) -> None:
    """Under the lock; rows are made by all of them at once."""
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_count, args=(one.folder, f"p{at}", 1000)) for at in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(20)
    rows = list(one.used_rows())
    assert len(rows) == len({one.key(row) for row in rows}) == 50
    assert sum(one.total(row, SPENT) for row in rows) == 3000
    assert sum(one.words[one.at(row) + 9] for row in rows) == 3000


def test_a_table_lies_beside_its_gateway_s_journals(tmp_path: Path) -> None:
    """One for each gateway of a data directory."""
    journal = gateway_journal(tmp_path, "gateway-1", "w0")
    assert table_folder(journal) == tmp_path / "access" / "gateway-1"
    assert shared_table_module.MAX_ROWS == 1 << 20
