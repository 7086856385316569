"""Tests of ``sluice.plugin_host.kv``: what a plugin sees of its store, alone and among others."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sluice.plugin_host import kv as module
from sluice.plugin_host.kv import MAX_LISTED, MAX_WAITING, KvStore, PluginKv
from sluice.plugin_host.kv_database import KvDatabase
from sluice.plugin_host.kv_schema import NEVER
from sluice.plugin_host.settings import KvSettings
from sluice.sdk.errors import NotFound, PayloadTooLarge, ServiceError, ServiceUnavailable
from tests.sluice.plugin_host.waiting import until

SETTINGS = KvSettings(max_key_bytes=20, max_value_bytes=100, max_plugin_bytes=1000, purge_seconds=0.01)
DEADLINE_SECONDS = 40


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[KvStore]:
    """Of one process."""
    made = KvStore(tmp_path / "plugins.db", SETTINGS)
    yield made
    await made.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Micros of the epoch, to be turned."""
    times = [1_000_000]
    monkeypatch.setattr(module, "now_micros", lambda: times[0])
    return times


async def test_a_value_is_read_as_it_was_written(store: KvStore) -> None:
    """Any bytes under any text; ``write`` says whether the key is new, ``delete`` whether there was one."""
    kv = store.of_plugin(1)
    for key in ("", "a", "ключ", "🔑", "a\nb", "%_\\'\""):
        assert await kv.write(key, bytes(range(100)))
        assert not await kv.write(key, b"")
        assert await kv.read(key) == b""
        assert await kv.delete(key)
        assert not await kv.delete(key)
        with pytest.raises(NotFound, match="no key"):
            await kv.read(key)


async def test_plugins_never_see_each_others_keys(store: KvStore) -> None:
    """Plugins of one id share them, and nobody else."""
    one, same, other = store.of_plugin(1), store.of_plugin(1), store.of_plugin(11)
    await one.write("1_a", b"1")
    await other.write("a", b"2")
    assert await same.read("1_a") == b"1"
    assert await one.list() == ["1_a"]
    assert await other.list() == ["a"]
    assert not await other.delete("1_a")
    with pytest.raises(NotFound):
        await other.read("1_a")


async def test_a_key_with_a_ttl_is_gone_when_it_is_over(store: KvStore, clock: list[int]) -> None:
    """Seconds from now, fractions counted; for ever where infinite."""
    kv = store.of_plugin(1)
    await kv.write_with_ttl("a", b"1", 1.5)
    await kv.write_with_ttl("b", b"1", float("inf"))
    await kv.write("c", b"1", clock[0])  # expired already
    await kv.write("d", b"1", 1 << 70)
    clock[0] += 1_499_999
    assert await kv.list() == ["a", "b", "d"]
    clock[0] += 1
    assert await kv.list() == ["b", "d"]
    with pytest.raises(NotFound):
        await kv.read("a")
    assert await kv.write_with_ttl("a", b"2", 1)


@pytest.mark.parametrize("ttl", [0, -1, float("nan")])
async def test_a_ttl_that_is_none_is_refused(store: KvStore, ttl: float) -> None:
    """Never kept for ever by accident."""
    with pytest.raises(ServiceError, match="more than 0"):
        await store.of_plugin(1).write_with_ttl("a", b"", ttl)


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("k" * 20, b"v" * 101, PayloadTooLarge),
        ("k" * 21, b"", PayloadTooLarge),
        ("é" * 11, b"", PayloadTooLarge),
        ("a\0b", b"", ServiceError),
        ("\ud800", b"", ServiceError),
        ("k" * 1_000_000, b"", PayloadTooLarge),
        (7, b"", ServiceError),
        (None, b"", ServiceError),
        (b"k", b"", ServiceError),
        ("k", "text", ServiceError),
        ("k", None, ServiceError),
        ("k", memoryview(b"12345678" * 20).cast("Q"), PayloadTooLarge),
    ],
)
async def test_keys_and_values_have_bounds_and_types(
    store: KvStore, key: Any, value: Any, error: type[Exception]
) -> None:
    """What is none is refused by name, and nothing of it is kept."""
    kv = store.of_plugin(1)
    with pytest.raises(error):
        await kv.write(key, value)
    assert await kv.list() == []


