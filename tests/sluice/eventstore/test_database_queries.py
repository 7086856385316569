"""The events database: documents as they were recorded, a time limit that holds, errors that say what to do."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import create_engine, func, insert, select, text

from schemas.events import KINDS, Kind
from sluice.eventstore import database_queries, queries
from sluice.eventstore.database_queries import DatabaseStore
from sluice.eventstore.queries import EventStoreError
from sluice.eventstore.tables import TABLES, create_tables
from tests.schemas.samples import analytics, budget, common, proxy_log

OWN = {"proxy_log": proxy_log, "analytics": analytics, "budget": budget}
CHARGE = {"scope": "app", "scope_id": "1", "period_id": "2026-11", "period_start": 1, "period_end": 2}
SECRET = "hunter2-swordfish"


def event(kind: Kind, exchange_id: str, **given: Any) -> dict[str, Any]:
    """An event as it was recorded."""
    shared = common(exchange_id=exchange_id)
    return {"event_id": f"{exchange_id}-{kind}", "sequence": 1, **shared, **OWN[kind](), **given}


def row(found: dict[str, Any]) -> dict[str, Any]:
    """As the sink writes it: lists are JSON text."""
    return {name: orjson.dumps(value).decode() if isinstance(value, list) else value for name, value in found.items()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database file that does not exist yet."""
    return tmp_path / "events.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[DatabaseStore]:
    """Over the same file."""
    made = DatabaseStore(f"sqlite:///{path}")
    yield made
    await made.close()


def write(path: Path, *events: tuple[Kind, dict[str, Any]]) -> None:
    """Tables, and these events in them."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        create_tables(connection)
        for kind, found in events:
            connection.execute(insert(TABLES[kind]), row(found))
    engine.dispose()


async def connection_threads_ended() -> None:
    """A connection that could not be opened ends its thread behind the caller's back; the loop must outlive it."""
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join, 10)


async def test_a_reader_makes_no_database(path: Path, store: DatabaseStore) -> None:
    """It belongs to who writes it, perhaps under another name: asking leaves no file, and then sees theirs."""
    assert [await store.count_events(kind) for kind in KINDS] == [0, 0, 0]
    assert await store.documents("budget", ["x"]) == []
    assert not path.exists()
    path.touch()
    assert await store.documents("budget", ["x"]) == []
    write(path, ("budget", event("budget", "x")))
    assert [await store.count_events(kind) for kind in KINDS] == [0, 0, 1]


async def test_a_database_that_was_replaced_is_the_one_that_is_read(path: Path, store: DatabaseStore) -> None:
    """No connection keeps a file that is gone."""
    write(path, ("budget", event("budget", "x-1")))
    assert await store.count_events("budget") == 1
    path.unlink()
    write(path, ("budget", event("budget", "x-1")), ("budget", event("budget", "x-2")))
    assert await store.count_events("budget") == 2


async def test_a_reader_cannot_write(path: Path, store: DatabaseStore) -> None:
    """Not even by a mistake of ours."""
    write(path)
    async with store._connect() as connection:
        with pytest.raises(Exception, match="readonly database"):
            await connection.exec_driver_sql("DELETE FROM analytics")


async def test_a_broken_database_is_an_error_and_not_an_empty_one(tmp_path: Path) -> None:
    """Only a missing table means 0: a count of a database that cannot be opened would say that all is lost."""
    store = DatabaseStore(f"sqlite:///{tmp_path / 'missing' / 'events.db'}")
    for asked in (store.count_events("budget"), store.documents("budget", ["x"]), store.costs(1, 0, 1_000)):
        with pytest.raises(EventStoreError, match=r"missing/events\.db.*unable to open.*check control\.events"):
            await asked
    await store.close()
    await connection_threads_ended()


async def test_a_file_of_something_else_is_an_error(path: Path, store: DatabaseStore) -> None:
    """It says so."""
    path.write_bytes(b"not a database " * 1_000)
    with pytest.raises(EventStoreError, match="not a database"):
        await store.summary(1, 0, 1_000)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_document_is_the_event(path: Path, store: DatabaseStore, kind: Kind) -> None:
    """Every field under its own name and of its own type: lists are lists again, bytes bytes, absent is None."""
    lists: dict[Kind, dict[str, Any]] = {
        "proxy_log": {"request_headers": ["a: b", "ü: 1"], "request_body": b"\xff\0", "plugins": []},
        "analytics": {"attempts": [{"llm_id": None, "status": 200}], "cost_nanos": 2**62},
        "budget": {"charges": [CHARGE], "cost_nanos": -5},
    }
    written = event(kind, "x-1", **lists[kind])
    write(path, (kind, written))
    assert await store.count_events(kind) == 1
    (found,) = await store.documents(kind, ["x-1"])
    assert dict(found) == written
    assert [await store.count_events(other) for other in KINDS if other != kind] == [0, 0]


async def test_only_the_exchanges_that_were_asked_for(path: Path, store: DatabaseStore) -> None:
    """Each once, however often it is named; all events of an exchange; unknown and malicious ids find nothing."""
    correction = {**event("budget", "x-1"), "event_id": "x-1-correction"}
    write(path, *[("budget", event("budget", f"x-{number}")) for number in range(4)], ("budget", correction))
    found = await store.documents("budget", iter(["x-1", "x-1", "x-3", "nobody", "' or 1=1 --", ""]))
    assert sorted(document["event_id"] for document in found) == ["x-1-budget", "x-1-correction", "x-3-budget"]
    assert await store.documents("budget", []) == []


