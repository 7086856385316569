"""The SQLite database of plugins' keys: every statement, and every error of SQLite turned into a ServiceUnavailable.

A commit is written before it returns and reaches the disk with the next checkpoint: it outlives the process, and a
power cut may take the last of them.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from sluice.plugin_host.kv_schema import NEVER, connect
from sluice.sdk.errors import PayloadTooLarge, ServiceUnavailable

BUSY_SECONDS = 0.5
"""How long another writer is waited for: so that a hook, which has a second by default, learns what is the matter."""
PURGE_ROWS = 1000
"""Deleted in one transaction, so that nobody waits for long."""

_REMEDIES = (
    ("locked", "another process holds it; try again"),
    ("full", "free space on its disk"),
    ("readonly", "let the gateway write to it"),
    ("unable to open", "let the gateway write to its folder"),
)
_DAMAGED = "stop what uses it and move it away: plugins start with an empty store"

_READ = "SELECT value FROM kv WHERE plugin_id = ? AND key = ? AND expires_at > ?"
_FIND = "SELECT size, expires_at FROM kv WHERE plugin_id = ? AND key = ?"
_USED = "SELECT bytes FROM usage WHERE plugin_id = ?"
_FORGET = f"DELETE FROM kv WHERE plugin_id = ? AND expires_at <= ? AND expires_at < {NEVER} AND key <> ?"  # noqa: S608 - a number
_WRITE = """INSERT INTO kv (plugin_id, key, expires_at, size, value) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (plugin_id, key) DO UPDATE SET expires_at = excluded.expires_at, size = excluded.size,
    value = excluded.value"""
_DELETE = "DELETE FROM kv WHERE plugin_id = ? AND key = ? RETURNING expires_at"
_LIST = "SELECT key FROM kv WHERE plugin_id = ? AND key >= ? AND key < ? AND expires_at > ? ORDER BY key LIMIT ?"
_PURGE = f"DELETE FROM kv WHERE id IN (SELECT id FROM kv WHERE expires_at <= ? AND expires_at < {NEVER} LIMIT ?)"  # noqa: S608 - a number
_EXPIRED = f"SELECT COUNT(*) FROM kv WHERE expires_at <= ? AND expires_at < {NEVER}"  # noqa: S608 - a number
_AFTER_ALL_KEYS = b"\xff"
"""No UTF-8 begins with it."""


class Entry(NamedTuple):
    """What is to be written."""

    plugin_id: int
    key: bytes
    value: bytes
    expires_at: int

    @property
    def size(self) -> int:
        """What it counts for."""
        return len(self.key) + len(self.value)


class KvDatabase:
    """One connection, used by one thread at a time; opened when it is first needed, and again after a failure.

    Every method raises ServiceUnavailable, after at most ``BUSY_SECONDS`` of waiting. Times are micros of the epoch.
    """

    def __init__(self, path: Path, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self._path = path
        self._busy_seconds = busy_seconds
        self._connection: sqlite3.Connection | None = None

    def read(self, plugin_id: int, key: bytes, now: int) -> bytes | None:
        """The value, of a key that has not expired."""
        try:
            row = (self._connection or self._opened()).execute(_READ, (plugin_id, key, now)).fetchone()
        except sqlite3.Error as error:
            raise self._unavailable(error) from error
        return None if row is None else bytes(row[0])

    def write(self, entry: Entry, now: int, max_plugin_bytes: int) -> bool:
        """Whether the key is new; raises PayloadTooLarge where the plugin would have more than its bytes."""
        with self._transaction() as connection:
            before = connection.execute(_FIND, (entry.plugin_id, entry.key)).fetchone()
            if before is None or entry.size > before[0]:
                _make_room(connection, entry, before[0] if before else 0, now, max_plugin_bytes)
            connection.execute(_WRITE, (entry.plugin_id, entry.key, entry.expires_at, entry.size, entry.value))
        return before is None or before[1] <= now

    def delete(self, plugin_id: int, key: bytes, now: int) -> bool:
        """Whether there was one that had not expired."""
        with self._transaction() as connection:
            removed = connection.execute(_DELETE, (plugin_id, key)).fetchall()
        return any(expires_at > now for (expires_at,) in removed)

    def list(self, plugin_id: int, prefix: bytes, limit: int, now: int) -> list[bytes]:
        """Keys with this prefix, in order."""
        end = prefix[:-1] + bytes([prefix[-1] + 1]) if prefix else _AFTER_ALL_KEYS
        try:
            rows = self._opened().execute(_LIST, (plugin_id, prefix, end, now, limit)).fetchall()
        except sqlite3.Error as error:
            raise self._unavailable(error) from error
        return [bytes(key) for (key,) in rows]

    def purge(self, now: int) -> int:
        """Delete at most ``PURGE_ROWS`` expired rows; how many."""
        with self._transaction() as connection:
            return connection.execute(_PURGE, (now, PURGE_ROWS)).rowcount

    def count_expired(self, now: int) -> int:
        """Rows that ``purge`` would delete, in all."""
        try:
            return int(self._opened().execute(_EXPIRED, (now,)).fetchone()[0])
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def used_bytes(self, plugin_id: int) -> int:
        """Keys and values of a plugin, with what has expired and is not purged yet."""
        try:
            row = self._opened().execute(_USED, (plugin_id,)).fetchone()
        except sqlite3.Error as error:
            raise self._unavailable(error) from error
        return int(row[0]) if row else 0

    def open(self) -> None:
        """Make the database where there is none."""
        try:
            self._opened()
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def close(self) -> None:
        """Of no effect the second time."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._opened()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            deadline = time.monotonic() + self._busy_seconds
            while self._connection is None:
                try:
                    self._connection = connect(self._path, self._busy_seconds)
                except sqlite3.OperationalError as error:  # SQLite does not wait where two make a database at once
                    if "locked" not in str(error) or time.monotonic() > deadline:
                        raise
                    time.sleep(0.01)
        return self._connection

    def _unavailable(self, error: sqlite3.Error) -> ServiceUnavailable:
        text = str(error)
        remedy = next((remedy for word, remedy in _REMEDIES if word in text), _DAMAGED)
        if "locked" not in text:
            self.close()
        return ServiceUnavailable(f"kv: {self._path.name}: {text}; {remedy}")


def _make_room(connection: sqlite3.Connection, entry: Entry, replaced: int, now: int, max_plugin_bytes: int) -> None:
    """What has expired is not there, so it gives way first."""

    def used_by_others() -> int:
        row = connection.execute(_USED, (entry.plugin_id,)).fetchone()
        return (row[0] if row else 0) - replaced

    if used_by_others() + entry.size <= max_plugin_bytes:
        return
    connection.execute(_FORGET, (entry.plugin_id, now, entry.key))
    used = used_by_others()
    if used + entry.size > max_plugin_bytes:
        message = (
            f"kv: {entry.size} bytes beside the plugin's {used} are more than plugin_host.kv.max_plugin_bytes "
            f"({max_plugin_bytes}); delete keys, let them expire, or raise it"
        )
        raise PayloadTooLarge(message)
