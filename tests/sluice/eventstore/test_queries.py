"""Reading documents back: the same answers from a database and from Elasticsearch."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

from schemas.events import KINDS, Kind
from sluice.eventstore import queries
from sluice.eventstore.elasticsearch_http import Answer, ElasticsearchHttp
from sluice.eventstore.names import daily_index
from sluice.eventstore.queries import DatabaseStore, ElasticsearchStore, EventStoreError
from sluice.eventstore.tables import METADATA, TABLES
from tests.schemas.samples import analytics, budget, common, proxy_log
from tests.servers import Elasticsearch

OWN = {"proxy_log": proxy_log, "analytics": analytics, "budget": budget}
CHARGE = {"scope": "app", "scope_id": "1", "period_id": "2026-11", "period_start": 1, "period_end": 2}


def event(kind: Kind, exchange_id: str, **given: Any) -> dict[str, Any]:
    """An event as it was recorded."""
    shared = common(exchange_id=exchange_id)
    return {"event_id": f"{exchange_id}-{kind}", "sequence": 1, **shared, **OWN[kind](), **given}


def row(kind: Kind, found: dict[str, Any]) -> dict[str, Any]:
    """As the sink writes it: lists are JSON text."""
    return {name: orjson.dumps(value).decode() if isinstance(value, list) else value for name, value in found.items()}


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database file that does not exist yet."""
    return f"sqlite+aiosqlite:///{tmp_path / 'events.db'}"


@pytest.fixture
async def store(url: str) -> AsyncIterator[DatabaseStore]:
    """Over the same file."""
    made = DatabaseStore(url)
    yield made
    await made.close()


async def write(url: str, *events: tuple[Kind, dict[str, Any]]) -> None:
    """Tables, and these events in them."""
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(METADATA.create_all)
        for kind, found in events:
            await connection.execute(insert(TABLES[kind]), row(kind, found))
    await engine.dispose()


async def test_where_nothing_was_written_there_is_nothing(url: str, store: DatabaseStore) -> None:
    """Before the sink made its tables, and after."""
    assert [await store.count_events(kind) for kind in KINDS] == [0, 0, 0]
    await write(url)
    assert [await store.count_events(kind) for kind in KINDS] == [0, 0, 0]
    assert await store.documents("budget", ["x"]) == []


async def test_documents_of_a_database_without_tables(store: DatabaseStore) -> None:
    """Nothing was ever written, so nothing is found, as in Elasticsearch."""
    assert await store.documents("budget", ["x"]) == []


async def connection_threads_ended() -> None:
    """A connection that could not be opened ends its thread behind the caller's back; the loop must outlive it."""
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join, 10)


async def test_a_broken_database_is_an_error_and_not_an_empty_one(tmp_path: Path) -> None:
    """Only a missing table means 0: a count of a database that cannot be opened would say that all is lost."""
    store = DatabaseStore(f"sqlite+aiosqlite:///{tmp_path / 'missing' / 'events.db'}")
    with pytest.raises(OperationalError, match="unable to open"):
        await store.count_events("budget")
    with pytest.raises(OperationalError, match="unable to open"):
        await store.documents("budget", ["x"])
    await store.close()
    await connection_threads_ended()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_document_is_the_event(url: str, store: DatabaseStore, kind: Kind) -> None:
    """Every field under its own name and of its own type: lists are lists again, bytes bytes, absent is None."""
    lists: dict[Kind, dict[str, Any]] = {
        "proxy_log": {"request_headers": ["a: b", "ü: 1"], "request_body": b"\xff\0", "plugins": []},
        "analytics": {"attempts": [{"llm_id": None, "status": 200}], "cost_nanos": 2**62},
        "budget": {"charges": [CHARGE], "cost_nanos": -5},
    }
    written = event(kind, "x-1", **lists[kind])
    await write(url, (kind, written))
    assert await store.count_events(kind) == 1
    (found,) = await store.documents(kind, ["x-1"])
    assert dict(found) == written
    assert [await store.count_events(other) for other in KINDS if other != kind] == [0, 0]


