"""A table in memory that the workers of a host share, and that outlives them: budgets and limits are kept in it.

One file has the rows: a key, and words that are changed under the lock alone. Each worker has a file of cells beside
it, eight for each row, that only this worker writes; what a host has used is the sum of all files, also of workers that
are no more. Everything is an aligned 64-bit word stored at once, so a kill -9 leaves each word old or new; the lock is
the kernel's (``flock``) and ends with its holder.

The files are sparse and mapped whole. Disk is allocated before a word is written there for the first time: a full disk
is an error of the call that needed it, never a signal that ends the process.
"""

from __future__ import annotations

import secrets
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from gateway.access.host_lock import HostLock
from gateway.access.mapped_words import WORD_BYTES, MappedWords

if TYPE_CHECKING:
    from collections.abc import Iterator

Key = tuple[int, int, int, int]
"""Kind, app id, LLM id, start of the period in micros; 0 where a kind has no such part. Kinds 1 to 3 are budgets, those
from 8 on limits."""

MAX_ROWS = 1 << 20

# words of a row
_KIND, _PERIOD_END, FIRST_WORD, ROW_WORDS = 0, 4, 5, 16
"""Words ``FIRST_WORD`` to ``ROW_WORDS - 1`` belong to the row's kind."""

# cells of a row
SPENT, REQUESTS, PROMPT_TOKENS, RESPONSE_TOKENS, RESERVED, OPEN, CELL_WORDS = 0, 1, 2, 3, 4, 5, 8
"""``RESERVED`` and ``OPEN`` are what exchanges under way hold; recovery sets those of a dead worker to zero."""

# words of the table's header
_MAGIC, _HOST, _USED, _ANNOUNCED, _FREED, _WORKERS, _CAPACITY = range(7)
_MAGIC_NUMBER: Final = 0x0001_4C42_5453_4C53
_HEADER_WORDS = 512
_RING_WORDS = 4096
"""The numbers of the rows made last: how other workers hear of them."""
_FIRST_ROW = _HEADER_WORDS + _RING_WORDS
_CHUNK_ROWS = 1024
_CELLS = "cells."
_key_at = struct.Struct("@4q").unpack_from


class TableFullError(Exception):
    """No row is left; those of periods that are over are freed within an hour."""


