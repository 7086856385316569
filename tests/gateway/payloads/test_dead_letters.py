"""Dead letters of payloads: as they were, with the reason, and never lost while their log is away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.payloads import dead_letters as module
from gateway.payloads.dead_letters import DeadLetters
from sluice.eventlog.interface import EventLogError, Publisher
from sluice.eventlog.journal.publisher import JournalPublisher
from sluice.eventlog.journal.reader import JournalReader
from sluice.eventlog.memory import MemoryBroker, MemoryPublisher
from sluice.eventlog.settings import JournalSettings
from tests.gateway.payloads.making import TOPICS, headers_of, polled, until

TOPIC = TOPICS.edge_payload.dead_letters().name


def letters_in(broker: MemoryBroker) -> list[dict[str, str]]:
    """The headers of those there are."""
    return [headers_of(each) for name in broker.partitions_of(TOPIC) for each in broker.lanes[name].records]


async def test_a_letter_says_what_was_wrong_and_where_it_was() -> None:
    """Headers of an earlier burial are not kept, all others are; the reason is cut."""
    broker = MemoryBroker(TOPICS)
    letters = DeadLetters(lambda: MemoryPublisher(broker), TOPICS, "g")
    record = polled(7, b"x", 42)
    record.headers = (*record.headers, ("dlq.attempts", b"99"), ("dlq.old", b"x"), ("foreign", b"kept"))
    await letters.bury(record, "receiver_failed", "r" * 1000, 3, 1_764_000_000_000_000)
    [found] = letters_in(broker)
    assert found["dlq.error.reason"] == "r" * 256
    assert (found["dlq.attempts"], found["dlq.group"], found["foreign"]) == ("3", "g", "kept")
    assert "dlq.old" not in found
    assert found["dlq.first_failed_at"] == "2025-11-24T16:00:00.000000Z"
    await letters.close()


async def test_while_the_log_is_away_it_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing returns before it is written: also where the publisher could not even be opened."""
    monkeypatch.setattr(module, "_FIRST_PAUSE_SECONDS", 0.005)
    broker = MemoryBroker(TOPICS)
    broker.error = EventLogError("away")
    failures = [EventLogError("cannot be opened")]

    def opened() -> Publisher:
        if failures:
            raise failures.pop()
        return MemoryPublisher(broker)

    letters = DeadLetters(opened, TOPICS, "g")
    async with asyncio.TaskGroup() as tasks:
        burying = tasks.create_task(letters.bury(polled(7, b"x"), "t", "r", 1, 0))
        await until(lambda: letters._publisher is not None)
        assert not burying.done()
        broker.error = None
    assert len(letters_in(broker)) == 1


async def test_nothing_is_opened_where_nothing_dies() -> None:
    """Most processes never have a dead letter."""
    letters = DeadLetters(lambda: pytest.fail("opened"), TOPICS, "g")
    await letters.close()


async def test_the_largest_payload_fits_a_journal(tmp_path: Path) -> None:
    """With all its metadata and all the facts of its burial."""
    letters = DeadLetters(lambda: JournalPublisher(tmp_path / "j", "s", JournalSettings(), TOPICS), TOPICS, "g")
    metadata = {f"{number:0256}": "v" * 4096 for number in range(50)}
    await letters.bury(polled(7, b"x" * (1 << 20), metadata=metadata), "t", "r", 1, 0)
    await letters.close()
    reader = JournalReader(tmp_path / "j")
    [found] = reader.read(10, 1 << 24)
    reader.close()
    assert found.topic == TOPIC
    assert len(found.value or b"") == 1 << 20