async def test_a_value_at_its_bounds_is_kept(store: KvStore) -> None:
    """The bounds themselves are allowed."""
    kv = store.of_plugin(1)
    assert await kv.write("k" * 20, bytearray(b"v" * 100))  # type: ignore[arg-type]
    assert await kv.read("k" * 20) == b"v" * 100


async def test_ten_thousand_keys_are_listed_in_order_and_bounded(tmp_path: Path) -> None:
    """By prefix, at most ``limit`` and at most ``MAX_LISTED``; a read among them still takes microseconds."""
    store = KvStore(tmp_path / "plugins.db")
    kv = store.of_plugin(1)
    database = store._writer
    with database._transaction() as connection:
        rows = [(1, b"key-%05d" % number, NEVER, 10, b"v") for number in range(MAX_LISTED + 5)]
        connection.executemany("INSERT INTO kv (plugin_id, key, expires_at, size, value) VALUES (?, ?, ?, ?, ?)", rows)
    assert await kv.list("key-0001", 3) == ["key-00010", "key-00011", "key-00012"]
    assert len(await kv.list()) == 1000
    assert len(await kv.list(limit=1 << 60)) == MAX_LISTED
    assert await kv.list(limit=-5) == []
    assert await kv.read("key-09999") == b"v"
    assert await kv.delete("key-10004")
    await store.close()


async def test_expired_rows_are_deleted_in_the_background(store: KvStore) -> None:
    """Every ``purge_seconds``; a database that is away for a while ends nothing."""
    kv = store.of_plugin(1)
    await kv.write("a", b"1", 1)
    assert await store.used_bytes(1) == 2
    async with asyncio.timeout(DEADLINE_SECONDS), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(store.run())
        await until(lambda: _is_empty(store))
        running.cancel()


async def test_purging_makes_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway whose plugins keep nothing has none."""
    looks: list[Path] = []

    def look(path: Path) -> bool:
        looks.append(path)
        return False

    monkeypatch.setattr(Path, "exists", look)
    store = KvStore(tmp_path / "plugins.db", SETTINGS)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(store.run())
        await until(lambda: len(looks) > 2)
        running.cancel()
    await store.close()
    assert list(tmp_path.iterdir()) == []


async def test_purging_survives_a_database_that_is_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is said in the log, and tried again."""
    path = tmp_path / "plugins.db"
    path.mkdir()
    store = KvStore(path, SETTINGS)
    async with asyncio.timeout(DEADLINE_SECONDS), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(store.run())
        with pytest.raises(ServiceUnavailable):
            await store.of_plugin(1).read("a")
        path.rmdir()
        await store.of_plugin(1).write("a", b"", 1)
        await until(lambda: _is_empty(store))
        running.cancel()
    await store.close()


