"""The job: one at a time, nothing that the log keeps, every store on its own, and never the end of a process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import create_async_engine

from collectors.documents import table_rows
from collectors.errors import Halt
from collectors.retention.floors import TooYoungError
from collectors.retention.job import KV, Retention, Sweep
from collectors.settings import HostSettings, Settings
from schemas.events import Kind
from sluice.eventlog.interface import EventLogError
from sluice.eventlog.journal.lock import FileLock, JournalBusyError
from sluice.eventstore.tables import TABLES, create_tables
from tests.collectors.fakes import until
from tests.collectors.retention.stored import NOW, frame_of

LIMITS = {"analytics": {"max_age": "30d"}, "budget": {"max_age": "50d"}}


class Bench:
    """A host with the events database, and an Elasticsearch that nobody runs."""

    def __init__(self, folder: Path, **retention: Any) -> None:
        self.folder = folder
        self.host = HostSettings(data_dir=folder)
        entry = {
            "name": "search",
            "path": "sink://elasticsearch",
            "config": {"elasticsearch_url": "http://127.0.0.1:1", "timeout": 1},
        }
        document = {"data_collection_plugins": [entry], "retention": {"stores": {"fallback": LIMITS}, **retention}}
        self.settings = Settings.model_validate(document)
        self.noted: list[tuple[str, str, int]] = []
        self.url = f"sqlite+aiosqlite:///{folder}/events.db"

    def job(self, **more: Any) -> Retention:
        note = lambda *each: self.noted.append(each)  # noqa: E731 - a listener
        return Retention(self.settings, self.host, self.folder, clock=lambda: NOW, note=note, **more)

    async def write(self, kind: Kind, *days_ago: float) -> None:
        engine = create_async_engine(self.url)
        async with engine.begin() as connection:
            await connection.run_sync(create_tables)
            await connection.execute(insert(TABLES[kind]), table_rows(kind, frame_of(kind, *days_ago).rows))
        await engine.dispose()

    async def count(self, kind: Kind) -> int:
        engine = create_async_engine(self.url)
        async with engine.connect() as connection:
            found = int((await connection.execute(select(func.count()).select_from(TABLES[kind]))).scalar_one())
        await engine.dispose()
        return found


async def test_a_dry_run_says_what_a_real_one_does(tmp_path: Path) -> None:
    """The same counts; nothing is deleted and nothing counted by looking; the bar goes to its end."""
    bench = Bench(tmp_path)
    await bench.write("analytics", 40, 31, 29)
    await bench.write("budget", 49)
    steps: list[tuple[int, int, str]] = []
    dry = await bench.job().sweep(Sweep(is_dry=True))
    assert (await bench.count("analytics"), bench.noted) == (3, [])
    real = await bench.job().sweep(Sweep(progress=lambda *step: steps.append(step)))
    assert [(each.store, each.kind, each.events) for each in dry] == [
        (each.store, each.kind, each.events) for each in real
    ]
    assert [(each.store, each.kind, each.events) for each in real] == [
        ("fallback", "analytics", 2), ("fallback", "budget", 0), (KV, "", 0),
    ]  # fmt: skip
    assert (await bench.count("analytics"), await bench.count("budget")) == (1, 1)
    assert steps[-1] == (2, 2, "fallback analytics")
    assert bench.noted == [("fallback", "analytics", 2), ("fallback", "budget", 0), (KV, "", 0)]


async def test_a_store_that_is_away_holds_no_other_up(tmp_path: Path) -> None:
    """It has its problem in its result, is counted as failed, and the others are cleared."""
    bench = Bench(tmp_path, stores={"search": {"proxy_log": {"max_age": "30d"}}, "fallback": LIMITS})
    await bench.write("analytics", 40)
    with structlog.testing.capture_logs():
        results = await bench.job().sweep(Sweep())
    assert "does not answer" in results[0].problem
    assert await bench.count("analytics") == 0
    assert bench.noted[:2] == [("search", "proxy_log", -1), ("fallback", "analytics", 1)]
    assert all(events == 0 for _, _, events in bench.noted[2:])


async def test_a_store_that_cannot_be_opened_holds_no_other_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it needs is in the result."""
    bench = Bench(tmp_path)

    def refuse(*_: Any) -> Any:
        raise Halt("PostgreSQL's driver is not installed", "pip install 'sluice-gateway[postgres]'")

    monkeypatch.setattr("collectors.retention.job.open_store", refuse)
    with structlog.testing.capture_logs():
        results = await bench.job().sweep(Sweep())
    assert [(each.store, each.kind, "pip install" in each.problem) for each in results] == [
        ("fallback", "analytics", True), ("fallback", "budget", True), (KV, "", False),
    ]  # fmt: skip


