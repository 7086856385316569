"""One owner at a time: who was stopped, or only slow, changes nothing once somebody else owns the truth."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from sqlalchemy import text, update

from collectors.errors import Halt, Retryable
from collectors.services.budget_truth import store as store_module
from collectors.services.budget_truth.counting import Batch, Position
from collectors.services.budget_truth.settings import MAX_LEASE_SECONDS
from collectors.services.budget_truth.store import FencedError, TruthStore
from collectors.services.budget_truth.tables import OFFSETS, STATE
from collectors.sinks.settings import DatabaseSettings
from sluice.clock import now_micros
from sluice.eventlog.interface import Partition
from tests.collectors.events import TOPICS
from tests.collectors.services.budget_truth.making import HERE, bench_of, charge, database_of, event, owned

HOUR = 3_600_000_000
SECONDS = 90.0


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseSettings:
    """Of both kinds."""
    if request.param == "postgres":
        return DatabaseSettings(url=request.getfixturevalue("postgres_url"))
    return database_of(tmp_path)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How far the clock of the store is turned, in micros."""
    turned = [0]
    monkeypatch.setattr(store_module, "now_micros", lambda: now_micros() + turned[0])
    return turned


async def test_an_owner_that_slept_changes_nothing(database: DatabaseSettings, later: list[int]) -> None:
    """The lease runs out, somebody else takes over, and the old owner's next transaction is refused whole; what it
    tried counts once, by the new owner; and it may own again later."""
    async with owned(database, "old") as old, TruthStore(database, TOPICS.namespace) as store:
        await old.feed(event(1, 5))
        assert not await store.acquire("new", 30)
        later[0] = HOUR
        assert await store.acquire("new", 30)
        new = bench_of(store)
        second = event(2, 7, charges=[charge(), charge("llm", "3")])
        with pytest.raises(FencedError):
            await old.feed(second, event(3, 9))
        assert await new.spent() == {("app", "7"): 5}
        await new.feed(second)
        assert await new.spent() == {("app", "7"): 12, ("llm", "3"): 7}
        assert (await new.truth()).covers.epoch == 2
        with pytest.raises(FencedError):
            await old.feed(second)
        later[0] = 2 * HOUR
        assert await old.store.acquire("old", 30)
        assert (await old.feed(second)).duplicates == 1


async def test_a_transaction_that_is_open_is_not_overtaken(database: DatabaseSettings, later: list[int]) -> None:
    """Who wants to take over in the middle of a commit waits, and comes after it: nothing of either is lost."""
    async with owned(database, "old") as old, TruthStore(database, TOPICS.namespace) as store:
        later[0] = HOUR
        async with asyncio.TaskGroup() as tasks, old.store.write() as connection:
            taking = tasks.create_task(store.acquire("new", 30))
            await asyncio.sleep(0)
            await connection.execute(update(STATE).values(applied=41))
        assert not taking.result(), "it renewed its lease as it wrote"
        assert (await old.truth()).covers.applied == 41


async def test_of_many_who_try_one_succeeds(database: DatabaseSettings) -> None:
    """At the same moment; each of the next ones finds it taken."""
    stores = [TruthStore(database, TOPICS.namespace) for _ in range(4)]
    await stores[0].prepare()
    assert sorted(await asyncio.gather(*(store.acquire("x", 30) for store in stores))) == [False] * 3 + [True]
    for store in stores:
        await store.close()


async def test_who_ends_well_lets_the_next_one_in_at_once(database: DatabaseSettings) -> None:
    """And lets nobody in where it owns nothing any more."""
    async with owned(database, "one") as one, TruthStore(database, TOPICS.namespace) as store:
        await one.store.release()
        assert await store.acquire("two", 30)
        await one.store.release()
        assert not await one.store.acquire("one", 30)


async def test_a_clock_that_was_far_ahead_locks_nobody_out(tmp_path: Path, later: list[int]) -> None:
    """A lease that ends after any lease can is nobody's."""
    database = database_of(tmp_path)
    later[0] = 10_000 * HOUR
    async with owned(database, "ahead"):
        later[0] = 0
        async with TruthStore(database, TOPICS.namespace) as store:
            assert MAX_LEASE_SECONDS <= 3_600
            assert await store.acquire("right", 30)


