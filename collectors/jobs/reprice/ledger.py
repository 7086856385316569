"""What a job that corrects must not forget, in ``corrections.db`` of its folder: what each exchange should cost, what
the log has charged for it, and which corrections were given which sequence numbers.

The log decides what was corrected: what it charged is read anew by each run. A correction's number is on disk before
the correction is published, so that a run after ``kill -9`` publishes the same again or nothing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sluice.eventlog.interface import EventLogError

_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS wanted (
    exchange_id TEXT PRIMARY KEY, nanos INTEGER NOT NULL, currency TEXT NOT NULL, app_id INTEGER, llm_id INTEGER,
    occurred_at INTEGER NOT NULL, common TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS charged (
    event_id TEXT PRIMARY KEY, exchange_id TEXT NOT NULL, nanos INTEGER NOT NULL, currency TEXT NOT NULL,
    is_usage INTEGER NOT NULL, boot_id TEXT NOT NULL, charges TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS charged_by_exchange ON charged (exchange_id);
CREATE TABLE IF NOT EXISTS periods (
    scope TEXT, scope_id TEXT, period_start INTEGER, period_end INTEGER, charge TEXT NOT NULL,
    PRIMARY KEY (scope, scope_id, period_start, period_end)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS issued (
    sequence INTEGER PRIMARY KEY, event_id TEXT NOT NULL UNIQUE, exchange_id TEXT NOT NULL, nanos INTEGER NOT NULL,
    value BLOB NOT NULL);
"""
_DUE = """
SELECT wanted.exchange_id, wanted.nanos, wanted.currency, wanted.app_id, wanted.llm_id, wanted.occurred_at,
       wanted.common, SUM(charged.nanos), MAX(CASE WHEN charged.is_usage THEN charged.charges END),
       MAX(charged.event_id = wanted.exchange_id || ?), MIN(charged.currency), MAX(charged.currency)
FROM wanted LEFT JOIN charged ON charged.exchange_id = wanted.exchange_id
WHERE wanted.exchange_id > ?
GROUP BY wanted.exchange_id ORDER BY wanted.exchange_id LIMIT ?
"""
_PAGE = 5_000


class Wanted(NamedTuple):
    """What an exchange should cost."""

    exchange_id: str
    nanos: int
    currency: str
    app_id: int | None
    llm_id: int | None
    occurred_at: int
    common: str
    """JSON of what its correction shares with its other events."""


class Charged(NamedTuple):
    """A budget event of an exchange."""

    event_id: str
    exchange_id: str
    nanos: int
    currency: str
    is_usage: bool
    boot_id: str
    charges: str
    """JSON."""


class Account(NamedTuple):
    """An exchange: what it should cost, and what the log has charged."""

    wanted: Wanted
    charged: int | None
    """``None`` where the log has no budget event of it."""
    charges: str | None
    """Of the original event."""
    is_corrected: bool
    """Whether this version has corrected it."""
    currencies: tuple[str, ...]


class Issued(NamedTuple):
    """A correction with its number."""

    sequence: int
    event_id: str
    exchange_id: str
    nanos: int
    value: bytes


