"""Which events a job has come upon before: a relay that was killed leaves some twice in the log, and each costs once.

The ids are kept in a temporary database, so that memory does not grow with the range; they rise with time, so that it
is quick however many there are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from sluice.eventlog.interface import EventLogError


class Seen:
    """Used from one thread; forgotten when it is closed."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("CREATE TABLE seen (event_id TEXT PRIMARY KEY) WITHOUT ROWID")
        self.again = 0
        """How many came again."""

    def close(self) -> None:
        """Let go of the temporary file."""
        self._database.close()

    def new(self, ids: Iterable[str]) -> list[int]:
        """The positions of those that come for the first time. Raises EventLogError where the disk is full."""
        insert = self._database.cursor().execute
        try:
            insert("BEGIN")
            found = []
            for at, each in enumerate(ids):
                if insert("INSERT OR IGNORE INTO seen VALUES (?)", (each,)).rowcount:
                    found.append(at)
                else:
                    self.again += 1
            insert("COMMIT")
        except sqlite3.Error as error:
            message = f"the temporary folder cannot be written: {error}; make room there, or name another in TMPDIR"
            raise EventLogError(message) from error
        return found
