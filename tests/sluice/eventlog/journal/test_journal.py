"""The journal's promise: what an append returned for is there after anything but the loss of the file."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sluice.eventlog.interface import Boot, CommitFailedError, CommitTimeoutError, Record
from sluice.eventlog.journal.entries import WrittenRecord
from sluice.eventlog.journal.lock import JournalBusyError
from sluice.eventlog.journal.offsets import split_offset
from sluice.eventlog.journal.reader import JournalReader
from sluice.eventlog.journal.segment import segment_numbers
from tests.sluice.eventlog.journal.making import (
    BOOT,
    FailingDisk,
    begun,
    exchange,
    ids_in,
    ids_of,
    opened,
    sequences_in,
)

FULL = OSError(errno.ENOSPC, "no space left on device")


async def test_what_was_appended_is_read_back(tmp_path: Path) -> None:
    """All events of all exchanges, in order, with offsets that rise by one."""
    journal = begun(tmp_path)
    exchanges = [exchange() for _ in range(20)]
    offsets = await asyncio.gather(*(journal.append(events) for events in exchanges))
    assert ids_in(tmp_path) == ids_of(exchanges)
    assert [split_offset(offset) for offset in offsets] == [(1, 3 * at) for at in range(1, 21)]
    assert journal.next_offset == offsets[-1]
    assert journal.counters.batches == 1, "what arrives in one turn of the loop is one write"
    await journal.close()


async def test_sequences_have_no_gap_over_boots_and_segments(tmp_path: Path) -> None:
    """Each boot and kind counts 1, 2, 3 …; the same boot goes on where it was, another begins anew."""
    journal = begun(tmp_path, segment_max_bytes=40_000)
    for _ in range(30):
        await journal.append(exchange())
    await journal.close()
    assert len(segment_numbers(tmp_path)) > 1
    again = begun(tmp_path)
    await again.append(exchange())
    again.begin(Boot("gateway-1", "w0", "boot-2"))
    await again.append(exchange())
    await again.close()
    found = sequences_in(tmp_path)
    # the events themselves name one boot here; what is counted is the order in which numbers were given
    assert all(numbers == [*range(1, 32), 1] for numbers in found.values())


async def test_a_second_opener_is_told_who_holds_it(tmp_path: Path) -> None:
    """One writer per journal; the error names the process and what to do."""
    journal = begun(tmp_path)
    with pytest.raises(
        JournalBusyError, match=rf"held by process {os.getpid()}; one process writes to a journal: stop that one"
    ):
        opened(tmp_path)
    await journal.close()
    await opened(tmp_path).close()


def test_a_kill_leaves_what_was_acknowledged(tmp_path: Path) -> None:
    """kill -9 of the writer: every append that returned is there, and the end is known not to be clean."""
    script = (
        "import asyncio, sys, pathlib\n"
        "from tests.sluice.eventlog.journal.making import begun, exchange\n"
        "async def main():\n"
        "    journal = begun(pathlib.Path(sys.argv[1]))\n"
        "    while True:\n"
        "        events = exchange()\n"
        "        await journal.append(events)\n"
        "        print(events[0].event_id, flush=True)\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(50)]
        os.kill(process.pid, signal.SIGKILL)
        acknowledged += [line.strip() for line in process.stdout if line.endswith("\n")]
    found = ids_in(tmp_path)
    assert [event_id for event_id in found if event_id.endswith("-p")][: len(acknowledged)] == acknowledged
    journal = opened(tmp_path)
    assert journal.last_boot is not None
    assert journal.last_boot[0] == BOOT
    assert journal.last_boot[1]["proxy_log"] * 3 == len(found)
    assert not journal.closed_cleanly
    asyncio.run(journal.close())


async def test_a_clean_end_is_known(tmp_path: Path) -> None:
    """After close the last segment is sealed; an empty journal has no boot."""
    assert opened(tmp_path / "empty").last_boot is None
    journal = begun(tmp_path / "used")
    await journal.append(exchange())
    await journal.close()
    await journal.close()
    again = opened(tmp_path / "used")
    assert again.closed_cleanly
    await again.close()


async def test_a_closed_journal_takes_nothing(tmp_path: Path) -> None:
    """Neither does one that is not begun: an append fails at once instead of waiting for ever."""
    journal = opened(tmp_path)
    with pytest.raises(CommitFailedError):
        await journal.append(exchange())
    journal.begin(BOOT)
    await journal.close()
    with pytest.raises(CommitFailedError):
        await journal.append(exchange())


@pytest.mark.parametrize("sync", ["none", "full"])
async def test_a_full_disk_loses_only_what_it_refused(tmp_path: Path, sync: str) -> None:
    """The failed group is not there, not even in part; the next one is, and no number was used up."""
    disk = FailingDisk()
    journal = begun(tmp_path, disk=disk, sync=sync)
    before, after = exchange(), exchange()
    await journal.append(before)
    disk.fail = lambda call: FULL if call == "write" else None
    disk.short_bytes = 100
    for _ in range(3):
        with pytest.raises(CommitFailedError, match="no space left"):
            await journal.append(exchange())
    disk.fail, disk.short_bytes = (lambda _call: None), None
    await journal.append(after)
    await journal.close()
    assert ids_in(tmp_path) == ids_of([before, after])
    assert all(numbers == [1, 2] for numbers in sequences_in(tmp_path).values())


async def test_while_a_torn_end_cannot_be_cut_nothing_is_appended(tmp_path: Path) -> None:
    """What would lie behind damage could be taken for lost; so the group fails until the cut succeeds."""
    disk = FailingDisk()
    journal = begun(tmp_path, disk=disk)
    disk.short_bytes = 50
    disk.fail = lambda call: FULL if call in {"write", "truncate"} else None
    for _ in range(2):
        with pytest.raises(CommitFailedError):
            await journal.append(exchange())
    disk.fail, disk.short_bytes = (lambda _call: None), None
    events = exchange()
    await journal.append(events)
    await journal.close()
    assert ids_in(tmp_path) == ids_of([events])


async def test_a_disk_that_does_not_answer_is_a_timeout_and_admits_nobody(tmp_path: Path) -> None:
    """With sync: the waiters are told after the bound, nothing is admitted meanwhile, and it recovers by itself."""
    hang = threading.Event()

    class SlowDisk(FailingDisk):
        def sync(self, descriptor: int) -> None:
            hang.wait(60)
            super().sync(descriptor)

    hang.set()
    journal = begun(tmp_path, disk=SlowDisk(), sync="full", commit_timeout_seconds=1)
    hang.clear()
    with pytest.raises(CommitTimeoutError):
        await journal.append(exchange())
    assert not journal.room.reserve()
    hang.set()
    async with asyncio.timeout(40):
        while journal.room.is_stuck:  # noqa: ASYNC110 - the thread's end reaches the loop when it does
            await asyncio.sleep(0.005)
    assert journal.room.reserve()
    await journal.append(exchange())
    await journal.close()
    assert len(ids_in(tmp_path)) == 6, "what was late is written all the same"


async def test_segments_roll_by_size_and_by_age(tmp_path: Path) -> None:
    """A full segment is followed by another; so is an old one, unless it is empty."""
    now = [1_000_000_000]
    journal = begun(tmp_path, clock=lambda: now[0], segment_max_age_seconds=60)
    now[0] += 61_000_000
    journal.housekeep()
    assert segment_numbers(tmp_path) == [1]
    await journal.append(exchange())
    journal.housekeep()
    assert segment_numbers(tmp_path) == [1, 2]
    await journal.append(exchange())
    assert len(ids_in(tmp_path)) == 6
    await journal.close()


async def test_listeners_get_each_durable_batch_in_order(tmp_path: Path) -> None:
    """With offsets, ids, headers and values as a reader finds them."""
    heard: list[WrittenRecord] = []
    journal = begun(tmp_path)
    journal.subscribe(heard.extend)
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await asyncio.gather(journal.append(exchange(traceparent)), journal.append(exchange()))
    await journal.append_records([Record("sluice.alert.v1", b"k", None, (("a", b"\xff"),))])
    await journal.close()
    reader = JournalReader(tmp_path)
    assert reader.read(100) == heard
    assert heard[0].headers == (("traceparent", traceparent.encode()),)
    assert heard[-1].headers == (("a", b"\xff"),)
    assert heard[-1].value is None
    reader.close()


async def test_nobody_may_listen_from_the_middle_of_a_write(tmp_path: Path) -> None:
    """Of the group in the thread a new listener would never hear; before and behind it that cannot happen."""
    journal = begun(tmp_path, sync="full")
    heard: list[WrittenRecord] = []
    written = journal.submit(exchange())
    await asyncio.sleep(0)  # now it is in the thread
    with pytest.raises(RuntimeError, match="before the first write"):
        journal.subscribe(heard.extend)
    await written
    journal.subscribe(heard.extend)
    await journal.append(exchange())
    assert len(heard) == 3
    await journal.close()


async def test_event_ids_are_found_behind_a_mark(tmp_path: Path) -> None:
    """Recovery searches from the place that a slot remembers, over segments, and no further back."""
    journal = begun(tmp_path, segment_max_bytes=30_000)
    first = [exchange() for _ in range(3)]
    for events in first:
        await journal.append(events)
    mark = journal.mark()
    later = [exchange() for _ in range(30)]
    for events in later:
        await journal.append(events)
    assert list(journal.event_ids_since(mark)) == ids_of(later)
    assert len(segment_numbers(tmp_path)) > 1
    await journal.close()


async def test_room_is_set_aside_and_bounded(tmp_path: Path) -> None:
    """As many exchanges are admitted as surely fit; refusals may not use the last fifth."""
    journal = begun(tmp_path, max_bytes=10 << 20, max_exchange_bytes=1 << 20)
    assert [journal.room.reserve() for _ in range(12)].count(True) == 9, "what lies there already counts too"
    assert not journal.room.has_room_for_refusals()
    for _ in range(9):
        journal.room.release()
    assert journal.room.has_room_for_refusals()
    await journal.close()


async def test_a_new_segment_that_cannot_be_made_leaves_the_old_one(tmp_path: Path) -> None:
    """Rolling is not worth an exchange: appends go on where they were."""
    disk = FailingDisk()
    journal = begun(tmp_path, disk=disk, segment_max_bytes=30_000)
    disk.fail = lambda call: FULL if call == "create" else None
    exchanges = [exchange() for _ in range(20)]
    for events in exchanges:
        await journal.append(events)
    assert segment_numbers(tmp_path) == [1]
    assert journal.counters.housekeeping_failures > 0
    await journal.close()
    assert ids_in(tmp_path) == ids_of(exchanges)
