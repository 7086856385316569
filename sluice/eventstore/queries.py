"""Reading documents back, from the events database or from Elasticsearch, through one interface."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Protocol

import orjson
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

from schemas.events import Kind
from sluice.eventstore.elasticsearch_http import ElasticsearchHttp
from sluice.eventstore.names import INDEX_NAMES
from sluice.eventstore.tables import TABLES, list_fields

Document = Mapping[str, Any]
MAX_DOCUMENTS = 10_000  # Elasticsearch's default max_result_window
_ERROR_BYTES = 500
"""So much of an error is shown: its type and reason stand at the beginning."""


class EventStoreError(Exception):
    """The store answered with an error; the message has its status and what it said."""


class EventStore(Protocol):
    """Where documents are read."""

    async def count_events(self, kind: Kind) -> int:
        """How many documents of a kind are there; 0 where nothing was ever written."""
        ...

    async def documents(self, kind: Kind, exchange_ids: Iterable[str]) -> list[Document]:
        """The documents of these exchanges, under the events' own field names; at most ``MAX_DOCUMENTS``."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class DatabaseStore:
    """The events database."""

    def __init__(self, url: str) -> None:
        self._engine = create_async_engine(url)

    async def count_events(self, kind: Kind) -> int:
        """How many rows the event's table has."""
        try:
            async with self._engine.connect() as connection:
                count = await connection.scalar(select(func.count()).select_from(TABLES[kind]))
        except OperationalError as error:
            _raise_unless_unwritten(error)
            return 0
        return count or 0

    async def documents(self, kind: Kind, exchange_ids: Iterable[str]) -> list[Document]:
        """The rows, lists made lists again."""
        table = TABLES[kind]
        statement = select(table).where(table.c.exchange_id.in_(list(exchange_ids))).limit(MAX_DOCUMENTS)
        try:
            async with self._engine.connect() as connection:
                rows = (await connection.execute(statement)).mappings().all()
        except OperationalError as error:
            _raise_unless_unwritten(error)
            return []
        return [_with_lists(kind, dict(row)) for row in rows]

    async def close(self) -> None:
        """Close the connections."""
        await self._engine.dispose()


def _raise_unless_unwritten(error: OperationalError) -> None:
    """A missing table means that nothing was ever written; anything else is an error."""
    if "no such table" not in str(error):
        raise error


def _with_lists(kind: Kind, row: dict[str, Any]) -> dict[str, Any]:
    for name in list_fields(kind):
        row[name] = orjson.loads(row[name])
    return row


class ElasticsearchStore:
    """The daily indices behind their read aliases."""

    def __init__(self, http: ElasticsearchHttp, names: Mapping[Kind, str] = INDEX_NAMES) -> None:
        self._http = http
        self._names = names

    async def count_events(self, kind: Kind) -> int:
        """How many documents the alias shows, after a refresh."""
        name = self._names[kind]
        await self._ask("POST", f"{name}/_refresh?ignore_unavailable=true")
        answer = await self._ask("GET", f"{name}/_count?ignore_unavailable=true")
        return int(answer["count"])

    async def documents(self, kind: Kind, exchange_ids: Iterable[str]) -> list[Document]:
        """The sources of the hits."""
        query = {"size": MAX_DOCUMENTS, "query": {"terms": {"exchange_id": list(exchange_ids)}}}
        path = f"{self._names[kind]}/_search?ignore_unavailable=true"
        answer = await self._ask("POST", path, orjson.dumps(query))
        return [hit["_source"] for hit in answer["hits"]["hits"]]

    async def _ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        """The JSON of a good answer; raises EventStoreError where it is another one."""
        answer = await self._http.request(method, path, body)
        if answer.status != HTTPStatus.OK:
            text = answer.body[:_ERROR_BYTES].decode(errors="replace")
            raise EventStoreError(f"Elasticsearch answered {answer.status} to {method} {path}: {text}")
        return orjson.loads(answer.body)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()
