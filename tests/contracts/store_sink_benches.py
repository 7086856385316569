"""The benches of sinks on real stores: PostgreSQL, Elasticsearch, OpenSearch, each behind a port that can close."""

from __future__ import annotations

import secrets
from collections import Counter
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


async def administer(url: str, *statements: str) -> list[Any]:
    """What the last of them returns, asked by whoever may do everything."""
    engine = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    rows: list[Any] = []
    async with engine.connect() as connection:
        for statement in statements:
            result = await connection.execute(text(statement))
            rows = list(result.all()) if result.returns_rows else []
    return rows


class PostgresBench(SinkBench):
    """A database without tables; away while its port is closed."""

    fixture: ClassVar[str] = "postgres_home"

    async def open(self) -> None:
        others = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await administer(self.server, others, f"DROP TABLE IF EXISTS {', '.join(TABLE_NAMES.values())}")
        url = make_url(self.server)
        self._gate = Forwarder(url.host or "", url.port or 5432)
        await self._gate.open()
        self._url = url.set(host="127.0.0.1", port=self._gate.port).render_as_string(hide_password=False)

    async def close(self) -> None:
        await self._gate.close()

    def make(self) -> Sink[Any]:
        return DatabaseSink(DatabaseSettings(url=self._url))

    async def ids(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for table in TABLE_NAMES.values():
            rows = await administer(self.server, f"SELECT event_id FROM {table}")  # noqa: S608 - our own names
            found.update(row[0] for row in rows)
        return found

    async def go_away(self) -> None:
        await self._gate.close()

    async def come_back(self) -> None:
        await self._gate.open()

    async def refuse(self, frame: Frame, position: int) -> set[int]:
        event_id, table = frame.rows["event_id"][position], TABLE_NAMES[frame.kind]
        statement = f"ALTER TABLE {table} ADD CONSTRAINT refusing CHECK (event_id <> '{event_id}') NOT VALID"
        await administer(self.server, statement)
        return {position}


class ElasticsearchBench(SinkBench):
    """Indices that stay for all tests here, as to make one takes longer than most of them: what lay in them before is
    not counted. Away while the port is closed."""

    fixture: ClassVar[str] = "elasticsearch_home"
    refuses_single_ones: ClassVar[bool] = False  # it has no processor that could; its mapping does in its own tests
    flavour: ClassVar[str] = "elasticsearch8"
    token: ClassVar[str] = f"c{secrets.token_hex(4)}"

    async def open(self) -> None:
        parts = urlsplit(self.server.url)
        self._gate = Forwarder(parts.hostname or "", parts.port or 9200)
        await self._gate.open()
        self.client = httpx.AsyncClient(base_url=self.server.url, timeout=30, verify=False)  # noqa: S501 - it is http
        self._before: Counter[str] = Counter()
        self._before = await self.ids()

    async def close(self) -> None:
        await self._gate.close()
        await self.client.aclose()

    @classmethod
    def clean(cls, url: str) -> None:
        """Remove the indices."""
        with httpx.Client(base_url=url, timeout=30) as client:
            listed = client.get(f"/_cat/indices/{cls.token}-*", params={"h": "index"})
            if names := ",".join(listed.text.split()):
                client.delete(f"/{names}")

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
        answer = await self.client.post(
            f"/{self.token}-*/_search?filter_path=hits.total,hits.hits._id",
            json={"size": 10_000, "_source": False, "track_total_hits": True},
        )
        hits = answer.json()["hits"]
        found = hits.get("hits", ())
        assert hits["total"] == {"value": len(found), "relation": "eq"}
        return Counter(hit["_id"] for hit in found) - self._before

    async def go_away(self) -> None:
        await self._gate.close()

    async def come_back(self) -> None:
        await self._gate.open()


class OpenSearchBench(ElasticsearchBench):
    """The same on OpenSearch; an ingest pipeline of the index refuses a document."""

    fixture: ClassVar[str] = "opensearch_home"
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
