"""The database sink: each event once, exactly as recorded; locks and full disks are waited for."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from structlog.testing import capture_logs

from collectors.deliveries import Frame
from collectors.errors import Halt, Retryable
from collectors.sinks.database import engines
from collectors.sinks.database.sink import DatabaseSink
from collectors.sinks.interface import Verdict
from collectors.sinks.settings import DatabaseSettings
from schemas.codec import SchemaBook
from schemas.events import KINDS, Kind
from sluice.eventstore.database_queries import DatabaseStore
from sluice.eventstore.tables import TABLE_NAMES, create_tables
from tests.collectors.events import make_record, numbered
from tests.collectors.frames import frame_of_records

BOOK = SchemaBook()


def open_sink(path: Path) -> DatabaseSink:
    """A sink on a file."""
    return DatabaseSink(DatabaseSettings(url=f"sqlite:///{path}"))


@pytest.fixture
async def sink(tmp_path: Path) -> AsyncIterator[DatabaseSink]:
    """A sink that has started."""
    made = open_sink(tmp_path / "deep" / "events.db")
    await made.start()
    yield made
    await made.close()


def frame(kind: Kind = "analytics", count: int = 3, **changes: Any) -> Frame:
    """Good events."""
    return frame_of_records(BOOK, numbered(make_record(kind, **changes) for _ in range(count)))


async def write(sink: DatabaseSink, frame_: Frame) -> Verdict:
    """What becomes of a frame."""
    return await sink.write(sink.prepare(frame_).documents)


@pytest.mark.parametrize("kind", KINDS)
async def test_each_event_once(sink: DatabaseSink, tmp_path: Path, kind: Kind) -> None:
    """A second write of the same events, alone or among new ones, changes nothing and counts its duplicates."""
    first, more = frame(kind), frame(kind, 2)
    assert await write(sink, first) == Verdict()
    assert await write(sink, first) == Verdict(duplicates=3)
    both = frame_of_records(BOOK, [*first.delivery.records, *more.delivery.records])
    assert await write(sink, both) == Verdict(duplicates=3)
    with sqlite3.connect(tmp_path / "deep" / "events.db") as connection:
        assert connection.execute(f"SELECT count(*) FROM {TABLE_NAMES[kind]}").fetchone() == (5,)  # noqa: S608
    connection.close()


async def test_a_start_brings_an_older_database_its_indexes(sink: DatabaseSink, tmp_path: Path) -> None:
    """Queries of a new version are fast over the events of an old one, and those stay."""
    await write(sink, frame())
    with sqlite3.connect(tmp_path / "deep" / "events.db") as connection:
        connection.execute("DROP INDEX ix_analytics_app_id")
    connection.close()
    newer = open_sink(tmp_path / "deep" / "events.db")
    await newer.start()
    with sqlite3.connect(tmp_path / "deep" / "events.db") as connection:
        found = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'ix_analytics_app_id'").fetchone()
        assert found == (1,)
        assert connection.execute("SELECT count(*) FROM analytics").fetchone() == (3,)
    connection.close()
    await newer.close()


async def test_an_index_in_the_making_is_announced_and_given_up(sink: DatabaseSink, tmp_path: Path) -> None:
    """Of a large database it takes minutes: the log says so, and whoever ends the process waits for none of it. What
    was made so far stays; the next start goes on."""
    await sink.start()
    path = tmp_path / "deep" / "events.db"
    with sqlite3.connect(path) as connection:
        connection.execute("DROP INDEX ix_analytics_figures")
        names = [name for _, name, *_ in connection.execute("PRAGMA table_info(analytics)")]
        values = ", ".join("'e' || i" if name == "event_id" else "i" for name in names)
        count = "WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < 100000)"
        connection.execute(f"INSERT INTO analytics {count} SELECT {values} FROM g")  # noqa: S608 - names of ours
    connection.close()
    started = asyncio.Event()

    def made(connection: Connection) -> None:
        started.set()
        create_tables(connection)

    with pytest.MonkeyPatch.context() as patched, capture_logs() as logs:
        patched.setattr(engines, "create_tables", made)
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(sink.start())
            await started.wait()
            task.cancel()
    assert [each["indexes"] for each in logs] == [["ix_analytics_figures"]]
    assert not has_figures(path)
    await sink.start()
    assert has_figures(path)


def has_figures(path: Path) -> bool:
    """Whether the index that was taken away is there again."""
    with sqlite3.connect(path) as connection:
        found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'ix_analytics_figures'").fetchone()
    connection.close()
    return found is not None


async def test_what_was_recorded_is_what_is_stored(sink: DatabaseSink, tmp_path: Path) -> None:
    """Nanos beyond what a float holds, bytes that are no text, and lists come back as they were."""
    nanos = 2**53 + 1
    await write(sink, frame("budget", 1, cost_nanos=nanos))
    bodies = frame("proxy_log", 1, request_body=b"\xff\x00", response_body=None, labels=["a:ü"])
    await write(sink, bodies)
    store = DatabaseStore(f"sqlite+aiosqlite:///{tmp_path}/deep/events.db")
    rows = await store.documents("proxy_log", bodies.rows["exchange_id"].to_list())
    assert (rows[0]["request_body"], rows[0]["response_body"], rows[0]["labels"]) == (b"\xff\x00", None, ["a:ü"])
    assert rows[0]["plugins"] == [{"plugin": "p", "hook": "pre_auth", "micros": 3, "decision": "allow"}]
    assert await store.count_events("budget") == 1
    await store.close()
    with sqlite3.connect(tmp_path / "deep" / "events.db") as connection:
        assert connection.execute("SELECT cost_nanos FROM budget_usage").fetchone() == (nanos,)
    connection.close()


async def test_locked_file_is_waited_for(sink: DatabaseSink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody else holds the file, writes are retried; then they go through."""
    monkeypatch.setattr(engines, "BUSY_SECONDS", 0.1)
    impatient = open_sink(tmp_path / "deep" / "events.db")
    blocker = sqlite3.connect(tmp_path / "deep" / "events.db", isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    documents = frame()
    verdict = await write(impatient, documents)
    assert verdict.retry == [0, 1, 2]
    assert isinstance(verdict.cause, Retryable)
    blocker.execute("COMMIT")
    blocker.close()
    assert await write(impatient, documents) == Verdict()
    await impatient.close()


async def test_file_that_is_no_database_halts(tmp_path: Path) -> None:
    """A file of something else is not ours to overwrite."""
    path = tmp_path / "events.db"
    path.write_text("not a database " * 100)
    sink = open_sink(path)
    with pytest.raises(Halt, match="check the path"):
        await sink.start()
    await sink.close()


async def connection_threads_ended() -> None:
    """A connection that could not be opened ends its thread behind the caller's back; the loop must outlive it."""
    async with asyncio.timeout(60):
        while any("_connection_worker_thread" in thread.name for thread in threading.enumerate()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_path_that_cannot_be_made_halts_or_waits(tmp_path: Path) -> None:
    """A folder where a file stands cannot be made; the error says where."""
    (tmp_path / "file").write_text("")
    sink = open_sink(tmp_path / "file" / "events.db")
    with pytest.raises((Halt, Retryable), match="events database"):
        await sink.start()
    with pytest.raises(Halt, match="check the path"):
        await sink.check()
    await sink.close()
    await connection_threads_ended()


async def test_full_disk_is_waited_for(sink: DatabaseSink, tmp_path: Path) -> None:
    """``database or disk is full`` loses nothing: the batch is retried whole and nothing of it is half there."""
    path = tmp_path / "deep" / "events.db"
    limited = open_sink(path)
    large = frame("proxy_log", 20, request_body=b"x" * 60_000)

    def cap(raw: sqlite3.Connection, _record: object) -> None:
        raw.execute("PRAGMA max_page_count = 40").close()

    from sqlalchemy import event  # noqa: PLC0415 - only here

    event.listen(limited._engine.sync_engine, "connect", cap)
    verdict = await write(limited, large)
    assert verdict.retry == list(range(20))
    assert isinstance(verdict.cause, Retryable)
    event.remove(limited._engine.sync_engine, "connect", cap)
    await limited._engine.dispose()
    assert await write(limited, large) == Verdict()
    await limited.close()


async def test_row_at_fault_is_poison_alone(sink: DatabaseSink) -> None:
    """Where one row violates the table, the others are stored and only that one is poison."""
    documents = list(sink.prepare(frame(count=4)).documents)
    documents[2] = documents[2]._replace(values={**documents[2].values, "gateway_id": None})
    verdict = await sink.write(documents)
    assert list(verdict.poison) == [2]
    assert verdict.poison[2].reason == "row_refused"
    assert (await sink.write(documents)).duplicates == 3


async def test_a_file_that_is_taken_away_loses_nothing(sink: DatabaseSink, tmp_path: Path) -> None:
    """Removed, or replaced by a copy, while it is open: SQLite goes on in a file that has no name, so such a write is
    not acknowledged, the file is made or opened anew, and the next write is where everybody looks."""
    folder = tmp_path / "deep"
    await write(sink, frame())
    for path in folder.iterdir():
        path.unlink()
    lost = frame()
    verdict = await write(sink, lost)
    assert sorted(verdict.retry) == [0, 1, 2]
    assert isinstance(verdict.cause, Retryable)
    async with asyncio.timeout(60):
        while (await write(sink, lost)).retry:
            pass
    copy = tmp_path / "copy.db"
    with sqlite3.connect(folder / "events.db") as source, sqlite3.connect(copy) as target:
        source.backup(target)
    source.close()
    target.close()
    copy.replace(folder / "events.db")
    with pytest.raises(Retryable, match="removed or replaced"):
        await sink.check()
    await sink.check()
    await write(sink, frame(count=2))
    with sqlite3.connect(folder / "events.db") as connection:
        assert connection.execute("SELECT count(*) FROM analytics").fetchone() == (5,)
    connection.close()


async def test_what_is_acknowledged_is_on_the_disk(sink: DatabaseSink) -> None:
    """Offsets move on with an acknowledgement, so a commit waits for the disk: a power cut takes none of it."""
    await sink.check()
    async with sink._begin() as connection:
        found = [
            (await connection.execute(text(f"PRAGMA {name}"))).scalar() for name in ("journal_mode", "synchronous")
        ]
    assert found == ["wal", 2]