async def test_a_clock_that_was_set_back_locks_nobody_out(
    database: DatabaseSettings, later: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An owner that died at three o'clock is taken over from at two, a lease after it was last heard of; one that is
    heard of is not."""
    seconds = [0.0]
    monkeypatch.setattr(store_module, "monotonic", lambda: seconds[0])
    later[0] = HOUR
    async with owned(database, "at three") as old, TruthStore(database, TOPICS.namespace) as store:
        later[0] = 0
        for seconds[0] in (0.0, 29.0, 58.0):
            assert not await store.acquire("at two", 30)
            await old.feed(event(1, 5))
        assert not await store.acquire("at two", 30), "it wrote since"
        seconds[0] += 30
        assert not await store.acquire("at two", 30)
        seconds[0] += 0.1
        assert await store.acquire("at two", 30)
        with pytest.raises(FencedError):
            await old.feed(event(2, 7))


async def test_the_database_of_another_namespace_is_refused(tmp_path: Path) -> None:
    """Two logs are never added up; the message names both and the key."""
    async with owned(database_of(tmp_path)), TruthStore(database_of(tmp_path), "team-blue") as other:
        with pytest.raises(Halt, match=r"'sluice', not of 'team-blue'.*budget_truth.database"):
            await other.prepare()


async def test_a_database_that_cannot_be_used_says_what_to_do(tmp_path: Path) -> None:
    """No file, a folder, garbage: what is wrong names the key; nothing is made by asking."""
    assert not await TruthStore(database_of(tmp_path), "sluice").is_there()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "truth.db").write_bytes(b"garbage, and no database" * 100)
    async with TruthStore(database_of(tmp_path), "sluice") as store:
        with pytest.raises(Halt, match=r"budget_truth\.database"):
            await store.prepare()
    (tmp_path / "folder" / "truth.db").mkdir(parents=True)
    threads = threading.enumerate()
    async with TruthStore(database_of(tmp_path / "folder"), "sluice") as store:
        with pytest.raises((Halt, Retryable), match="database of budget truth"):
            await store.prepare()
    await _until_only(threads)


async def _until_only(threads: list[threading.Thread]) -> None:
    """aiosqlite's thread of a connection that could not be made ends by itself, and tells the loop of its test."""
    async with asyncio.timeout(30):
        while set(threading.enumerate()) - set(threads):  # noqa: ASYNC110 - a thread tells nobody of its end
            await asyncio.sleep(0.001)


async def test_the_tables_of_an_earlier_version_are_brought_up_to_date(database: DatabaseSettings) -> None:
    """By the first of those that start at one moment; what is there stays, and belongs to no known log. The owner of
    the earlier version goes on: it knows nothing of the new column. Who only reads says what is to be done."""
    async with owned(database, "earlier") as bench:
        await bench.feed(event(1, 5))
        async with bench.store.unfenced() as connection:
            await connection.execute(text(f"ALTER TABLE {OFFSETS.name} DROP COLUMN log_id"))
        with pytest.raises(Halt, match=r"is of an earlier version; `sluice collect` of this version"):
            await bench.store.is_there()
        stores = [TruthStore(database, TOPICS.namespace) for _ in range(4)]
        await asyncio.gather(*(store.prepare() for store in stores))
        for store in stores:
            assert await store.is_there()
            await store.close()
        assert (await bench.truth()).covers.positions == {HERE: Position(1, 0)}
        async with bench.store.write() as connection:
            old = "INSERT INTO budget_truth_offsets (partition, number, next_offset, first_offset, lost)"
            await connection.execute(text(f"{old} VALUES ('of an earlier version', 0, 3, 0, '')"))
        positions = (await bench.truth()).covers.positions
        assert positions[Partition("of an earlier version", 0)] == Position(3, 0)


async def test_which_log_an_offset_is_of_is_kept(database: DatabaseSettings) -> None:
    """It changes with the offset, in one transaction; an owner that sleeps while the log is made anew moves neither."""
    async with owned(database, "old") as old, TruthStore(database, TOPICS.namespace) as store:
        await old.counting.apply(Batch([event(1, 5)], [], {HERE: Position(9, 0, log_id="a")}))
        await old.store.release()
        assert await store.acquire("new", 30)
        new = bench_of(store)
        await new.counting.apply(Batch([event(1, 7, boot_id="b")], [], {HERE: Position(1, 0, log_id="b")}))
        with pytest.raises(FencedError):
            await old.counting.apply(Batch([event(2, 9)], [], {HERE: Position(10, 0, log_id="a")}))
        truth = await new.truth()
        assert truth.covers.positions == {HERE: Position(1, 0, log_id="b")}
        assert await new.spent() == {("app", "7"): 12}


ZOMBIE = """
import asyncio, sys
from pathlib import Path
from collectors.services.budget_truth.store import FencedError
from tests.collectors.services.budget_truth.making import database_of, event, owned

async def main():
    async with owned(database_of(Path(sys.argv[1])), "zombie", lease_seconds=1.0) as bench:
        sequence = 1
        while True:
            try:
                await bench.feed(event(sequence, 1, boot_id="zombie"))
            except FencedError:
                print("fenced", sequence, flush=True)
                return
            print("fed", sequence, flush=True)
            sequence += 1
            await asyncio.sleep(0.01)

asyncio.run(main())
"""


async def test_a_process_that_was_stopped_wakes_up_harmless(tmp_path: Path) -> None:
    """SIGSTOP while it counts, another owner in the meantime, SIGCONT: it is fenced at its next transaction."""
    zombie = await asyncio.create_subprocess_exec(sys.executable, "-c", ZOMBIE, str(tmp_path), stdout=PIPE)
    assert zombie.stdout is not None
    try:
        async with asyncio.timeout(SECONDS):
            for _ in range(5):
                assert (await zombie.stdout.readline()).startswith(b"fed")
            # between two transactions: one that holds the file's lock cannot be overtaken at all
            async with TruthStore(database_of(tmp_path), TOPICS.namespace) as store:
                await _stop_outside_of_a_transaction(zombie.pid, store)
                while not await store.acquire("new", 30):  # noqa: ASYNC110 - its lease runs out
                    await asyncio.sleep(0.05)
                new = bench_of(store)
                await new.feed(event(1, 1_000, boot_id="new"))
                before = await new.spent()
                os.kill(zombie.pid, signal.SIGCONT)
                said = (await zombie.stdout.read()).split()
                assert said[-2] == b"fenced"
                assert await new.spent() == before
    finally:
        if zombie.returncode is None:
            zombie.kill()
            await zombie.wait()


async def _stop_outside_of_a_transaction(pid: int, store: TruthStore) -> None:
    """A writer that was stopped in the middle of one holds SQLite's lock: then it goes on for a moment."""
    while True:
        os.kill(pid, signal.SIGSTOP)
        try:
            async with store.unfenced() as connection:
                await connection.exec_driver_sql("UPDATE budget_truth_state SET owner = owner")
        except Retryable:
            os.kill(pid, signal.SIGCONT)
            await asyncio.sleep(0.01)
        else:
            return