class SharedTable:
    """One worker's view of its host's table. Not for threads: each opens its own, under a worker's name of its own.

    ``words`` is the table, to be changed under ``lock``; ``own`` are this worker's cells; ``redo`` are the words before
    them, for what must survive a kill in its middle.
    """

    def __init__(self, folder: Path, worker: str, *, max_rows: int = MAX_ROWS) -> None:
        """Raises OSError where a file cannot be opened or has no room."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.lock = HostLock(folder / "lock")
        with self.lock:
            self._table = MappedWords(folder / "table", _FIRST_ROW + max_rows * ROW_WORDS)
            self.words = self._table.words
            if self.words[_MAGIC] != _MAGIC_NUMBER:
                self._begin(max_rows)
            self._capacity = min(max_rows, self.words[_CAPACITY])
            self._cells = MappedWords(folder / (_CELLS + quote(worker, safe="")), _HEADER_WORDS + max_rows * CELL_WORDS)
            self._cells.allocate(0, _HEADER_WORDS)
            self.words[_WORKERS] += 1
        self.own = self._cells.words
        self.redo = self.own[1:_HEADER_WORDS]
        self._own_rows = 0
        self._others: list[MappedWords] = []
        self._workers_seen = -1
        self._worker = worker
        self._known: dict[Key, int] = {}
        self._free: list[int] = []
        self._seen = self._freed_seen = 0
        self._look_at_all()

    def _begin(self, max_rows: int) -> None:
        """A new table, also where the file holds something else."""
        self._table.allocate(0, _FIRST_ROW)
        self._table.map[: _FIRST_ROW * WORD_BYTES] = bytes(_FIRST_ROW * WORD_BYTES)
        self.words[_CAPACITY] = max_rows
        self.words[_HOST] = secrets.randbits(62)
        self.words[_MAGIC] = _MAGIC_NUMBER

    @property
    def host(self) -> str:
        """Made with the table: who lost its files is another host, and what the old one held stays held."""
        return f"{self.host_number:016x}"

    @property
    def host_number(self) -> int:
        """``host`` as a number."""
        return self.words[_HOST]

    @property
    def used(self) -> int:
        """How many rows were ever made; all others are above."""
        return self.words[_USED]

    def row(self, key: Key, period_end: int = 0) -> int:
        """The row of a key, made where there is none; under the lock. Raises TableFullError or OSError."""
        row = self._known.get(key, -1)
        if row < 0 or _key_at(self._table.map, self._offset(row)) != key:
            row = self._find(key)
            if row < 0:
                row = self._make(key, period_end)
        if row >= self._own_rows:
            self.allow(row)
        return row

    def find(self, key: Key) -> int:
        """The row of a key, -1 where there is none; under the lock."""
        row = self._known.get(key, -1)
        return row if row >= 0 and self.key(row) == key else self._find(key)

    def key(self, row: int) -> Key:
        """What a row is for; its kind is 0 where it is free."""
        kind, app_id, llm_id, start = _key_at(self._table.map, self._offset(row))
        return kind, app_id, llm_id, start

    def period_end(self, row: int) -> int:
        """When the row's period is over, in micros."""
        return self.words[self.at(row) + _PERIOD_END]

    def at(self, row: int) -> int:
        """Where a row's words begin in ``words``."""
        return _FIRST_ROW + row * ROW_WORDS

    def cell_at(self, row: int) -> int:
        """Where a row's cells begin in ``own``."""
        return _HEADER_WORDS + row * CELL_WORDS

    def allow(self, row: int) -> None:
        """Have the room to write this row's cells. Raises OSError."""
        if row >= self._own_rows:
            chunk = row // _CHUNK_ROWS
            self._cells.allocate(self.cell_at(chunk * _CHUNK_ROWS), _CHUNK_ROWS * CELL_WORDS)
            self._own_rows = (chunk + 1) * _CHUNK_ROWS

    def total(self, row: int, cell: int) -> int:
        """A cell's sum over all workers; exact under the lock."""
        if self.words[_WORKERS] != self._workers_seen:
            self._meet_workers()
        at = self.cell_at(row) + cell
        total = self.own[at]
        for other in self._others:
            total += other.words[at]
        return total

    def total_of_two(self, row: int, first: int, second: int) -> int:
        """The sum of two cells, as ``total``."""
        if self.words[_WORKERS] != self._workers_seen:
            self._meet_workers()
        at = self.cell_at(row)
        total = self.own[at + first] + self.own[at + second]
        for other in self._others:
            total += other.words[at + first] + other.words[at + second]
        return total

    def used_rows(self) -> Iterator[int]:
        """Every row that has a key; without the lock some may be missed."""
        for row in range(self.words[_USED]):
            if self.words[self.at(row)] > 0:
                yield row

    def free(self, row: int) -> None:
        """Give a row to whoever needs one; under the lock, when nothing of it is open."""
        self.words[self.at(row) + _KIND] = 0
        self.words[_FREED] += 1

    def let_go(self) -> None:
        """Nothing is under way in this worker: what its exchanges held is free."""
        for row in range(self.words[_USED]):
            at = self.cell_at(row)
            if self.own[at + RESERVED] or self.own[at + OPEN]:
                self.own[at + RESERVED] = 0
                self.own[at + OPEN] = 0

    def close(self) -> None:
        """Unmap; what is in the files stays."""
        self.redo.release()
        for words in (*self._others, self._cells, self._table):
            words.close()
        self.lock.close()

    def _offset(self, row: int) -> int:
        return (_FIRST_ROW + row * ROW_WORDS) * WORD_BYTES

    def _find(self, key: Key) -> int:
        """A row that somebody else may have made since we looked."""
        self._known.pop(key, None)
        announced = self.words[_ANNOUNCED]
        stale = self.words[_FREED] - self._freed_seen
        if announced - self._seen > _RING_WORDS or stale > max(_CHUNK_ROWS, len(self._known) // 2):
            self._look_at_all()
        else:
            for number in range(self._seen, announced):
                self._learn(self.words[_HEADER_WORDS + number % _RING_WORDS])
            self._seen = announced
        return self._known.get(key, -1)

    def _learn(self, row: int) -> None:
        key = self.key(row)
        if key[_KIND] > 0:
            self._known[key] = row
        else:
            self._free.append(row)

    def _look_at_all(self) -> None:
        """Also without the lock, which it would keep from all others for long.

        What is made meanwhile is announced behind what counts as seen; a key and a free row are looked at again before
        they are used.
        """
        self._seen, self._freed_seen = self.words[_ANNOUNCED], self.words[_FREED]
        self._known.clear()
        self._free.clear()
        for row in range(self.words[_USED]):
            self._learn(row)

    def _make(self, key: Key, period_end: int) -> int:
        """Announced first, its kind last: a kill between leaves a row that is still free, and never two of one key."""
        row = self._take_free()
        words, at = self.words, self.at(row)
        self._clean(row)
        announced = words[_ANNOUNCED]
        words[_HEADER_WORDS + announced % _RING_WORDS] = row
        words[_ANNOUNCED] = announced + 1
        words[at + 1], words[at + 2], words[at + 3], words[at + _PERIOD_END] = key[1], key[2], key[3], period_end
        words[at + _KIND] = key[_KIND]
        self._seen = announced + 1
        self._known[key] = row
        return row

    def _take_free(self) -> int:
        used = self.words[_USED]
        is_chunk = used % _CHUNK_ROWS == 0 or used >= self._capacity
        if not self._free and is_chunk and self.words[_FREED] != self._freed_seen:
            self._look_at_all()
        while self._free:
            row = self._free.pop()
            if self.words[self.at(row)] == 0:
                return row
        if used >= self._capacity:
            message = f"the table of budgets and limits has no row left of {self._capacity}"
            raise TableFullError(message)
        if is_chunk:
            self._table.allocate(self.at(used), _CHUNK_ROWS * ROW_WORDS)
        self.words[_USED] = used + 1
        return used

    def _clean(self, row: int) -> None:
        """What the row's last key left."""
        at = self.at(row)
        for word in range(at + 1, at + ROW_WORDS):
            if self.words[word]:
                self.words[word] = 0
        if self.words[_WORKERS] != self._workers_seen:
            self._meet_workers()
        at = self.cell_at(row)
        for words in (self.own, *(other.words for other in self._others)):
            for word in range(at, at + CELL_WORDS):
                if words[word]:
                    words[word] = 0

    def _meet_workers(self) -> None:
        """Map the cells of workers that came since."""
        seen = self.words[_WORKERS]
        for other in self._others:
            other.close()
        words = len(self.own)
        own = _CELLS + quote(self._worker, safe="")
        self._others = [MappedWords(path, words) for path in sorted(self.folder.glob(_CELLS + "*")) if path.name != own]
        self._workers_seen = seen


def table_folder(journal: Path) -> Path:
    """Where the table lies of the gateway that a worker's journal is of: ``data_dir/access/<gateway>``."""
    return journal.parent.parent.parent / "access" / journal.parent.name