class CorrectionLedger:
    """One job's. Used from one thread."""

    def __init__(self, path: Path | None) -> None:
        """``None`` is one that is forgotten: a dry run's. Raises EventLogError, as all that writes does."""
        self._where = "the temporary folder" if path is None else str(path)
        with self._told():
            self._database = sqlite3.connect("" if path is None else path, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(_TABLES)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def fact(self, name: str, value: str | None = None) -> str | None:
        """What is noted under a name; ``value`` is noted where nothing is."""
        if value is not None:
            self._database.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", (name, value))
        row = self._database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def forget_what_was_read(self) -> None:
        """Before a run reads it anew; what was issued stays."""
        with self._told():
            for table in ("wanted", "charged", "periods"):
                self._database.execute(f"DELETE FROM {table}")  # noqa: S608 - the names are ours

    def want(self, rows: Iterable[Wanted]) -> None:
        """Of exchanges that come twice the log has one event twice."""
        self._many("INSERT OR IGNORE INTO wanted VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def charge(self, rows: Iterable[Charged]) -> None:
        """Take note of budget events: of those exchanges that are wanted; each event once."""
        statement = """INSERT OR IGNORE INTO charged SELECT ?, ?, ?, ?, ?, ?, ?
                       WHERE EXISTS (SELECT 1 FROM wanted WHERE exchange_id = ?)"""
        self._many(statement, ((*row, row.exchange_id) for row in rows))

    def note_periods(self, charges: Iterable[Mapping[str, Any]]) -> None:
        """Take note of when the periods of budgets begin and end."""
        rows = (
            (each["scope"], each["scope_id"], each["period_start"], each["period_end"], json.dumps(each))
            for each in charges
        )
        self._many("INSERT OR IGNORE INTO periods VALUES (?, ?, ?, ?, ?)", rows)

    def period(self, scope: str, scope_id: str, at: int) -> dict[str, Any] | None:
        """The charge of this scope in its period of a moment (micros), as some event of it has it."""
        found = self._database.execute(
            "SELECT charge FROM periods WHERE scope = ? AND scope_id = ? AND period_start <= ? AND period_end > ?",
            (scope, scope_id, at, at),
        ).fetchone()
        return None if found is None else dict(json.loads(found[0]))

    def accounts(self, suffix: str) -> Iterator[Account]:
        """All exchanges that are wanted, in order; ``suffix`` makes this version's correction of an exchange's id."""
        last = ""
        while rows := self._database.execute(_DUE, (suffix, last, _PAGE)).fetchall():
            for row in rows:
                currencies = tuple(dict.fromkeys(each for each in row[10:12] if each is not None))
                yield Account(Wanted(*row[:7]), row[7], row[8], bool(row[9]), currencies)
            last = rows[-1][0]

    @property
    def last_sequence(self) -> int:
        """The highest number that was given, or 0."""
        row = self._database.execute("SELECT COALESCE(MAX(sequence), 0) FROM issued").fetchone()
        return int(row[0])

    def issue(self, rows: Iterable[Issued]) -> None:
        """On disk when it returns: these are published with these numbers, and no others."""
        self._many("INSERT INTO issued VALUES (?, ?, ?, ?, ?)", rows)

    def issued_nanos(self, event_id: str) -> int | None:
        """What it corrects by; ``None`` where it has no number of this job."""
        found = self._database.execute("SELECT nanos FROM issued WHERE event_id = ?", (event_id,)).fetchone()
        return None if found is None else int(found[0])

    def unpublished(self) -> Iterator[list[Issued]]:
        """Some at a time, in order: those of which the log has none."""
        last = 0
        statement = """SELECT * FROM issued WHERE sequence > ? AND NOT EXISTS
                       (SELECT 1 FROM charged WHERE charged.event_id = issued.event_id) ORDER BY sequence LIMIT ?"""
        while rows := self._database.execute(statement, (last, _PAGE)).fetchall():
            yield [Issued(*row) for row in rows]
            last = rows[-1][0]

    def overtaken(self, boot_id: str) -> str | None:
        """A correction that this job has a number for, and that the log has from another one."""
        found = self._database.execute(
            """SELECT issued.event_id FROM issued JOIN charged ON charged.event_id = issued.event_id
               WHERE charged.boot_id != ? LIMIT 1""",
            (boot_id,),
        ).fetchone()
        return None if found is None else str(found[0])

    def issued_count(self) -> tuple[int, int]:
        """How many there are, and how many of these the log has."""
        row = self._database.execute(
            """SELECT COUNT(*), COUNT(charged.event_id) FROM issued LEFT JOIN charged
               ON charged.event_id = issued.event_id"""
        ).fetchone()
        return int(row[0]), int(row[1])

    def _many(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        with self._told():
            self._database.execute("BEGIN")
            try:
                self._database.executemany(statement, rows)
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:  # a full disk has ended it already
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            message = f"{self._where} cannot be written: {error}; make room, or begin the job anew under another name"
            raise EventLogError(message) from error
