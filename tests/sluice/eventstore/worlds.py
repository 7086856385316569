"""The stores that the contract of ``EventStore`` is held to, each with a way to fill it as the collectors do."""

from __future__ import annotations

import asyncio
import secrets
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import insert, make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from collectors.documents import table_rows
from collectors.sinks.database.sink import DatabaseSink
from collectors.sinks.elasticsearch.settings import ElasticsearchSettings
from collectors.sinks.elasticsearch.sink import ElasticsearchSink
from collectors.sinks.interface import Verdict
from collectors.sinks.settings import DatabaseSettings
from schemas.codec import EncodedEvent, SchemaBook
from schemas.events import KINDS, Kind
from sluice.eventstore.elasticsearch_http import ElasticsearchHttp
from sluice.eventstore.panels.database import DatabasePanels
from sluice.eventstore.panels.elasticsearch import ElasticsearchPanels
from sluice.eventstore.panels.interface import Panels
from sluice.eventstore.tables import TABLES, create_tables
from tests.collectors.events import NOW_MICROS, numbered, record_of
from tests.collectors.frames import frame_of_records

BOOK = SchemaBook()
PATIENCE_SECONDS = 60.0
"""The machine of a test may be busy; the real limit has tests of its own."""


def rows_of(events: list[EncodedEvent]) -> list[tuple[Kind, Any]]:
    """A frame for each kind of event, decoded as the collectors do."""
    found = []
    for kind in KINDS:
        records = [record_of(event.value(1), event.event_id, kind) for event in events if event.kind == kind]
        if records:
            found.append((kind, frame_of_records(BOOK, numbered(records))))
    return found


class World(ABC):
    """A store, and how events get into it."""

    store: Panels
    knows_micros = True
    """Whether events of one millisecond come in order of their microseconds."""
    keeps_bytes = True
    keeps_nul = True

    @abstractmethod
    async def write(self, events: list[EncodedEvent]) -> None:
        """Write them, and return when they can be read."""

    async def close(self) -> None:
        await self.store.close()


class SqliteWorld(World):
    """The events database as its sink writes it."""

    def __init__(self, folder: Path) -> None:
        url = f"sqlite:///{folder / 'a b#c%20d.db'}"
        self._sink = DatabaseSink(DatabaseSettings(url=url))
        self.store = DatabasePanels(url, PATIENCE_SECONDS)

    async def write(self, events: list[EncodedEvent]) -> None:
        await self._sink.start()
        for _, frame in rows_of(events):
            assert await self._sink.write(self._sink.prepare(frame).documents) == Verdict()

    async def close(self) -> None:
        await self._sink.close()
        await super().close()


class PostgresWorld(World):
    """The same tables and rows in PostgreSQL, in a database of this test's own."""

    keeps_nul = False

    def __init__(self, server_url: str) -> None:
        self._server_url = server_url
        self._name = f"t{secrets.token_hex(5)}"
        self._engine: AsyncEngine | None = None

    async def open(self) -> None:
        await self._administer(f'CREATE DATABASE "{self._name}"')
        url = make_url(self._server_url).set(database=self._name)
        self._engine = create_async_engine(url)
        self.store = DatabasePanels(url.render_as_string(hide_password=False), PATIENCE_SECONDS)

    async def write(self, events: list[EncodedEvent]) -> None:
        assert self._engine is not None
        async with self._engine.begin() as connection:
            await connection.run_sync(create_tables)
            for kind, frame in rows_of(events):
                await connection.execute(insert(TABLES[kind]), table_rows(kind, frame.rows))

    async def _administer(self, statement: str) -> None:
        engine = create_async_engine(self._server_url, isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            await connection.execute(text(statement))
        await engine.dispose()

    async def close(self) -> None:
        assert self._engine is not None
        await self._engine.dispose()
        await super().close()
        await self._administer(f'DROP DATABASE "{self._name}" WITH (FORCE)')


@dataclass
class SharedIndices:
    """The daily indices of all tests of a file, which tell their events apart by app: making them takes a second."""

    name: str
    url: str = ""
    """Of the server they are on, once something was written."""

    async def remove(self) -> None:
        """Leave nothing behind."""
        if not self.url:
            return
        http = ElasticsearchHttp(self.url, timeout_seconds=PATIENCE_SECONDS)
        days = orjson.loads((await http.request("GET", f"{self.name}-*/_alias")).body)
        await http.request("DELETE", ",".join(days))  # a pattern would be refused
        await http.request("DELETE", f"_index_template/{self.name}-*")
        await http.close()


class ElasticsearchWorld(World):
    """Daily indices as the sink writes them."""

    knows_micros = False
    keeps_bytes = False

    def __init__(self, url: str, indices: SharedIndices) -> None:
        name, self._shared = indices.name, indices
        names: dict[Kind, str] = {kind: f"{name}-{kind.replace('_', '-')}" for kind in KINDS}
        keys = {"proxy_log": "proxy_logs", "analytics": "analytics", "budget": "budget"}
        stems = {keys[kind]: stem for kind, stem in names.items()}
        config = {"elasticsearch_url": url, "timeout": "60s", "indices": stems}
        settings = ElasticsearchSettings.model_validate(config)
        self._url = url
        self._sink = ElasticsearchSink(settings, KINDS, clock=lambda: NOW_MICROS)
        self.http = ElasticsearchHttp(url, timeout_seconds=PATIENCE_SECONDS)
        self.store = ElasticsearchPanels(self.http, names, PATIENCE_SECONDS)

    async def write(self, events: list[EncodedEvent]) -> None:
        if not self._shared.url:
            await self._sink.start()
            self._shared.url = self._url
        async with asyncio.TaskGroup() as writes:
            for _, frame in rows_of(events):
                writes.create_task(self._write(frame))
        for kind in KINDS:
            await self.store.count_events(kind)  # it refreshes

    async def _write(self, frame: Any) -> None:
        assert await self._sink.write(self._sink.prepare(frame).documents) == Verdict()

    async def close(self) -> None:
        await self._sink.close()
        await super().close()


WORLDS = [
    "sqlite",
    pytest.param("postgres", marks=pytest.mark.postgres),
    pytest.param("elasticsearch", marks=pytest.mark.elasticsearch),
]


async def open_world(name: str, request: pytest.FixtureRequest, folder: Path, indices: SharedIndices) -> World:
    """One of ``WORLDS``; a database is empty, indices may hold events of other apps."""
    if name == "sqlite":
        return SqliteWorld(folder)
    if name == "elasticsearch":
        return ElasticsearchWorld(request.getfixturevalue("elasticsearch_server").url, indices)
    world = PostgresWorld(request.getfixturevalue("postgres_server").url)
    await world.open()
    return world
