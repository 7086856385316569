"""Everything the sinks and the topics hold, read without the code that wrote it where that can be."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.codec import SchemaBook
from schemas.events import KINDS, Kind
from schemas.topics import Topics
from tests.integration.accounts import Documents

TABLES: dict[Kind, str] = {"proxy_log": "proxy_logs", "analytics": "analytics", "budget": "budget_usage"}
_SHARD_SECONDS = 20.0
_PAGE = 5_000
_JSON_COLUMNS = ("labels", "plugins", "attempts", "charges", "request_headers", "response_headers")


def read_database(path: Path) -> Documents:
    """Every row of the events database; nothing where there is none yet."""
    if not path.exists():
        return {kind: [] for kind in KINDS}
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return {kind: list(_rows(connection, TABLES[kind])) for kind in KINDS}


def _rows(connection: sqlite3.Connection, table: str) -> Iterator[dict[str, Any]]:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
        return
    for row in connection.execute(f"SELECT * FROM {table}"):  # noqa: S608 (one of three names of ours)
        document = dict(row)
        for name in _JSON_COLUMNS:
            if document.get(name) is not None:
                document[name] = json.loads(document[name])
        yield document


async def read_elasticsearch(url: str, stems: Mapping[Kind, str]) -> Documents:
    """Every document of the daily indices, a document for each time it is there."""
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        return {kind: await _hits(client, f"{stem}-*") for kind, stem in stems.items()}


async def _hits(client: httpx.AsyncClient, indices: str) -> list[dict[str, Any]]:
    (await client.post(f"/{indices}/_refresh")).raise_for_status()
    found: list[dict[str, Any]] = []
    query: dict[str, Any] = {"size": _PAGE, "sort": ["event_id", "_index"], "query": {"match_all": {}}}
    while True:
        answer = await searched(client, f"/{indices}/_search", query)
        hits = answer.json()["hits"]["hits"]
        for hit in hits:
            assert hit["_id"] == hit["_source"]["event_id"], f"{hit['_id']} holds {hit['_source']['event_id']}"
            found.append(hit["_source"])
        if len(hits) < _PAGE:
            return found
        query["search_after"] = hits[-1]["sort"]


async def searched(client: httpx.AsyncClient, path: str, query: dict[str, Any]) -> httpx.Response:
    """The answer, once the shards of an index that was only just made have started: until then it is 503."""
    async with asyncio.timeout(_SHARD_SECONDS):
        while True:
            answer = await client.post(path, json=query)
            if answer.status_code != 503:
                return answer.raise_for_status()
            await asyncio.sleep(0.1)


async def read_kafka(bootstrap: str, topics: Topics) -> Documents:
    """Every event on the topics, repeated where it lies there twice."""
    book = SchemaBook()
    found: Documents = {}
    for kind in KINDS:
        values = await read_topic(bootstrap, topics.event(kind).name)
        found = {**found, kind: [book.decode(value)[1] for value in values]}
    return found


async def count_dead_letters(bootstrap: str, topics: Topics) -> int:
    """How many records lie on the dead-letter topics."""
    names = [topics.event(kind).dead_letters().name for kind in KINDS]
    return sum([len(await read_topic(bootstrap, name)) for name in names])


async def read_topic(bootstrap: str, topic: str) -> list[bytes]:
    """The values on a topic, from its beginning to its present end; none where there is no such topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        numbers = (await consumer._client.fetch_all_metadata()).partitions_for_topic(topic) or set()
        partitions = [TopicPartition(topic, number) for number in numbers]
        if not partitions:
            return []
        ends = await consumer.end_offsets(partitions)
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        values: list[bytes] = []
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            polled = await consumer.getmany(timeout_ms=500)
            values += [record.value for records in polled.values() for record in records]
        return values
    finally:
        await consumer.stop()
