"""Ranges of journals: what only files can do to them. The rest is ``tests/contracts/test_ranges.py``."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.topics import Topics
from sluice.eventlog.interface import Boot, OffsetLostError, Partition
from sluice.eventlog.journal.journal import Journal
from sluice.eventlog.journal.ranges import JournalRanges
from sluice.eventlog.journal.segment import segment_numbers, segment_path
from sluice.eventlog.modes import DurableLog
from sluice.eventlog.places import gateway_journal
from sluice.eventlog.ranges import OffsetRange
from sluice.eventlog.settings import JournalSettings
from tests.sluice.eventlog.journal.making import exchange

TOPICS = Topics("test", 1)
BUDGET = TOPICS.event("budget").name


async def write(data_dir: Path, worker: str, boots: int, exchanges: int = 3) -> Path:
    """A journal of as many segments as boots, a number of exchanges in each."""
    directory = gateway_journal(data_dir, "gateway", worker)
    for boot in range(boots):
        journal = Journal(directory, JournalSettings(), TOPICS, embedded=True)
        journal.begin(Boot("gateway", worker, f"boot-{boot}"))
        log = DurableLog(journal)
        for _ in range(exchanges):
            await log.commit(exchange())
        await journal.close()
    return directory


async def read(data_dir: Path, ranges: dict[Partition, OffsetRange] | None = None) -> list[int]:
    """The offsets of budget events."""
    reader = JournalRanges(data_dir)
    wanted = ranges if ranges is not None else await reader.ranges([BUDGET])
    return [record.offset async for records in reader.read(wanted, [BUDGET]) for record in records]


async def test_every_journal_and_every_segment_is_read(tmp_path: Path) -> None:
    """Workers are partitions; a boot begins a segment."""
    await write(tmp_path, "w0", 3)
    await write(tmp_path, "w1", 1)
    assert len(await JournalRanges(tmp_path).ranges([BUDGET])) == 2
    assert len(await read(tmp_path)) == 12


async def test_a_torn_end_is_no_record(tmp_path: Path) -> None:
    """What a kill left half written is behind the range's end."""
    directory = await write(tmp_path, "w0", 1)
    path = segment_path(directory, segment_numbers(directory)[-1])
    whole = await read(tmp_path)
    path.write_bytes(path.read_bytes()[:-150])  # the seal, and the end of the last entry
    assert len(await read(tmp_path)) == len(whole) - 1


async def test_a_segment_that_vanishes_under_a_range_is_told(tmp_path: Path) -> None:
    """One that was to be read, whether the first of the range or a later one."""
    directory = await write(tmp_path, "w0", 3)
    ranges = dict(await JournalRanges(tmp_path).ranges([BUDGET]))
    segment_path(directory, segment_numbers(directory)[0]).unlink()
    with pytest.raises(OffsetLostError, match="retention"):
        await read(tmp_path, ranges)


async def test_a_journal_that_is_gone_is_told(tmp_path: Path) -> None:
    """A range of a directory that was removed is not simply empty."""
    with pytest.raises(OffsetLostError, match="is gone"):
        await read(tmp_path, {Partition("gateway/w9", 0): OffsetRange(0, 5)})


async def test_a_host_without_journals_has_nothing(tmp_path: Path) -> None:
    """Not even a folder is needed."""
    assert await read(tmp_path / "nothing") == []
