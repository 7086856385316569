"""Engines of both databases: how they are connected to, what lies in JSON columns, which errors are whose fault."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    DisconnectionError,
    IntegrityError,
    InterfaceError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from gateway.control.errors import ControlDatabaseError

if TYPE_CHECKING:
    from sqlalchemy.pool import ConnectionPoolEntry, PoolResetState

_READ_BUSY_SECONDS = 5
"""How long a statement waits where another process recovers SQLite's log; a write waits by itself."""
_CONNECT_SECONDS = 5
_COMMAND_SECONDS = 60
"""The longest statement of ours is loading everything."""
_UNAVAILABLE_CLASSES = frozenset(("08", "53", "55", "57", "58"))
"""Of SQLSTATE: connection, resources, a lock not had in time, an operator's doing, the system."""
_UNAVAILABLE_STATES = frozenset(("25006", "42501"))
"""A server that only reads (a standby), a user who may not."""
_SQLITE_BUSY = 5
_MAX_SHARED_BYTES = 256


def open_engines(url: URL) -> tuple[AsyncEngine, AsyncEngine]:
    """The engine that reads and the one that writes; on PostgreSQL they are one."""
    if url.get_backend_name() == "sqlite":
        reader = _sqlite_engine(url, "BEGIN", _READ_BUSY_SECONDS, "PRAGMA query_only=ON")
        return reader, _sqlite_engine(url, "BEGIN IMMEDIATE", 0)
    engine = _postgres_engine(url)
    return engine, engine


def checked_url(url: str) -> URL:
    """The URL of one of the two databases. Raises ControlDatabaseError, without the URL."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the latter for a port
        parsed = URL.create("none")
    is_file = parsed.database and not parsed.database.startswith((":memory:", "file:"))
    if parsed.drivername != "postgresql+asyncpg" and not (parsed.drivername == "sqlite+aiosqlite" and is_file):
        message = (
            "control.database_url: must begin with postgresql+asyncpg://, or with sqlite+aiosqlite:/// and the path of "
            "a file, or be empty for control.db in data_dir"
        )
        raise ControlDatabaseError(message)
    return parsed


def is_busy(error: Exception) -> bool:
    """Whether it is only that another process writes to SQLite's file now."""
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", 0)
    return code & 0xFF == _SQLITE_BUSY  # above are the kinds of being busy


def is_unavailable(error: Exception) -> bool:
    """Whether the database is at fault, not the statement."""
    if isinstance(error, IntegrityError):
        return False
    if isinstance(error, OperationalError | InterfaceError | PoolTimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None) or ""
    return error.connection_invalidated or state in _UNAVAILABLE_STATES or state[:2] in _UNAVAILABLE_CLASSES


def _postgres_engine(url: URL) -> AsyncEngine:
    return create_async_engine(
        url,
        pool_pre_ping=True,  # a server that was restarted is found out before a change is tried
        connect_args={"timeout": _CONNECT_SECONDS, "command_timeout": _COMMAND_SECONDS},
        json_serializer=to_json,
        json_deserializer=from_json,
        hide_parameters=True,
    )


def _sqlite_engine(url: URL, begin: str, busy_seconds: float, *pragmas: str) -> AsyncEngine:
    engine = create_async_engine(
        url,
        connect_args={"timeout": busy_seconds},
        json_serializer=to_json,
        json_deserializer=from_json,
        hide_parameters=True,
        pool_reset_on_return=None,  # but by ``_roll_back``
    )
    file = _SqliteFile(Path(url.database or ""))
    event.listen(engine.sync_engine, "do_connect", file.make)
    event.listen(engine.sync_engine, "connect", file.remember)
    event.listen(engine.sync_engine, "checkout", file.check)
    event.listen(engine.sync_engine, "connect", lambda connection, _record: _prepare_sqlite(connection, pragmas))
    event.listen(engine.sync_engine, "reset", _roll_back)
    event.listen(engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


class _SqliteFile:
    """The file of an engine. One that is deleted or replaced under us is not written to: whoever is told that a change
    is kept would find it gone at the next start. What is there instead is connected to; nothing is made in its place.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._was_there = False

    def make(self, *_: Any) -> None:
        """Readable by its owner alone: it holds hashes of tokens. SQLite's side files are made like it."""
        if self._was_there:
            if not self._path.exists():
                message = "its file is gone; put it back, or start again with a new one"
                raise sqlite3.OperationalError(message)
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.touch(mode=0o600)
        self._was_there = True

    def remember(self, _connection: Any, record: ConnectionPoolEntry) -> None:
        """Which file a connection is to."""
        record.info["file"] = self._identity()

    def check(self, _connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
        """Before each use: two microseconds."""
        if record.info["file"] != self._identity():
            raise DisconnectionError

    def _identity(self) -> tuple[int, int]:
        try:
            found = self._path.stat()
        except OSError:
            return 0, 0
        return found.st_dev, found.st_ino


def _roll_back(connection: Any, _record: ConnectionPoolEntry, state: PoolResetState) -> None:
    """Behind each use, as the pool would; but not where there is nothing, for that is a call in SQLite's thread too."""
    if state.asyncio_safe and connection.driver_connection.in_transaction:
        connection.rollback()


def _prepare_sqlite(connection: Any, pragmas: Sequence[str]) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: the engine does
    cursor = connection.cursor()
    for pragma in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", "PRAGMA foreign_keys=ON", *pragmas):
        cursor.execute(pragma)
    cursor.close()


def to_json(value: Any) -> str:
    """JSON as it is stored. Raises ValueError for what JSON has not: NaN, infinities."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def from_json(value: str | bytes) -> Any:
    """The value of stored JSON, numbers of any size exactly; a list becomes a tuple."""
    if value in {"{}", b"{}"}:  # most objects are
        return {}
    if value[:1] in {"[", b"["} and len(value) <= _MAX_SHARED_BYTES:
        return _short_list(value)
    found = json.loads(value)
    return tuple(found) if isinstance(found, list) else found


@lru_cache(maxsize=1024)
def _short_list(value: str | bytes) -> tuple[Any, ...]:
    """Lists of ids, scopes, labels: there are few different ones, and a hundred thousand rows."""
    return tuple(json.loads(value))