async def test_a_locked_database_keeps_no_reader_and_stops_no_loop(store: KvStore, tmp_path: Path) -> None:
    """Writes wait beside the loop for a while and say so; reads go on meanwhile."""
    kv = store.of_plugin(1)
    await kv.write("a", b"1")
    assert await kv.read("a") == b"1"
    other = sqlite3.connect(tmp_path / "plugins.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    reads = 0
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(_outcome(kv.write("b", b"1")))
        while not writing.done():
            assert await kv.read("a") == b"1"
            reads += 1
            await asyncio.sleep(0.001)
    assert isinstance(writing.result(), ServiceUnavailable)
    assert reads > 5
    other.execute("ROLLBACK")
    other.close()
    assert await kv.write("b", b"1")


async def test_a_flood_of_writes_is_refused_and_harms_no_other_plugin(
    store: KvStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One plugin has ``MAX_WAITING`` waiting; a second one gets its turn, however slow the disk is."""
    monkeypatch.setattr(module, "_TURN_SECONDS", DEADLINE_SECONDS)
    flooding, other = store.of_plugin(1), store.of_plugin(2)
    async with asyncio.timeout(DEADLINE_SECONDS), asyncio.TaskGroup() as tasks:
        flood = [tasks.create_task(_outcome(flooding.write(str(number % 10), b"v"))) for number in range(500)]
        await asyncio.sleep(0)
        assert await other.write("a", b"1")
    outcomes = [task.result() for task in flood]
    assert sum(isinstance(outcome, bool) for outcome in outcomes) == MAX_WAITING
    assert all("wait already" in str(outcome) for outcome in outcomes if not isinstance(outcome, bool))
    assert await flooding.write("b", b"")


async def test_who_waited_too_long_for_a_turn_is_told_so(store: KvStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's write is done long after its deadline."""
    monkeypatch.setattr(module, "_TURN_SECONDS", -1)
    with pytest.raises(ServiceUnavailable, match="busy for too long"):
        await store.of_plugin(1).write("a", b"")


async def test_a_closed_store_is_unavailable(tmp_path: Path) -> None:
    """A plugin that outlives it gets an error with a name."""
    store = KvStore(tmp_path / "plugins.db")
    kv = store.of_plugin(1)
    await kv.write("a", b"1")
    await store.close()
    with pytest.raises(ServiceUnavailable, match="ending"):
        await kv.write("a", b"2")


async def test_a_reader_that_is_refused_is_served_beside_the_loop(
    store: KvStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a database is recovered its readers are refused at once: then the thread, which may wait, reads."""
    kv = store.of_plugin(1)
    await kv.write("a", b"1")
    assert await kv.read("a") == b"1"

    def refuse(*_: object) -> bytes | None:
        raise ServiceUnavailable

    monkeypatch.setattr(store._reader, "read", refuse)
    assert await kv.read("a") == b"1"


WRITER = """
import asyncio, json, sys
from pathlib import Path
from sluice.plugin_host.kv import KvStore
from sluice.plugin_host.settings import KvSettings
from sluice.sdk.errors import PayloadTooLarge

async def main(path, name):
    store = KvStore(Path(path), KvSettings(max_plugin_bytes=10_000))
    kv, kept, created = store.of_plugin(1), 0, 0
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(300):
        created += await store.of_plugin(2).write(f"{number}", b"")
        try:
            kept += await kv.write(f"{name}-{number:04d}", b"v" * 43)
        except PayloadTooLarge:
            await kv.delete(f"{name}-{number % 7:04d}")
    print(json.dumps({"kept": kept, "created": created}), flush=True)
    await store.close()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_the_bound_is_exact_with_writers_in_two_processes(tmp_path: Path) -> None:
    """At no time more than ``max_plugin_bytes``; the count is the sum; each key is new to one process alone."""
    path = tmp_path / "plugins.db"
    writers = [await _start_writer(path, name) for name in ("a", "b")]
    watched = KvDatabase(path)
    most = 0
    async with asyncio.timeout(90), asyncio.TaskGroup() as tasks:
        for writer in writers:
            assert writer.stdout is not None
            assert await writer.stdout.readline() == b"ready\n"
        ending = [tasks.create_task(writer.communicate(b"go\n")) for writer in writers]
        while not all(task.done() for task in ending):
            most = max(most, watched.used_bytes(1))
            await asyncio.sleep(0.001)
    most = max(most, watched.used_bytes(1))
    reports = [json.loads(task.result()[0]) for task in ending]
    assert 9_900 < most <= 10_000
    assert sum(report["created"] for report in reports) == 300
    connection = watched._opened()
    total = connection.execute("SELECT sum(length(key) + length(value)), sum(size) FROM kv WHERE plugin_id = 1")
    total = total.fetchone()
    assert total == (watched.used_bytes(1),) * 2
    watched.close()


async def test_a_writer_that_is_killed_leaves_a_store_that_works(tmp_path: Path) -> None:
    """No lock stays, and what is counted is what is there."""
    path = tmp_path / "plugins.db"
    writer = await _start_writer(path, "a")
    assert writer.stdin is not None
    assert writer.stdout is not None
    await writer.stdout.readline()
    writer.stdin.write(b"go\n")
    store = KvStore(path)
    kv = store.of_plugin(1)
    async with asyncio.timeout(90):
        await until(lambda: _has_keys(kv, 5))
        writer.kill()
        await writer.wait()
    assert await kv.write("mine", b"1")
    found = store._writer._opened().execute("SELECT sum(size) FROM kv WHERE plugin_id = 1").fetchone()[0]
    assert found == await store.used_bytes(1)
    await store.close()


async def _is_empty(store: KvStore) -> bool:
    return not await store.used_bytes(1)


async def _has_keys(kv: PluginKv, count: int) -> bool:
    return len(await kv.list("a-")) >= count


async def _start_writer(path: Path, name: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(path), name, stdin=pipe, stdout=pipe, cwd=Path(__file__).parents[3]
    )


async def _outcome(call: Any) -> Any:
    try:
        return await call
    except ServiceError as error:
        return error
