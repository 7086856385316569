"""The journal against a model: a list of exchanges. Whatever happens to the file, what is read is a part of that list.

cut at every byte   exactly the whole entries before the cut survive, and appending goes on with the right numbers
flipped bits        nothing that was not written is ever read, and what lies behind the damage is still found
an old copy         restored beside newer offsets: everything there is read again, nothing is skipped
emptied             by retention, and appended to again
"""

from __future__ import annotations

import asyncio
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from schemas.codec import EncodedEvent
from sluice.eventlog.interface import Boot
from sluice.eventlog.journal.entries import WrittenRecord
from sluice.eventlog.journal.offsets import RELAY_GROUP, load_groups, offset_path, store_offset
from sluice.eventlog.journal.reader import JournalReader
from sluice.eventlog.journal.retention import GroupDetached
from sluice.eventlog.journal.segment import segment_numbers, segment_path
from tests.sluice.eventlog.journal.making import BOOT, begun, exchange, ids_in, ids_of, opened, sequences_in

EXCHANGES = 4


async def written(directory: Path, count: int = EXCHANGES) -> list[list[EncodedEvent]]:
    """A journal of one small segment, as a kill leaves it: without a seal."""
    journal = begun(directory)
    exchanges = [exchange() for _ in range(count)]
    for events in exchanges:
        await journal.append(events)
    shutil.copytree(directory, directory.with_name("killed"))
    await journal.close()
    return exchanges


def entry_ends(directory: Path) -> list[int]:
    """Where each entry of the first segment ends, and where the first begins."""
    reader = JournalReader(directory)
    ends = []
    while reader.read(1):
        assert reader._segment is not None
        ends.append(reader._segment.position)
    reader.close()
    return ends


async def test_a_cut_at_every_byte_keeps_exactly_the_whole_entries(tmp_path: Path) -> None:
    """From the end of the head to the end of the file; every cut is then appended to."""
    exchanges = await written(tmp_path / "journal")
    source = segment_path(tmp_path / "killed", 1)
    data = source.read_bytes()
    ends = entry_ends(tmp_path / "killed")
    first = 2 * ends[0] - ends[1]  # entries of one shape are of one size
    directory = tmp_path / "cut"
    for cut in range(first, len(data) + 1):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        segment_path(directory, 1).write_bytes(data[:cut])
        whole = sum(end <= cut for end in ends)
        journal = opened(directory)
        assert journal.last_boot == (BOOT, dict.fromkeys(("proxy_log", "analytics", "budget"), whole))
        assert journal.counters.cut_bytes == cut - max([first, *(end for end in ends if end <= cut)])
        journal.begin(BOOT)
        more = exchange()
        journal.write_now(more)
        await journal.close()
        assert ids_in(directory) == ids_of([*exchanges[:whole], more])
    assert all(numbers == list(range(1, EXCHANGES + 2)) for numbers in sequences_in(directory).values())


async def test_a_cut_inside_the_head_is_a_segment_without_entries(tmp_path: Path) -> None:
    """Such a file cannot come from a crash (a segment gets its name when its head is whole), but from a bad copy."""
    await written(tmp_path / "journal")
    data = segment_path(tmp_path / "killed", 1).read_bytes()
    for cut in (0, 1, 100, 4096, 8191):
        directory = tmp_path / f"cut{cut}"
        directory.mkdir()
        segment_path(directory, 1).write_bytes(data[:cut])
        journal = begun(directory)
        events = exchange()
        await journal.append(events)
        await journal.close()
        assert ids_in(directory)[-3:] == ids_of([events])


def records_of(directory: Path) -> list[WrittenRecord]:
    """Everything a reader finds."""
    reader = JournalReader(directory)
    found: list[WrittenRecord] = []
    while records := reader.read(100):
        found += records
    reader.close()
    return found