async def test_only_the_exchanges_that_were_asked_for(url: str, store: DatabaseStore) -> None:
    """Each once, however often it is named; all events of an exchange; unknown and malicious ids find nothing."""
    correction = {**event("budget", "x-1"), "event_id": "x-1-correction"}
    await write(url, *[("budget", event("budget", f"x-{number}")) for number in range(4)], ("budget", correction))
    found = await store.documents("budget", iter(["x-1", "x-1", "x-3", "nobody", "' or 1=1 --", ""]))
    assert sorted(document["event_id"] for document in found) == ["x-1-budget", "x-1-correction", "x-3-budget"]
    assert await store.documents("budget", []) == []


async def test_an_answer_is_bounded(url: str, store: DatabaseStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Elasticsearch bounds it; the bound is what its servers have by default."""
    assert queries.MAX_DOCUMENTS == 10_000
    monkeypatch.setattr(queries, "MAX_DOCUMENTS", 2)
    names = [f"x-{number}" for number in range(4)]
    await write(url, *[("analytics", event("analytics", name)) for name in names])
    assert len(await store.documents("analytics", names)) == 2
    assert await store.count_events("analytics") == 4


class Scripted(ElasticsearchHttp):
    """Gives these answers, in order; the last one again and again."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.paths: list[str] = []

    async def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        self.paths.append(path)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def close(self) -> None:
        """Nothing is open."""


GOOD = Answer(200, b'{"count":7,"hits":{"hits":[{"_source":{"exchange_id":"x"}}]}}')


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 502, 503, 504])
async def test_an_elasticsearch_that_refuses_is_an_error_that_says_so(status: int) -> None:
    """Status and reason, of whichever request it was; never a number, and never 0."""
    bad = Answer(status, b'{"error":"because"}' + b"x" * 10_000)
    said = f"answered {status} to (POST|GET) .*because"
    for answers in ([bad], [GOOD, bad]):
        with pytest.raises(EventStoreError, match=said) as error:
            await ElasticsearchStore(Scripted(*answers)).count_events("budget")
        assert len(str(error.value)) < 1000
    with pytest.raises(EventStoreError, match=said):
        await ElasticsearchStore(Scripted(bad)).documents("budget", ["x"])


async def test_a_good_answer_is_read_behind_a_refresh() -> None:
    """What was written just now is counted."""
    http = Scripted(GOOD)
    store = ElasticsearchStore(http)
    assert await store.count_events("budget") == 7
    assert [path.partition("?")[0].partition("/")[2] for path in http.paths] == ["_refresh", "_count"]
    assert await store.documents("budget", ["x"]) == [{"exchange_id": "x"}]
    await store.close()


async def test_a_real_elasticsearch_answers_the_same(elasticsearch_server: Elasticsearch, unique_name: str) -> None:
    """Nothing under a name that was never written; then the sources, over all days, fresh at each count."""
    http = ElasticsearchHttp(elasticsearch_server.url, timeout_seconds=30)
    store = ElasticsearchStore(http, dict.fromkeys(KINDS, unique_name))
    assert await store.count_events("budget") == 0
    assert await store.documents("budget", ["x-0"]) == []
    mapping = {"mappings": {"properties": {"exchange_id": {"type": "keyword"}}}, "aliases": {unique_name: {}}}
    documents = [{"exchange_id": f"x-{number}", "cost_nanos": 2**53 + number} for number in range(3)]
    indices = [daily_index(unique_name, number * 86_400_000_000) for number in range(3)]
    for number, index in enumerate(indices):
        put = await http.request("PUT", index, orjson.dumps(mapping))
        assert put.status == 200, put.body
        await http.request("PUT", f"{index}/_doc/{number}", orjson.dumps(documents[number]))
    assert await store.count_events("budget") == 3
    found = await store.documents("budget", iter(["x-0", "x-2", "x-2", "nobody"]))
    assert sorted(found, key=lambda document: str(document["exchange_id"])) == [documents[0], documents[2]]
    for index in indices:
        await http.request("DELETE", index)
    await store.close()
