"""The events database as a store that is compared: ranges by window functions, on SQLite and PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
from sqlalchemy import ColumnElement, Integer, Select, Table, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from collectors.errors import Halt, Retryable, Unprocessable
from collectors.services.reconcile.boots import NAMES
from collectors.services.reconcile.sequences import MAX_SEQUENCE
from collectors.services.reconcile.stores import Document, Part, Span
from collectors.sinks.database.causes import TableMissing, cause_of
from collectors.sinks.database.engines import open_engine
from collectors.sinks.settings import DatabaseSettings
from schemas.events import Kind
from sluice.clock import iso_micros
from sluice.eventlog.interface import Boot
from sluice.eventstore.database_errors import known_errors
from sluice.eventstore.tables import TABLES

ResultT = TypeVar("ResultT")

_STATEMENT_SECONDS = 300.0
_CONNECTIONS = 1
_IDS_AT_ONCE = 500
"""SQLite's older versions take 999 values in a statement."""
_SCHEMA = {**dict.fromkeys(NAMES, pl.String), "first": pl.Int64, "last": pl.Int64}


class RowStore:
    """A ``Store``. A database that nobody made yet, and a table that nobody wrote yet, hold nothing."""

    def __init__(self, settings: DatabaseSettings) -> None:
        patient = settings.model_copy(update={"timeout": max(settings.timeout, _STATEMENT_SECONDS)})
        self._engine: AsyncEngine = open_engine(patient, _CONNECTIONS)

    async def open(self, kind: Kind, *, refreshes: bool = True) -> None:
        """Rows are visible with their transaction."""

    async def count(self, kind: Kind, span: Span) -> int:
        """In the index of times."""
        table = TABLES[kind]
        statement = select(func.count()).select_from(table).where(_within(table, span))
        return int((await self._rows(statement) or [(0,)])[0][0])

    async def oldest(self, kind: Kind) -> int | None:
        """The first in the index of times."""
        found = await self._rows(select(func.min(TABLES[kind].c.occurred_at)))
        return found[0][0] if found else None

    async def part(self, kind: Kind, span: Span) -> Part:
        """A range for each run of numbers; the statements see one moment."""
        table = TABLES[kind]
        counted = select(func.count()).select_from(table).where(_within(table, span))

        async def ask(connection: AsyncConnection) -> Part:
            documents = int((await connection.execute(counted)).scalar_one())
            runs = (await connection.execute(_runs(table, span))).all()
            numbered = sum(int(run.documents) for run in runs)
            rows = [tuple(run)[:5] for run in runs]
            if numbered > sum(run.last - run.first + 1 for run in runs):
                rows += [
                    (*twice[:3], number, number)
                    for *twice, number, documents_of_it in (await connection.execute(_twice(table, span))).all()
                    for _ in range(documents_of_it - 1)
                ]
            return Part(pl.DataFrame(rows, schema=_SCHEMA, orient="row"), documents, documents - numbered)

        return await self._asked(ask, Part(pl.DataFrame(schema=_SCHEMA), 0, 0))

    async def present(self, kind: Kind, ids: Collection[str]) -> set[str]:
        """By the key."""
        table, wanted = TABLES[kind], list(ids)
        found: set[str] = set()
        for at in range(0, len(wanted), _IDS_AT_ONCE):
            some = wanted[at : at + _IDS_AT_ONCE]
            found |= {row[0] for row in await self._rows(select(table.c.event_id).where(table.c.event_id.in_(some)))}
        return found

    async def documents(
        self, kind: Kind, span: Span, boot: Boot, numbers: tuple[int, int], limit: int
    ) -> list[Document]:
        """Times as the events have them."""
        table = TABLES[kind]
        is_wanted = and_(
            _within(table, span),
            table.c.gateway_id == boot.gateway_id,
            table.c.worker == boot.worker,
            table.c.boot_id == boot.boot_id,
            table.c.sequence.between(*numbers),
        )
        columns = (table.c.event_id, table.c.sequence, table.c.outcome, table.c.occurred_at)
        statement = select(*columns).where(is_wanted).order_by(table.c.sequence, table.c.event_id).limit(limit)
        return [
            Document(event_id, sequence, outcome, iso_micros(at))
            for event_id, sequence, outcome, at in await self._rows(statement)
        ]

    async def _rows(self, statement: Select[Any]) -> Sequence[Any]:
        async def ask(connection: AsyncConnection) -> Sequence[Any]:
            rows: Sequence[Any] = (await connection.execute(statement)).all()
            return rows

        nothing: Sequence[Any] = []
        return await self._asked(ask, nothing)

    async def _asked(self, ask: Callable[[AsyncConnection], Awaitable[ResultT]], nothing: ResultT) -> ResultT:
        """What the database says; ``nothing`` where there is none of it yet."""
        if self._is_unmade():
            return nothing
        try:
            async with self._engine.connect() as connection:
                if self._engine.dialect.name == "sqlite":
                    await connection.exec_driver_sql("BEGIN")
                else:
                    await connection.execution_options(isolation_level="REPEATABLE READ")
                return await ask(connection)
        except known_errors() as error:
            cause = cause_of(error)
            if isinstance(cause, TableMissing):
                return nothing
            raise _known(cause) from error

    def _is_unmade(self) -> bool:
        """Whether it is a file that is not there: opening it would make it."""
        path = self._engine.url.database or ""
        return self._engine.dialect.name == "sqlite" and path not in {"", ":memory:"} and not Path(path).exists()

    async def close(self) -> None:
        """Close the connections."""
        await self._engine.dispose()


def _known(cause: Retryable | Halt | Unprocessable) -> Retryable | Halt:
    return Retryable(str(cause)) if isinstance(cause, Unprocessable) else cause


def _within(table: Table, span: Span) -> ColumnElement[bool]:
    return and_(table.c.occurred_at >= span.start, table.c.occurred_at < span.end)


def _is_numbered(table: Table, span: Span) -> ColumnElement[bool]:
    names = [table.c[name] != "" for name in NAMES]
    return and_(_within(table, span), table.c.sequence.between(1, MAX_SEQUENCE), *names)


def _runs(table: Table, span: Span) -> Select[Any]:
    """A row for each run of numbers without a gap: rising by one, a number and its rank keep their distance."""
    boot = [table.c[name] for name in NAMES]
    rank = func.dense_rank().over(partition_by=boot, order_by=table.c.sequence)
    numbered = (
        select(*boot, table.c.sequence, (table.c.sequence - rank).label("run"))
        .where(_is_numbered(table, span))
        .subquery()
    )
    names = [numbered.c[name] for name in NAMES]
    first, last = func.min(numbered.c.sequence).label("first"), func.max(numbered.c.sequence).label("last")
    return select(*names, first, last, func.count(type_=Integer).label("documents")).group_by(*names, numbered.c.run)


def _twice(table: Table, span: Span) -> Select[Any]:
    """Numbers that several rows have."""
    columns = [*(table.c[name] for name in NAMES), table.c.sequence]
    counted = func.count()
    return select(*columns, counted).where(_is_numbered(table, span)).group_by(*columns).having(counted > 1)
