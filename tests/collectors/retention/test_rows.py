"""Rows of the events database, on SQLite and on a real PostgreSQL: exactly those that are due, and writers go on."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, insert, select
from sqlalchemy.ext.asyncio import create_async_engine

from collectors.documents import table_rows
from collectors.errors import Halt, Retryable
from collectors.retention.rows import BATCH_ROWS, RowStore
from collectors.retention.settings import Limit
from collectors.sinks.settings import DatabaseSettings
from schemas.events import Kind
from sluice.eventstore.tables import TABLES, create_tables
from tests.collectors.retention.stored import DAY_MICROS, NOW, frame_of, micros

AGE = Limit(max_age=30 * 86_400.0)


class Bench:
    """A database with its tables."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = create_async_engine(url)
        self.store = RowStore(DatabaseSettings(url=url))

    async def write(self, kind: Kind, *days_ago: float, **changes: Any) -> None:
        rows = table_rows(kind, frame_of(kind, *days_ago, **changes).rows)
        async with self.engine.begin() as connection:
            await connection.run_sync(create_tables)
            await connection.execute(insert(TABLES[kind]), rows)

    async def count(self, kind: Kind) -> int:
        async with self.engine.connect() as connection:
            return int((await connection.execute(select(func.count()).select_from(TABLES[kind]))).scalar_one())


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of either database."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite+aiosqlite:///{tmp_path}/events.db"


@pytest.fixture
async def bench(database_url: str) -> AsyncIterator[Bench]:
    """There."""
    bench = Bench(database_url)
    yield bench
    await bench.store.close()
    await bench.engine.dispose()


async def test_rows_go_by_age_and_a_dry_run_counts_exactly_them(bench: Bench) -> None:
    """To the microsecond; other kinds stay; twice is once; progress is told to the last row."""
    await bench.write("analytics", *[31.0] * (2 * BATCH_ROWS + 7), *[29.0] * 5)
    await bench.write("analytics", 30.0)
    await bench.write("budget", 400.0)
    found = await bench.store.find("analytics", AGE, 7 * DAY_MICROS, NOW)
    assert (found.events, found.excess_bytes) == (2 * BATCH_ROWS + 7, 0)
    assert await bench.count("analytics") == 2 * BATCH_ROWS + 13, "nothing is deleted by looking"
    steps: list[int] = []
    assert await bench.store.delete("analytics", found.due[0], steps.append) == found.events
    assert (sum(steps), max(steps)) == (found.events, BATCH_ROWS)
    assert (await bench.count("analytics"), await bench.count("budget")) == (6, 1)
    assert await bench.store.delete("analytics", found.due[0], steps.append) == 0
    assert (await bench.store.find("analytics", AGE, 7 * DAY_MICROS, NOW)).due == ()


async def test_rows_go_by_bytes_the_oldest_first(bench: Bench) -> None:
    """The newest that fit stay; what the log keeps stays too, and by how much it is too much is told."""
    for day in range(1, 41):
        await bench.write("proxy_log", float(day), request_body=os.urandom(100_000))
    limit = Limit(max_bytes=1_050_000)
    found = await bench.store.find("proxy_log", limit, 3 * DAY_MICROS, NOW)
    assert found.events == 30
    await bench.store.delete("proxy_log", found.due[0], lambda _: None)
    assert await bench.count("proxy_log") == 10
    young = await bench.store.find("proxy_log", Limit(max_bytes=500_000), 8 * DAY_MICROS, NOW)
    assert young.events == 2, "the 9th and the 10th day: the log keeps eight"
    assert 250_000 < young.excess_bytes < 400_000


async def test_a_database_without_tables_has_nothing_due(bench: Bench) -> None:
    """Nothing is made either."""
    assert (await bench.store.find("budget", AGE, 0, NOW)).due == ()


async def test_writers_go_on_while_rows_go(bench: Bench) -> None:
    """Nobody waits for more than a transaction of some hundred rows."""
    await bench.write("analytics", *[31.0] * (6 * BATCH_ROWS))
    found = await bench.store.find("analytics", AGE, 0, NOW)
    loop, waits = asyncio.get_running_loop(), list[float]()
    async with asyncio.TaskGroup() as tasks:
        deleting = tasks.create_task(bench.store.delete("analytics", found.due[0], lambda _: None))
        while not deleting.done():
            began = loop.time()
            await bench.write("analytics", 1.0)
            waits.append(loop.time() - began)
    assert deleting.result() == 6 * BATCH_ROWS
    assert await bench.count("analytics") == len(waits) > 1
    assert max(waits) < 3.0


@pytest.mark.postgres
async def test_a_right_that_is_missing_is_named(postgres_url: str) -> None:
    """A user who may write need not be one who may delete."""
    bench = Bench(postgres_url)
    await bench.write("analytics", 31.0)
    async with bench.engine.begin() as connection:
        await connection.exec_driver_sql("CREATE ROLE writer_only_of_rows")
        await connection.exec_driver_sql("GRANT SELECT, INSERT ON analytics TO writer_only_of_rows")
    event.listen(bench.store._engine.sync_engine, "connect", _become_writer)
    try:
        found = await bench.store.find("analytics", AGE, 0, NOW)
        with pytest.raises(Halt, match="grant the collector's user SELECT and DELETE"):
            await bench.store.delete("analytics", found.due[0], lambda _: None)
    finally:
        await bench.store.close()
        async with bench.engine.begin() as connection:
            await connection.exec_driver_sql("DROP OWNED BY writer_only_of_rows")
            await connection.exec_driver_sql("DROP ROLE writer_only_of_rows")
        await bench.engine.dispose()


def _become_writer(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("SET ROLE writer_only_of_rows")
    cursor.close()
    connection.commit()


async def test_a_locked_database_is_waited_for_and_then_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says has no value in it, and nothing was deleted."""
    monkeypatch.setattr("collectors.sinks.database.engines.BUSY_SECONDS", 0.1)
    bench = Bench(f"sqlite+aiosqlite:///{tmp_path}/events.db")
    await bench.write("analytics", 31.0)
    found = await bench.store.find("analytics", AGE, 0, NOW)
    holder = sqlite3.connect(tmp_path / "events.db")
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(Retryable, match="locked"):
        await bench.store.delete("analytics", found.due[0], lambda _: None)
    holder.rollback()
    holder.close()
    assert await bench.count("analytics") == 1
    await bench.store.close()
    await bench.engine.dispose()
    assert micros(31.0) < found.due[0].before_micros
