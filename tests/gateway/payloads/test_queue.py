"""The queue: durable, counted over the whole host, bounded per plugin, and never deleted before it is delivered."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from gateway.payloads import queue as queue_module
from gateway.payloads.count import GROUP
from gateway.payloads.pump import Pump
from gateway.payloads.queue import PayloadQueue
from sluice.eventlog.interface import Boot, CommitFailedError, EventLogError, PolledRecord, Record, Subscription
from sluice.eventlog.journal.journal import Journal
from sluice.eventlog.journal.lock import JournalBusyError
from sluice.eventlog.journal.segment import segment_numbers
from sluice.eventlog.journal.source import JournalSource
from sluice.eventlog.places import all_journals
from sluice.eventlog.settings import JournalSettings
from tests.gateway.payloads.making import TOPICS, queue_in, until

TOPIC = TOPICS.edge_payload.name


def record(payload: bytes = b"x", plugin_id: int = 1) -> Record:
    """Something to append."""
    return Record(TOPIC, str(plugin_id).encode(), payload)


async def deliver(queue: PayloadQueue, count: int) -> list[bytes]:
    """Take so many off, as the delivering process does."""
    taken: list[bytes] = []

    async def take(found: PolledRecord) -> None:
        taken.append(found.value or b"")

    source = JournalSource(queue.root, Subscription(GROUP, (TOPIC,)), JournalSettings())
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(Pump(source, take).run())
        await until(lambda: len(taken) >= count)
        running.cancel()
    return taken


async def counted(queue: PayloadQueue) -> int:
    """What is waiting, looked at afresh."""
    queue._count._due_at = 0.0
    return queue.waiting()


async def test_what_is_appended_waits_until_it_is_delivered(tmp_path: Path) -> None:
    """Counted at once, by whoever appends; and no more when it is taken."""
    queue = queue_in(tmp_path)
    assert queue.waiting() == 0
    for number in range(5):
        await queue.append(1, record(b"%d" % number))
        assert queue.waiting() == number + 1
    assert await deliver(queue, 5) == [b"0", b"1", b"2", b"3", b"4"]
    assert await counted(queue) == 0
    await queue.close()


async def test_the_count_is_of_the_host(tmp_path: Path) -> None:
    """All workers and all plugins together, whichever worker is asked."""
    one, other = queue_in(tmp_path, "0"), queue_in(tmp_path, "1")
    await one.append(1, record())
    await other.append(1, record())
    await other.append(2, record())
    assert await counted(one) == await counted(other) == 3
    await one.close()
    await other.close()


async def test_the_count_outlives_its_workers(tmp_path: Path) -> None:
    """It is in the files: whoever comes after a kill finds what waits, and delivers it."""
    queue = queue_in(tmp_path)
    await queue.append(1, record(b"early"))
    await queue.close()
    again = queue_in(tmp_path)
    assert again.waiting() == 1
    await again.append(1, record(b"late"))
    assert await deliver(again, 2) == [b"early", b"late"]
    assert await counted(again) == 0
    await again.close()


async def test_a_flood_fills_its_own_queue_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is refused, by name; another plugin's payloads are taken, and its own again when some are delivered."""
    monkeypatch.setattr(queue_module, "QUEUE_BYTES", 1 << 20)
    queue = queue_in(tmp_path)
    taken = 0

    async def flood() -> None:
        nonlocal taken
        for _ in range(100):
            await queue.append(1, record(b"x" * 50_000))
            taken += 1

    with pytest.raises(CommitFailedError, match="full"):
        await flood()
    assert 10 <= taken <= 18
    await queue.append(2, record())
    await deliver(queue, taken + 1)
    await queue.append(3, record())

    async def is_taken_again() -> bool:
        queue._housekept.clear()
        try:
            await queue.append(1, record())
        except CommitFailedError:
            return False
        return True

    deadline = asyncio.get_running_loop().time() + 10
    while not await is_taken_again():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)
    await queue.close()


