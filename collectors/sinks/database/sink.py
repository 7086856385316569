"""Rows by the thousand, a transaction for each batch; an event is a row once, by its id."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from collectors.deliveries import Frame
from collectors.documents import table_rows, without_nul
from collectors.errors import Halt, Retryable, Unprocessable
from collectors.sinks.database.causes import TableMissing, cause_of
from collectors.sinks.database.engines import insert_rows, lost_file, open_engine, prepare
from collectors.sinks.halving import write_in_halves
from collectors.sinks.interface import Prepared, Verdict
from collectors.sinks.settings import DatabaseSettings
from schemas.events import KINDS, Kind
from sluice.eventstore.database_errors import known_errors

if TYPE_CHECKING:
    from collectors.entries import DatabaseEntry
    from collectors.sinks.registry import SinkOpening


_CLOSE_SECONDS = 2.0
"""How long a close waits for what is under way: a connection that is in use cannot be closed."""


class Row(NamedTuple):
    """One row and the table it goes to."""

    kind: Kind
    values: dict[str, Any]


class DatabaseSink:
    """Rows in SQLite or PostgreSQL."""

    def __init__(self, settings: DatabaseSettings, *, connections: int = 10) -> None:
        self._engine = open_engine(settings, connections)
        self._is_sqlite = self._engine.dialect.name == "sqlite"
        self._errors = known_errors()
        self._remade = False
        self._under_way: set[asyncio.Task[Any]] = set()
        self._is_closed = False

    async def start(self) -> None:
        """Make the tables, and SQLite's file."""
        try:
            await prepare(self._engine)
        except self._errors as error:
            raise _of_the_place(cause_of(error)) from error

    async def check(self) -> None:
        """Open it; in PostgreSQL also see whether rows could be inserted."""
        try:
            async with self._begin() as connection:
                if self._is_sqlite:
                    await connection.execute(text("SELECT 1"))
                for kind in () if self._is_sqlite else KINDS:
                    await insert_rows(connection, kind, ())
        except self._errors as error:
            raise _of_the_place(cause_of(error)) from error

    def prepare(self, frame: Frame) -> Prepared[Row]:
        """A row for every event."""
        rows = frame.rows if self._is_sqlite else without_nul(frame.rows)
        return Prepared([Row(frame.kind, values) for values in table_rows(frame.kind, rows)])

    async def write(self, documents: Sequence[Row]) -> Verdict:
        """All in one transaction; where a row is at fault, in halves until it is alone."""
        return await write_in_halves(documents, self._insert_whole)

    async def _insert_whole(self, documents: Sequence[Row]) -> Verdict | Unprocessable:
        """Cancelled in the middle of a statement a driver leaves its transaction open, and the next write waits for
        that: so a transaction goes on to its end, and only we do not wait for it any more."""
        return await asyncio.shield(self._insert(documents))

    async def _insert(self, documents: Sequence[Row]) -> Verdict | Unprocessable:
        verdict = Verdict()
        try:
            async with self._begin() as connection:
                rows = [document.values for document in documents]
                verdict.duplicates = await insert_rows(connection, documents[0].kind, rows)
            self._remade = False
        except self._errors as error:
            cause = cause_of(error)
            if isinstance(cause, TableMissing):
                cause = await self._make_again(cause)
            if isinstance(cause, Unprocessable):
                return cause
            return _postponed(len(documents), cause)
        return verdict

    @asynccontextmanager
    async def _begin(self) -> AsyncIterator[AsyncConnection]:
        if self._is_closed:
            raise ConnectionError("the sink is closed")
        task = asyncio.current_task()
        kept = {task} if task is not None else set()
        self._under_way |= kept  # the loop itself would not keep one that nobody waits for
        lost = ""
        try:
            async with self._engine.begin() as connection:
                yield connection
                lost = lost_file(connection)
        finally:
            self._under_way -= kept
        if lost:  # the next connection opens, or makes, what has the name now
            await self._engine.dispose()
            raise ConnectionError(f"{lost} was removed or replaced while it was open")

    async def _make_again(self, missing: TableMissing) -> Retryable | Halt:
        """Tables that somebody dropped are made once; one that is missing still is a halt."""
        if self._remade:
            return missing
        self._remade = True
        try:
            await self.start()
        except (Retryable, Halt) as cause:
            return cause
        return Retryable(missing.reason)

    async def close(self) -> None:
        """Close the connections, for good; what is under way has a moment to end."""
        self._is_closed = True
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_CLOSE_SECONDS)
        await self._engine.dispose()


def _postponed(count: int, cause: Retryable | Halt) -> Verdict:
    verdict = Verdict()
    verdict.postpone(range(count), cause)
    return verdict


def _of_the_place(cause: Retryable | Halt | Unprocessable) -> Retryable | Halt:
    """No row is at fault where none was sent."""
    return Halt(str(cause), "check the database and its url") if isinstance(cause, Unprocessable) else cause


def open_sink(entry: DatabaseEntry, _: SinkOpening) -> DatabaseSink:
    """The sink of an entry; a connection for each write, one for checks, one in reserve."""
    return DatabaseSink(entry.config, connections=entry.flow.max_writes + 2)
