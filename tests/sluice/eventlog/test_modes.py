"""What must have happened when ``commit`` returns, in each mode."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from typing import Any

import pytest

from sluice.eventlog.interface import CommitFailedError, CommitTimeoutError
from sluice.eventlog.journal.journal import Journal
from sluice.eventlog.modes import DurableLog, FastLog, StrictLog, open_log
from sluice.eventlog.settings import LogSettings
from tests.sluice.eventlog.journal.making import FailingDisk, begun, exchange, ids_in, ids_of

KAFKA = {"bootstrap_servers": "localhost:9092"}
FULL = OSError(errno.ENOSPC, "no space left on device")


class Relay:
    """Acknowledges when told to."""

    def __init__(self) -> None:
        self.is_acknowledging = True
        self.acknowledged = asyncio.Event()
        self.asked: list[int] = []

    async def wait_for(self, next_offset: int) -> None:
        self.asked.append(next_offset)
        await self.acknowledged.wait()


def settings(mode: str, **sections: Any) -> LogSettings:
    """Settings of a mode."""
    return LogSettings.model_validate({"eventlog": {"durability": mode}, "kafka": KAFKA, **sections})


def test_the_settings_choose_the_mode(tmp_path: Path) -> None:
    """``durable`` by default; ``strict`` without a Kafka is refused by the settings."""
    journal = begun(tmp_path)
    assert type(open_log(LogSettings(), journal, None)) is DurableLog
    assert type(open_log(settings("fast"), journal, Relay())) is FastLog
    assert type(open_log(settings("strict"), journal, Relay())) is StrictLog
    with pytest.raises(ValueError, match=r"strict needs kafka\.bootstrap_servers"):
        LogSettings.model_validate({"eventlog": {"durability": "strict"}})
    asyncio.run(journal.close())


async def test_durable_is_in_the_journal(tmp_path: Path) -> None:
    """When commit returns a reader finds the events."""
    journal = begun(tmp_path)
    events = exchange()
    await DurableLog(journal).commit(events)
    assert ids_in(tmp_path) == ids_of([events])
    await journal.close()


async def test_strict_waits_for_kafka(tmp_path: Path) -> None:
    """For the very offset behind its events; nobody is admitted while Kafka does not acknowledge."""
    journal, relay = begun(tmp_path), Relay()
    log = open_log(settings("strict"), journal, relay)
    assert log.reserve()
    async with asyncio.TaskGroup() as tasks:
        committing = tasks.create_task(log.commit(exchange()))
        while not relay.asked:  # noqa: ASYNC110 - the commit gets there in a few turns of the loop
            await asyncio.sleep(0)
        assert not committing.done()
        assert relay.asked == [journal.next_offset]
        relay.acknowledged.set()
    relay.is_acknowledging = False
    assert not log.reserve()
    await journal.close()


@pytest.mark.parametrize("policy", ["refuse", "degrade"])
async def test_strict_without_an_answer_refuses_or_degrades(tmp_path: Path, policy: str) -> None:
    """After strict.timeout: the connection is closed without its last byte, or the exchange is counted as degraded."""
    journal, relay = begun(tmp_path), Relay()
    relay.is_acknowledging = False
    log = open_log(settings("strict", strict={"timeout_seconds": 0.02, "on_timeout": policy}), journal, relay)
    if policy == "refuse":
        assert not log.reserve()
        with pytest.raises(CommitTimeoutError, match="did not acknowledge"):
            await log.commit(exchange())
    else:
        assert log.reserve()
        await log.commit(exchange())
        assert journal.counters.exchanges_degraded == 1
    assert len(ids_in(tmp_path)) == 3, "the journal has it either way"
    await journal.close()


async def test_fast_is_in_memory_and_then_in_the_journal(tmp_path: Path) -> None:
    """What a crash would lose is shown; closing writes it."""
    journal = begun(tmp_path)
    log = open_log(settings("fast", eventlog={"durability": "fast", "fast_flush_seconds": 60}), journal, None)
    events = exchange()
    await log.commit(events)
    assert journal.counters.unflushed_bytes > 0
    assert ids_in(tmp_path) == []
    await log.close()
    assert ids_in(tmp_path) == ids_of([events])
    assert journal.counters.unflushed_bytes == 0
    await journal.close()


async def test_fast_flushes_by_itself(tmp_path: Path) -> None:
    """After ``eventlog.fast_flush_seconds``."""
    journal = begun(tmp_path)
    log = open_log(settings("fast", eventlog={"durability": "fast", "fast_flush_seconds": 0.01}), journal, None)
    await log.commit(exchange())
    async with asyncio.timeout(40):
        while journal.counters.unflushed_bytes:  # noqa: ASYNC110 - a timer of the loop does it
            await asyncio.sleep(0.005)
    assert len(ids_in(tmp_path)) == 3
    await journal.close()


async def test_fast_memory_is_bounded(tmp_path: Path) -> None:
    """Beyond the bound an exchange is refused, not kept."""
    journal = begun(tmp_path)
    fast = {"durability": "fast", "fast_flush_seconds": 60, "fast_max_bytes": 1000}
    log = open_log(settings("fast", eventlog=fast), journal, None)
    await log.commit(exchange())
    with pytest.raises(CommitFailedError, match="fast_max_bytes"):
        await log.commit(exchange() * 10)
    await log.close()
    await journal.close()


async def test_on_full_drop_answers_and_counts(tmp_path: Path) -> None:
    """Nobody is refused for want of room; what then finds none, or cannot be written, is counted."""
    disk = FailingDisk()
    journal: Journal = begun(tmp_path, disk=disk, max_bytes=60_000, max_exchange_bytes=20_000)
    log = open_log(settings("durable", journal={"on_full": "drop"}), journal, None)
    for _ in range(100):
        assert log.reserve()
        await log.commit(exchange())
        log.release()
    assert journal.counters.exchanges_dropped > 0
    assert journal.counters.records > 0
    await journal.close()


async def test_on_full_drop_survives_a_failing_disk(tmp_path: Path) -> None:
    """The exchange is answered, and counted as undurable."""
    disk = FailingDisk()
    journal = begun(tmp_path, disk=disk)
    log = open_log(settings("durable", journal={"on_full": "drop"}), journal, None)
    disk.fail = lambda call: FULL if call in {"write", "create"} else None
    await log.commit(exchange())
    assert journal.counters.exchanges_undurable == 1
    disk.fail = lambda _call: None
    await journal.close()