async def test_nothing_is_deleted_before_it_is_delivered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However old, however full, and though nobody has ever delivered from this host."""
    monkeypatch.setattr(queue_module, "QUEUE_BYTES", 1 << 20)
    monkeypatch.setattr(queue_module, "_RETENTION_SECONDS", 0.001)
    queue = queue_in(tmp_path)
    sent = []
    try:
        for number in range(100):
            queue._housekept.clear()
            await queue.append(1, record(b"%d" % number + b"x" * 40_000))
            sent.append(number)
    except CommitFailedError:
        queue._journals[1].housekeep()
    assert len(sent) > 10
    assert await counted(queue) == len(sent)
    found = await deliver(queue, len(sent))
    assert [int(payload.rstrip(b"x")) for payload in found] == sent
    await queue.close()


async def test_what_is_delivered_is_deleted_though_nothing_more_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plugin that sent once and never again keeps no disk: but for the segment that it would write to next."""
    monkeypatch.setattr(queue_module, "QUEUE_BYTES", 1 << 20)
    monkeypatch.setattr(queue_module, "_RETENTION_SECONDS", 0.001)
    monkeypatch.setattr(queue_module, "_HOUSEKEEP_SECONDS", 0.001)
    queue = queue_in(tmp_path)
    for _ in range(10):
        await queue.append(1, record(b"x" * 50_000))
    directory = queue._journals[1].directory
    queue.tidy()
    assert len(segment_numbers(directory)) > 2
    await deliver(queue, 10)

    def is_tidy() -> bool:
        queue.tidy()
        return len(segment_numbers(directory)) == 1

    await until(is_tidy)
    monkeypatch.setattr(queue._journals[1], "housekeep", None)  # nothing to delete is nothing to look at
    queue.tidy()
    await queue.close()
    queue.tidy()


async def test_two_senders_at_once_open_one_journal(tmp_path: Path) -> None:
    """The first payload of a plugin makes its journal; those that come meanwhile wait for that."""
    queue = queue_in(tmp_path)
    await asyncio.gather(*(queue.append(1, record()) for _ in range(20)))
    assert len(all_journals(queue.root)) == 1
    assert queue.waiting() == 20
    await queue.close()


async def test_a_journal_that_another_holds_is_an_error(tmp_path: Path) -> None:
    """The worker before us has not let go yet: nothing is written, and the next try may succeed."""
    queue, late = queue_in(tmp_path), queue_in(tmp_path)
    await queue.append(1, record())
    with pytest.raises(JournalBusyError):
        await late.append(1, record())
    await queue.close()
    await late.append(1, record())
    await late.close()


async def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """Said as the event log says it."""
    (tmp_path / "edge-payloads").write_text("a file")
    queue = queue_in(tmp_path)
    with pytest.raises(EventLogError):
        await queue.append(1, record())
    assert queue.waiting() == 0
    await queue.close()


async def test_exchanges_keep_their_room(tmp_path: Path) -> None:
    """Payloads lie apart from the journals of exchanges: collectors never read them, and they hold no space there."""
    queue = queue_in(tmp_path)
    await queue.append(1, record())
    assert all_journals(tmp_path) == []
    await queue.close()


async def test_a_journal_that_cannot_be_begun_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that was full for a moment: the next payload is taken."""
    queue, failures = queue_in(tmp_path), ["full"]
    real = Journal.begin

    def begin(journal: Journal, boot: Boot) -> None:
        if failures:
            raise CommitFailedError(failures.pop())
        real(journal, boot)

    monkeypatch.setattr(Journal, "begin", begin)
    with pytest.raises(CommitFailedError):
        await queue.append(1, record())
    await queue.append(1, record())
    assert queue.waiting() == 1
    await queue.close()


async def test_a_queue_that_is_closed_takes_nothing(tmp_path: Path) -> None:
    """A plugin that sends while its worker ends learns it, and no journal is left open."""
    queue = queue_in(tmp_path)
    await queue.append(1, record())
    await queue.close()
    for plugin_id in (1, 2):
        with pytest.raises(CommitFailedError, match="ends"):
            await queue.append(plugin_id, record())


async def test_one_who_gives_up_while_a_journal_is_opened_costs_nobody_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook's deadline on a slow disk: the journal is the next sender's, or is let go when the worker ends."""
    go_on = threading.Event()

    def slow(*arguments: Any, **options: Any) -> Journal:
        go_on.wait(10)
        return Journal(*arguments, **options)

    monkeypatch.setattr(queue_module, "Journal", slow)
    queue = queue_in(tmp_path)
    for plugin_id in (1, 2):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(queue.append(plugin_id, record()), 0.02)
    go_on.set()
    await queue.append(1, record())
    assert queue.waiting() == 1
    monkeypatch.undo()
    await queue.close()
    after = queue_in(tmp_path)
    for plugin_id in (1, 2):
        await after.append(plugin_id, record())
    await after.close()
