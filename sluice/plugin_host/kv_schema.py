"""The tables of plugins' keys, and how their database is opened.

One row a key; keys are kept as UTF-8 so that they sort and are found by prefix byte by byte. ``usage`` counts each
plugin's bytes, kept by triggers, in the transaction that changes them: exact, whoever writes and whatever is killed.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

NEVER = (1 << 63) - 1
"""``expires_at`` of what does not expire."""

_VERSION = 1
_WAL_MAX_BYTES = 16 << 20

_SCHEMA = (
    """CREATE TABLE kv (
        id INTEGER PRIMARY KEY, plugin_id INTEGER NOT NULL, key BLOB NOT NULL, expires_at INTEGER NOT NULL,
        size INTEGER NOT NULL, value BLOB NOT NULL, UNIQUE (plugin_id, key))""",
    f"CREATE INDEX kv_expires ON kv (expires_at) WHERE expires_at < {NEVER}",
    "CREATE TABLE usage (plugin_id INTEGER PRIMARY KEY, bytes INTEGER NOT NULL)",
    """CREATE TRIGGER kv_added AFTER INSERT ON kv BEGIN
        INSERT OR IGNORE INTO usage VALUES (new.plugin_id, 0);
        UPDATE usage SET bytes = bytes + new.size WHERE plugin_id = new.plugin_id; END""",
    """CREATE TRIGGER kv_changed AFTER UPDATE OF size ON kv BEGIN
        UPDATE usage SET bytes = bytes + new.size - old.size WHERE plugin_id = new.plugin_id; END""",
    """CREATE TRIGGER kv_removed AFTER DELETE ON kv BEGIN
        UPDATE usage SET bytes = bytes - old.size WHERE plugin_id = old.plugin_id; END""",
    f"PRAGMA user_version = {_VERSION}",
)


def connect(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """To a database that is made where there is none. Raises sqlite3.Error, also where the file cannot be made."""
    _create_private(path)
    connection = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_MAX_BYTES}")
        _make_schema(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _create_private(path: Path) -> None:
    """For nobody else to read; SQLite gives its other files the same mode."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except OSError as error:
        message = f"unable to open: {error.strerror}"
        raise sqlite3.OperationalError(message) from error


def _make_schema(connection: sqlite3.Connection) -> None:
    if _version(connection) == _VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in _missing_statements(_version(connection)):
            connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # SQLite has done it already where the disk failed
            connection.execute("ROLLBACK")
        raise


def _missing_statements(version: int) -> Sequence[str]:
    if version not in {0, _VERSION}:
        message = f"is of version {version}, which this Sluice cannot read"
        raise sqlite3.DatabaseError(message)
    return _SCHEMA if version == 0 else ()


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