async def test_an_answer_is_bounded(path: Path, store: DatabaseStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Elasticsearch bounds it."""
    monkeypatch.setattr(queries, "MAX_DOCUMENTS", 2)
    names = [f"x-{number}" for number in range(4)]
    write(path, *[("analytics", event("analytics", name)) for name in names])
    assert len(await store.documents("analytics", names)) == 2
    assert await store.count_events("analytics") == 4


async def test_a_slow_answer_is_given_up_and_its_thread_is_free_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite itself stops working at the limit: nobody waits for a thread that goes on."""
    write(path, *[("analytics", event("analytics", f"x-{number}", app_id=1)) for number in range(200)])
    monkeypatch.setattr(database_queries, "_STEPS_BETWEEN_LOOKS", 100)
    store = DatabaseStore(f"sqlite:///{path}", time_limit_seconds=60)
    monkeypatch.setattr(store, "_time_limit", 0.2)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    monkeypatch.setattr(database_queries, "count_statement", lambda _: text(endless))
    started = time.monotonic()
    with pytest.raises(EventStoreError, match=r"within 0\.2 s"):
        await store.analytics_events(1, 1, 10)
    assert time.monotonic() - started < 30
    await connection_threads_ended()
    monkeypatch.setattr(store, "_time_limit", 60)
    assert await store.count_events("analytics") == 200
    await store.close()


async def test_a_writer_does_not_keep_readers_waiting(path: Path, store: DatabaseStore) -> None:
    """With the sink's write-ahead log a reader sees what was there before."""
    write(path, ("budget", event("budget", "x-1")))
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM budget_usage")
    assert await store.count_events("budget") == 1
    writer.execute("COMMIT")
    writer.close()
    assert await store.count_events("budget") == 0


async def test_one_answer_is_of_one_moment(path: Path, store: DatabaseStore) -> None:
    """What is written between two of its statements is in neither."""
    write(path, ("budget", event("budget", "x-1")))
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA journal_mode=WAL")
    count = select(func.count()).select_from(TABLES["budget"])
    async with store._connect() as connection:
        assert await connection.scalar(count) == 1
        writer.execute("DELETE FROM budget_usage")
        assert await connection.scalar(count) == 1
    writer.close()
    assert await store.count_events("budget") == 0


async def test_a_server_that_is_away_is_an_error_without_its_password() -> None:
    """Refused at once or silent for ever: the limit holds, and the message has the place and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        store = DatabaseStore(f"postgresql://me:{SECRET}@127.0.0.1:{port}/events", time_limit_seconds=0.3)
        started = time.monotonic()
        with pytest.raises(EventStoreError, match=r"within 0\.3 s"):
            await store.count_events("budget")
        assert time.monotonic() - started < 30
    with pytest.raises(EventStoreError, match=rf"127\.0\.0\.1:{port}/events.*check control\.events") as error:
        await store.costs(1, 0, 1_000)
    assert SECRET not in str(error.value)
    await store.close()


async def test_a_slow_postgres_is_given_up_and_answers_the_next_question(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server stops too; the connection is good again. It is only read."""
    store = DatabaseStore(postgres_url, time_limit_seconds=30)
    assert await store.count_events("analytics") == 0
    monkeypatch.setattr(store, "_time_limit", 1)
    monkeypatch.setattr(database_queries, "count_statement", lambda _: text("SELECT pg_sleep(60)"))
    started = time.monotonic()
    with pytest.raises(EventStoreError, match="within 1 s"):
        await store.analytics_events(1, 1, 10)
    assert time.monotonic() - started < 25
    monkeypatch.setattr(store, "_time_limit", 30)
    monkeypatch.setattr(database_queries, "count_statement", lambda _: text("CREATE TABLE analytics (a int)"))
    with pytest.raises(EventStoreError, match="read-only"):
        await store.analytics_events(1, 1, 10)
    assert await store.count_events("analytics") == 0
    await store.close()


@pytest.mark.parametrize("url", ["", "x", f"mysql://me:{SECRET}@host/x", f"sqlite+pysqlite:///{SECRET}", "://", "[::1"])
def test_a_url_of_another_database_is_refused_by_the_name_of_its_setting(url: str) -> None:
    """Without repeating it: it may hold a password."""
    with pytest.raises(EventStoreError, match=r"control\.events\.database_url: must be sqlite") as error:
        DatabaseStore(url)
    assert SECRET not in str(error.value)
    assert error.value.__cause__ is None


@pytest.mark.parametrize(
    ("given", "driver"),
    [
        ("sqlite:///a.db", "sqlite+aiosqlite"),
        ("sqlite+aiosqlite:///a.db", "sqlite+aiosqlite"),
        ("postgres://h/d", "postgresql+asyncpg"),
        ("postgresql://h/d", "postgresql+asyncpg"),
        ("postgresql+asyncpg://h/d", "postgresql+asyncpg"),
    ],
)
def test_the_driver_is_ours_to_know(given: str, driver: str) -> None:
    """People write the database's name."""
    assert DatabaseStore(given)._url.drivername == driver
