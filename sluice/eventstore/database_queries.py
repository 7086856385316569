"""The events database behind the query interface: SQLite, or PostgreSQL.

A question is answered from one moment of the database, over connections that end themselves: a page never hangs.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
from sqlalchemy import Select, event, func, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from schemas.events import Kind
from sluice.eventstore import queries
from sluice.eventstore.database_errors import known_errors
from sluice.eventstore.figures import Group, Grouping
from sluice.eventstore.queries import TIME_LIMIT_SECONDS, Document, EventPage, EventStoreError
from sluice.eventstore.reading import ReadingStore
from sluice.eventstore.scope import Scope
from sluice.eventstore.statements import count_statement, group_of, group_statement, page_statement
from sluice.eventstore.tables import TABLES, list_fields

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
_DRIVERS |= {driver: driver for driver in _DRIVERS.values()}
_UNDEFINED_TABLE = "42P01"  # PostgreSQL's SQLSTATE
_STEPS_BETWEEN_LOOKS = 10_000
"""Steps of SQLite's machine between two looks at the clock: well below a millisecond."""


class DatabaseStore(ReadingStore):
    """The events database; it is only read, and never made."""

    def __init__(self, url: str, time_limit_seconds: float = TIME_LIMIT_SECONDS) -> None:
        super().__init__(time_limit_seconds)
        self._url = _async_url(url)
        self._engine = _engine(self._url, time_limit_seconds)

    async def count_events(self, kind: Kind) -> int:
        """How many rows the event's table has."""
        async with self._limited():
            counted = await self._read(select(func.count()).select_from(TABLES[kind]))
        return int(counted[0][0][0]) if counted else 0

    async def _find(self, kind: Kind, exchange_ids: list[str]) -> list[Document]:
        table = TABLES[kind]
        statement = select(table).where(table.c.exchange_id.in_(exchange_ids)).limit(queries.MAX_DOCUMENTS)
        found = await self._read(statement)
        return [_document(kind, row) for row in found[0]] if found else []

    async def _page(self, scope: Scope, offset: int, limit: int) -> EventPage:
        found = await self._read(count_statement(scope), page_statement(scope, offset, limit))
        if not found:
            return EventPage([], 0)
        return EventPage([_document("analytics", row) for row in found[1]], found[0][0][0])

    async def _groups(self, scope: Scope, groupings: Sequence[Grouping]) -> list[list[Group]]:
        found = await self._read(*(group_statement(scope, grouping) for grouping in groupings))
        if not found:
            return [[] for _ in groupings]
        return [[group_of(row, grouping) for row in rows] for rows, grouping in zip(found, groupings, strict=True)]

    async def _read(self, *statements: Select[Any]) -> list[Sequence[Any]]:
        """The rows of each statement, all of one moment; nothing where the tables were never made."""
        if _is_missing(self._url):
            return []
        try:
            async with self._connect() as connection:
                return [(await connection.execute(statement)).all() for statement in statements]
        except known_errors() as error:
            if _is_unwritten(error):
                return []
            raise self._error(error) from error

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[AsyncConnection]:
        async with self._engine.connect() as connection:
            if self._url.get_backend_name() == "sqlite":
                info = (await connection.get_raw_connection()).info
                info["until"] = time.monotonic() + self._time_limit
                await connection.exec_driver_sql("BEGIN")
            else:
                info = {}
                await connection.execution_options(isolation_level="REPEATABLE READ")
            try:
                yield connection
            except asyncio.CancelledError:
                info["until"] = -math.inf  # nobody waits for SQLite's thread any more: it ends at its next look
                raise

    def _error(self, error: Exception) -> EventStoreError:
        reason = _reason(error)
        if isinstance(error, TimeoutError) or "interrupted" in reason:
            return self._late()
        url = self._url
        place = URL.create(url.get_backend_name(), host=url.host, port=url.port, database=url.database)
        return EventStoreError(
            f"the events database {place} cannot be read: {reason}; check control.events.database_url, "
            "that the database is up, and the rights of this process"
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._engine.dispose()


def _async_url(url: str) -> URL:
    try:
        parsed = make_url(url)
        return parsed.set(drivername=_DRIVERS[parsed.drivername])
    except (ArgumentError, KeyError):
        message = "control.events.database_url: must be sqlite:///<path> or postgresql://<user>@<host>/<database>"
        raise EventStoreError(message) from None  # the other says the URL


def _engine(url: URL, time_limit_seconds: float) -> AsyncEngine:
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url, time_limit_seconds)
    arguments = {
        "timeout": time_limit_seconds,
        "command_timeout": time_limit_seconds,
        "server_settings": {"default_transaction_read_only": "on"},
    }
    try:
        return create_async_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=arguments)
    except ImportError:
        message = "PostgreSQL needs its driver: pip install 'sluice-gateway[postgres]'"
        raise EventStoreError(message) from None


def _sqlite_engine(url: URL, time_limit_seconds: float) -> AsyncEngine:
    """Opens the file anew each time, so that one that was replaced is seen, and never makes it."""
    if _is_file(url):
        location = f"file:{quote(url.database or '')}"
        url = url.set(database=location, query={**url.query, "mode": "rw", "uri": "true"})
    limits = {"timeout": time_limit_seconds}
    engine = create_async_engine(url, hide_parameters=True, poolclass=NullPool, connect_args=limits)
    event.listen(engine.sync_engine, "connect", _configure)
    return engine


def _configure(connection: Any, record: Any) -> None:
    """Only read; and since SQLite works in a thread that nobody can cancel, it looks at the clock itself."""

    def is_late() -> bool:
        return bool(time.monotonic() > record.info.get("until", math.inf))

    connection.run_async(lambda driver: driver.set_progress_handler(is_late, _STEPS_BETWEEN_LOOKS))
    cursor = connection.cursor()
    cursor.execute("PRAGMA query_only=ON")
    cursor.close()


def _is_file(url: URL) -> bool:
    return url.database not in {None, "", ":memory:"} and "uri" not in url.query


def _is_missing(url: URL) -> bool:
    """A file that nobody made yet, in a folder that is there."""
    if url.get_backend_name() != "sqlite" or not _is_file(url):
        return False
    path = Path(url.database or "")
    return path.parent.is_dir() and not path.exists()


def _document(kind: Kind, row: Any) -> Document:
    document: dict[str, Any] = row._asdict()
    for name in list_fields(kind):
        document[name] = orjson.loads(document[name])
    return document


def _is_unwritten(error: Exception) -> bool:
    """A missing table means that nothing was ever written; anything else is an error."""
    said = error.orig if isinstance(error, DBAPIError) else error
    return "no such table" in str(said) or getattr(said, "sqlstate", "") == _UNDEFINED_TABLE


def _reason(error: Exception) -> str:
    """What the driver said: without the statement, its values and the URL."""
    said = error.orig if isinstance(error, DBAPIError) else error
    return f"{type(said).__name__}: {said}"