async def test_flipped_bits_never_make_a_record(tmp_path: Path) -> None:
    """Any bit of any byte: what is read was written, in order, and only the entry that was hit is missing."""
    await written(tmp_path / "journal")
    directory = tmp_path / "killed"
    path = segment_path(directory, 1)
    data = path.read_bytes()
    truth = records_of(directory)
    ends = entry_ends(directory)
    first = 2 * ends[0] - ends[1]
    random.seed(7)
    for at in random.sample(range(first, len(data)), 600):
        damaged = bytearray(data)
        damaged[at] ^= 1 << random.randrange(8)
        path.write_bytes(damaged)
        segment_path(directory, 2).write_bytes(b"")  # a later segment: this one is final
        found = records_of(directory)
        hit = next(number for number, end in enumerate(ends) if at < end)
        assert found == [record for number, record in enumerate(truth) if number // 3 != hit]


async def test_flipped_bits_in_the_head_are_survived(tmp_path: Path) -> None:
    """The header lies there twice; one damaged copy hides nothing."""
    exchanges = await written(tmp_path / "journal")
    directory = tmp_path / "killed"
    path = segment_path(directory, 1)
    data = path.read_bytes()
    random.seed(11)
    for at in random.sample(range(8192), 100):
        damaged = bytearray(data)
        damaged[at] ^= 1 << random.randrange(8)
        path.write_bytes(damaged)
        assert ids_in(directory) == ids_of(exchanges)


async def test_an_old_copy_beside_newer_offsets_is_read_again(tmp_path: Path) -> None:
    """Somebody restores yesterday's directory: the group's offset names a segment that is not there, or another one."""
    directory = tmp_path / "journal"
    journal = begun(directory)
    old = [exchange() for _ in range(3)]
    for events in old:
        await journal.append(events)
    await journal.close()
    shutil.copytree(directory, tmp_path / "copy")
    journal = begun(directory, Boot("gateway-1", "w0", "boot-2"))
    for _ in range(5):
        await journal.append(exchange())
    await journal.close()
    reader = JournalReader(directory)
    while records := reader.read(100):
        store_offset(offset_path(tmp_path / "copy", "group"), reader.committed(records[-1].offset + 1))
    reader.close()

    restored = begun(tmp_path / "copy", Boot("gateway-1", "w0", "boot-3"))
    new = exchange()
    await restored.append(new)
    await restored.close()
    assert min(segment_numbers(tmp_path / "copy")[1:]) > 2, "numbers go on behind what was committed"
    again = JournalReader(tmp_path / "copy", load_groups(tmp_path / "copy")["group"])
    found = [record.event_id.decode() for record in again.read(100)]
    assert found == ids_of([*old, new])
    assert again.counters.offset_mismatches == 1
    again.close()


async def test_another_segment_under_the_same_number_is_noticed(tmp_path: Path) -> None:
    """An offset carries its segment's id: record 3 of another segment is another record."""
    journal = begun(tmp_path / "one")
    for _ in range(2):
        await journal.append(exchange())
    await journal.close()
    reader = JournalReader(tmp_path / "one")
    committed = reader.committed(reader.read(100)[-1].offset + 1)
    reader.close()
    other = begun(tmp_path / "two")
    exchanges = [exchange() for _ in range(4)]
    for events in exchanges:
        await other.append(events)
    await other.close()
    again = JournalReader(tmp_path / "two", committed)
    assert [record.event_id.decode() for record in again.read(100)] == ids_of(exchanges)
    assert again.counters.offset_mismatches == 1
    again.close()


@pytest.mark.parametrize("embedded", [True, False])
async def test_emptied_by_retention_and_appended_to_again(tmp_path: Path, embedded: bool) -> None:
    """Whole segments go when everybody has them; numbers and counts go on, also over a restart."""
    group = "collectors" if embedded else RELAY_GROUP
    now = [1_000_000_000_000_000]
    options: dict[str, Any] = {"embedded": embedded, "clock": lambda: now[0], "segment_max_bytes": 30_000}
    journal = begun(tmp_path, retention_seconds=60, **options)
    for _ in range(20):
        await journal.append(exchange())
    reader = JournalReader(tmp_path)
    while records := reader.read(100):
        store_offset(offset_path(tmp_path, group), reader.committed(records[-1].offset + 1))
    now[0] += 120_000_000
    await journal.append(exchange())
    journal.housekeep()
    journal.housekeep()
    assert len(segment_numbers(tmp_path)) <= 2
    assert journal.counters.segments_removed > 0
    total = journal.total_records
    await journal.close()
    again = begun(tmp_path, Boot("gateway-1", "w0", "boot-2"), **options)
    assert again.total_records == total
    events = exchange()
    await again.append(events)
    found = [record.event_id.decode() for record in reader.read(100)]
    assert found[-3:] == ids_of([events]), "the reader goes on where it was"
    reader.close()
    await again.close()


async def test_what_a_group_has_not_read_is_kept(tmp_path: Path) -> None:
    """Old or not: an attached group holds its segments, until it is further behind than it may be."""
    now = [1_000_000_000_000_000]
    journal = begun(
        tmp_path, clock=lambda: now[0], segment_max_bytes=30_000, retention_seconds=1, max_lag_bytes=10_000_000
    )
    reader = JournalReader(tmp_path)
    store_offset(offset_path(tmp_path, "slow"), reader.committed(0))
    for _ in range(20):
        await journal.append(exchange())
    now[0] += 10_000_000_000
    assert journal.housekeep() == []
    assert segment_numbers(tmp_path)[0] == 1
    reader.close()
    await journal.close()


async def test_a_group_that_is_too_far_behind_is_detached_and_said_so(tmp_path: Path) -> None:
    """It no longer holds space, an alert is in the journal, and the journal stays within its bound."""
    journal = begun(
        tmp_path, segment_max_bytes=30_000, max_bytes=200_000, max_exchange_bytes=10_000, max_lag_bytes=50_000
    )
    store_offset(offset_path(tmp_path, "slow"), JournalReader(tmp_path).committed(0))
    detached: list[GroupDetached] = []
    async with asyncio.timeout(60):
        while not detached:
            await journal.append(exchange())
            detached = journal.housekeep()
    assert detached[0].group == "slow"
    assert segment_numbers(tmp_path)[0] > 1
    alerts = [record for record in records_of(tmp_path) if record.topic == "sluice.alert.v1"]
    assert b"group_detached" in (alerts[0].value or b"")
    await journal.close()


async def test_an_empty_read_means_the_end(tmp_path: Path) -> None:
    """However much lies before the start: a relay that took it for the end would leave out what is behind (seen)."""
    journal = begun(tmp_path)
    for _ in range(30):
        await journal.append(exchange())
    reader = JournalReader(tmp_path)
    committed = reader.committed(reader.read(1000)[-1].offset + 1)
    reader.close()
    events = exchange()
    await journal.append(events)
    again = JournalReader(tmp_path, committed)
    assert [record.event_id.decode() for record in again.read(10, max_bytes=100)] == ids_of([events])
    again.close()
    await journal.close()
