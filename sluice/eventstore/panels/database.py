"""Panels over the events database: SQLite, or PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from schemas.events import Kind
from sluice.clock import now_micros
from sluice.eventstore.database_queries import DatabaseStore
from sluice.eventstore.panels.cells import Cell, Pass
from sluice.eventstore.panels.places import Place
from sluice.eventstore.panels.query import Filter
from sluice.eventstore.panels.reading import PanelReading
from sluice.eventstore.panels.sql import POSTGRESQL, SQLITE, cell_of, search_statement, statement_of
from sluice.eventstore.queries import TIME_LIMIT_SECONDS, Document
from sluice.eventstore.tables import list_fields


class DatabasePanels(PanelReading, DatabaseStore):
    """The events database; all passes of one round are of one moment."""

    gives_numbers = True

    def __init__(
        self, url: str, time_limit_seconds: float = TIME_LIMIT_SECONDS, clock: Callable[[], int] = now_micros
    ) -> None:
        super().__init__(url, time_limit_seconds)
        self._prepare(clock)
        self._dialect = SQLITE if self._url.get_backend_name() == "sqlite" else POSTGRESQL

    async def _cells(self, passes: Sequence[Pass]) -> list[list[Cell]]:
        found = await self._read(*(statement_of(asked, self._dialect) for asked in passes))
        if not found:
            return [[] for _ in passes]
        return await asyncio.to_thread(_cells_of, found, passes)  # a million numbers to read hold no exchange up

    async def _search_events(
        self,
        kind: Kind,
        filters: Sequence[Filter],
        bounds: tuple[int, int],
        behind: Place | None,
        limit: int,
        only: Sequence[str] = (),
    ) -> list[tuple[Place, Document]]:
        statement = search_statement(kind, filters, bounds, behind, limit, self._dialect, only)
        found = await self._read(statement)
        return [_placed(row._asdict(), list_fields(kind)) for row in (found[0] if found else ())]


def _cells_of(found: Sequence[Sequence[Any]], passes: Sequence[Pass]) -> list[list[Cell]]:
    return [[cell_of(row, asked) for row in rows] for rows, asked in zip(found, passes, strict=True)]


def _placed(row: dict[str, Any], lists: Sequence[str]) -> tuple[Place, Document]:
    for name in lists:
        if name in row:
            row[name] = orjson.loads(row[name])
    return (row["occurred_at"], row["event_id"]), row
