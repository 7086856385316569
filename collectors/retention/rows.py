"""The events database: rows by the time of their exchange, some hundreds a transaction, so that no writer waits long.

Works on SQLite and PostgreSQL. SQLite keeps the space and writes new rows into it.
"""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import LargeBinary, Table, cast, delete, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.types import Text

from collectors.errors import Halt, Retryable, without_values
from collectors.retention.settings import Limit
from collectors.retention.stores import Due, Found, Progress
from collectors.sinks.database.engines import open_engine
from collectors.sinks.settings import DatabaseSettings
from schemas.events import Kind
from sluice.eventstore.tables import TABLES

BATCH_ROWS = 500
_PAUSE_SECONDS = 0.01
"""Between two transactions: whoever waits for the lock gets it."""
_STATEMENT_SECONDS = 300.0
"""PostgreSQL's for one statement: a large table is counted, or read through."""
_CONNECTIONS = 1
_NO_RIGHT = "42501"  # SQLSTATE
_NUMBER_BYTES = 8


class RowStore:
    """A ``Store``. A row has the bytes of its texts and blobs (of PostgreSQL's as it compressed them), and eight for
    each number."""

    def __init__(self, settings: DatabaseSettings) -> None:
        patient = settings.model_copy(update={"timeout": max(settings.timeout, _STATEMENT_SECONDS)})
        self._engine: AsyncEngine = open_engine(patient, _CONNECTIONS)
        self._is_sqlite = self._engine.dialect.name == "sqlite"

    async def find(self, kind: Kind, limit: Limit, floor_micros: int, now: int) -> Found:
        """One cutoff, and how many rows are before it."""
        table, newest = TABLES[kind], now - floor_micros
        try:
            async with self._engine.connect() as connection:
                if not await self._exists(connection, table):
                    return Found()
                before = 0 if limit.max_age is None else now - int(limit.max_age * 1_000_000)
                wanted = await self._before_by_bytes(connection, table, limit.max_bytes)
                cutoff = min(newest, max(before, wanted))
                kept = 0 if limit.max_bytes is None else await self._bytes_from(connection, table, cutoff)
                events = await self._count(connection, table, cutoff)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise _cause(error) from error
        excess = max(0, kept - (limit.max_bytes or 0)) if wanted > newest else 0
        return Found((Due(table.name, events, None, cutoff),) if events else (), excess)

    async def oldest(self, kind: Kind) -> int | None:
        """When its oldest event occurred; ``None`` where there is none."""
        table = TABLES[kind]
        try:
            async with self._engine.connect() as connection:
                if not await self._exists(connection, table):
                    return None
                found = (await connection.execute(select(func.min(table.c.occurred_at)))).scalar_one_or_none()
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise _cause(error) from error
        return None if found is None else int(found)

    async def _exists(self, connection: AsyncConnection, table: Table) -> bool:
        return bool(await connection.run_sync(lambda sync: self._engine.dialect.has_table(sync, table.name)))

    async def _count(self, connection: AsyncConnection, table: Table, before: int) -> int:
        statement = select(func.count()).select_from(table).where(table.c.occurred_at < before)
        return int((await connection.execute(statement)).scalar_one())

    async def _before_by_bytes(self, connection: AsyncConnection, table: Table, max_bytes: int | None) -> int:
        """Rows before this are those beyond the newest ``max_bytes``; 0 where there are none.

        Only where all of the table, with its indexes, is larger is it read through.
        """
        if max_bytes is None or await self._space(connection, table) <= max_bytes:
            return 0
        newest_first = (table.c.occurred_at.desc(), table.c.event_id.desc())
        running = select(
            table.c.occurred_at, func.sum(self._row_bytes(table)).over(order_by=newest_first).label("total")
        ).subquery()
        found = await connection.execute(select(func.max(running.c.occurred_at)).where(running.c.total > max_bytes))
        last = found.scalar_one_or_none()
        return 0 if last is None else int(last) + 1

    async def _bytes_from(self, connection: AsyncConnection, table: Table, since: int) -> int:
        statement = select(func.sum(self._row_bytes(table))).where(table.c.occurred_at >= since)
        return int((await connection.execute(statement)).scalar_one() or 0)

    async def _space(self, connection: AsyncConnection, table: Table) -> int:
        """An upper bound of what the rows have: for SQLite the whole file."""
        if not self._is_sqlite:
            return int((await connection.execute(select(func.pg_total_relation_size(table.name)))).scalar_one())
        pages = (await connection.exec_driver_sql("PRAGMA page_count")).scalar_one()
        return int(pages) * int((await connection.exec_driver_sql("PRAGMA page_size")).scalar_one())

    def _row_bytes(self, table: Table) -> Any:
        total: Any = 0
        for column in table.columns:
            if isinstance(column.type, Text | LargeBinary):
                size = func.length(cast(column, LargeBinary)) if self._is_sqlite else func.pg_column_size(column)
                total = total + func.coalesce(size, 0)
            else:
                total = total + _NUMBER_BYTES
        return total

    async def delete(self, kind: Kind, due: Due, progress: Progress) -> int:
        """The oldest first, a transaction for each ``BATCH_ROWS``."""
        table, deleted = TABLES[kind], 0
        oldest = (
            select(table.c.event_id)
            .where(table.c.occurred_at < due.before_micros)
            .order_by(table.c.occurred_at)
            .limit(BATCH_ROWS)
        )
        statement = delete(table).where(table.c.event_id.in_(oldest))
        while True:
            try:
                async with self._engine.begin() as connection:
                    count = (await connection.execute(statement)).rowcount
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                raise _cause(error) from error
            deleted += count
            progress(count)
            if count < BATCH_ROWS:
                return deleted
            await asyncio.sleep(_PAUSE_SECONDS)

    async def close(self) -> None:
        """Close the connections."""
        await self._engine.dispose()


def _cause(error: Exception) -> Retryable | Halt:
    text = str(getattr(error, "orig", None) or error) or type(error).__name__
    message = f"events database: {without_values(text)}"
    if getattr(getattr(error, "orig", None), "sqlstate", None) == _NO_RIGHT:
        return Halt(message, "grant the collector's user SELECT and DELETE on the tables")
    return Retryable(message)
