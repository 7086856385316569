"""The benches of sinks on real stores: PostgreSQL, Elasticsearch, OpenSearch, each behind a port that can close."""

from __future__ import annotations

import secrets
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import httpx
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from collectors.deliveries import Frame
from collectors.sinks.database.sink import DatabaseSink
from collectors.sinks.elasticsearch.settings import ElasticsearchSettings
from collectors.sinks.elasticsearch.sink import ElasticsearchSink
from collectors.sinks.interface import Sink
from collectors.sinks.settings import DatabaseSettings
from schemas.events import KINDS
from sluice.eventstore.names import daily_index
from sluice.eventstore.tables import TABLE_NAMES
from tests.collectors.events import NOW_MICROS
from tests.contracts.forwarder import Forwarder
from tests.contracts.sink_laws import SinkBench


class PostgresBench(SinkBench):
    """A database of its own; away while its port is closed."""

    fixture: ClassVar[str] = "postgres_server"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._name = f"t{secrets.token_hex(5)}"

    async def open(self) -> None:
        await self._run(self.server.url, f"CREATE DATABASE {self._name}")
        url = make_url(self.server.database_url(self._name))
        self._gate = Forwarder(url.host or "", url.port or 5432)
        await self._gate.open()
        self._url = url.set(host="127.0.0.1", port=self._gate.port).render_as_string(hide_password=False)

    async def close(self) -> None:
        await self._gate.close()
        await self._run(self.server.url, f"DROP DATABASE {self._name} WITH (FORCE)")

    def make(self) -> Sink[Any]:
        return DatabaseSink(DatabaseSettings(url=self._url))

    async def ids(self) -> Counter[str]:
        queries = [f"SELECT event_id FROM {table}" for table in TABLE_NAMES.values()]  # noqa: S608 - our own names
        found: Counter[str] = Counter()
        for query in queries:
            found.update(row[0] for row in await self._run(self.server.database_url(self._name), query))
        return found

    async def go_away(self) -> None:
        await self._gate.close()

    async def come_back(self) -> None:
        await self._gate.open()

    async def refuse(self, frame: Frame, position: int) -> set[int]:
        event_id, table = frame.rows["event_id"][position], TABLE_NAMES[frame.kind]
        statement = f"ALTER TABLE {table} ADD CONSTRAINT refusing CHECK (event_id <> '{event_id}') NOT VALID"
        await self._run(self.server.database_url(self._name), statement)
        return {position}

    async def _run(self, url: str, statement: str) -> list[Any]:
        engine = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            result = await connection.execute(text(statement))
            return list(result.all()) if result.returns_rows else []


class ElasticsearchBench(SinkBench):
    """Indices of the test, made from templates that stay for the whole run; away while the port is closed."""

    fixture: ClassVar[str] = "elasticsearch_server"
    refuses_single_ones: ClassVar[bool] = False  # it has no processor that could; its mapping does in its own tests
    flavour: ClassVar[str] = "elasticsearch8"
    token: ClassVar[str] = f"c{secrets.token_hex(4)}"

    async def open(self) -> None:
        parts = urlsplit(self.server.url)
        self._gate = Forwarder(parts.hostname or "", parts.port or 9200)
        await self._gate.open()
        self.client = httpx.AsyncClient(base_url=self.server.url, timeout=30)

    async def close(self) -> None:
        await self._gate.close()
        listed = await self.client.get(f"/_cat/indices/{self.token}-*", params={"h": "index"})
        if names := ",".join(listed.text.split()):
            await self.client.delete(f"/{names}")
        await self.client.aclose()

    def stem(self, kind: str) -> str:
        return f"{self.token}-{kind.replace('_', '-')}"

    def make(self) -> Sink[Any]:
        settings = {
            "elasticsearch_url": f"http://127.0.0.1:{self._gate.port}",
            "flavour": self.flavour,
            "indices": {key: self.stem(key) for key in ("proxy_logs", "analytics", "budget")},
            "oldest_days": 3650,
        }
        return ElasticsearchSink(ElasticsearchSettings.model_validate(settings), KINDS, clock=lambda: NOW_MICROS)

    async def ids(self) -> Counter[str]:
        await self.client.post(f"/{self.token}-*/_refresh")
        answer = await self.client.post(f"/{self.token}-*/_search", json={"size": 10_000, "_source": False})
        return Counter(hit["_id"] for hit in answer.json()["hits"]["hits"])

    async def go_away(self) -> None:
        await self._gate.close()

    async def come_back(self) -> None:
        await self._gate.open()


class OpenSearchBench(ElasticsearchBench):
    """The same on OpenSearch; an ingest pipeline of the index refuses a document."""

    fixture: ClassVar[str] = "opensearch_server"
    refuses_single_ones: ClassVar[bool] = True
    flavour: ClassVar[str] = "opensearch"

    async def refuse(self, frame: Frame, position: int) -> set[int]:
        condition = f"ctx.event_id == '{frame.rows['event_id'][position]}'"
        pipeline = {"processors": [{"fail": {"if": condition, "message": "refused"}}]}
        await self.client.put(f"/_ingest/pipeline/{self.token}", json=pipeline)
        index = daily_index(self.stem(frame.kind), NOW_MICROS)
        answer = await self.client.put(f"/{index}/_settings", json={"index.default_pipeline": self.token})
        assert answer.is_success, answer.text
        return {position}