async def test_one_store_alone(tmp_path: Path) -> None:
    """Others are not even reached; keys are a store too."""
    bench = Bench(tmp_path, stores={"search": {"proxy_log": {"max_age": "30d"}}, "fallback": LIMITS})
    assert {each.store for each in await bench.job().sweep(Sweep(store="fallback"))} == {"fallback"}
    assert [each.store for each in await bench.job().sweep(Sweep(store=KV))] == [KV]


async def test_what_the_log_keeps_is_refused_before_anything_goes(tmp_path: Path) -> None:
    """Also where only one of several limits is too young, and where the log does not tell."""
    bench = Bench(tmp_path, stores={"fallback": {"analytics": {"max_age": "30d"}, "budget": {"max_age": "1d"}}})
    await bench.write("analytics", 40)
    with pytest.raises(TooYoungError, match=r"budget\.max_age is 1d, and the log keeps budget for 7d"):
        await bench.job().sweep(Sweep())

    async def silent(_host: HostSettings) -> Any:
        raise EventLogError("Kafka is away")

    with pytest.raises(EventLogError, match="Kafka is away"):
        await bench.job(floors=silent).sweep(Sweep())
    assert await bench.count("analytics") == 1


async def test_one_at_a_time(tmp_path: Path) -> None:
    """Whoever comes second is told who is there, and deletes nothing; afterwards it may."""
    bench = Bench(tmp_path)
    await bench.write("analytics", 40)
    lock = FileLock(tmp_path / "locks" / "retention.lock", "")
    with pytest.raises(JournalBusyError, match="retention runs there already"):
        await bench.job().sweep(Sweep())
    assert await bench.count("analytics") == 1
    lock.release()
    await bench.job().sweep(Sweep())
    assert await bench.count("analytics") == 0


async def test_it_comes_again_and_outlives_whatever_happens(tmp_path: Path) -> None:
    """Now and every ``every``: through a log that is away, a fault of ours, another process's turn."""
    bench = Bench(tmp_path, every=0.01)
    await bench.write("analytics", 40)
    calls: list[int] = []
    lock: list[FileLock] = []

    async def floors(_host: HostSettings) -> dict[Kind, float | None]:
        calls.append(1)
        if len(calls) == 1:
            raise EventLogError("away")
        if len(calls) == 2:
            raise ZeroDivisionError
        return {"proxy_log": 0.0, "analytics": 0.0, "budget": 0.0}

    with structlog.testing.capture_logs():
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(bench.job(floors=floors).run())
            await until(lambda: ("fallback", "analytics", 1) in bench.noted, 20)
            while not lock:
                try:
                    lock.append(FileLock(tmp_path / "locks" / "retention.lock", ""))
                except JournalBusyError:
                    await asyncio.sleep(0.001)
            held = len(calls)
            await asyncio.sleep(0.05)
            assert len(calls) == held
            lock[0].release()
            await until(lambda: len(calls) > held, 20)
            running.cancel()
    assert bench.noted[:2] == [("", "", -1), ("", "", -1)]
    assert ("", "", 0) in bench.noted, "and that it works again"
