"""The archiver writes every record once, by the hour of its append, whatever clocks, crashes and other archivers do."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from collectors.errors import Halt, Retryable
from collectors.services.archive import archiver, files
from collectors.services.archive.layout import HOUR_MS, MANIFEST, Hour, folder_of
from collectors.services.archive.manifest import newest, read_manifest
from collectors.services.archive.places import FolderPlace
from collectors.services.archive.verify import Verifier, topics_at
from collectors.settings import HostSettings
from sluice.eventlog.interface import EventLogError, Partition
from sluice.eventlog.settings import KafkaSettings
from tests.collectors.services.archive.benches import (
    FORMS,
    HOUR,
    TOPICS,
    Bench,
    archived_of,
    filled,
    in_order,
    problems_of,
)

ANALYTICS = TOPICS.event("analytics").name
FIRST = Partition(ANALYTICS, 0)
MINUTE = 60_000


@pytest.mark.parametrize(("format_", "compression"), FORMS)
async def test_every_record_is_archived_once_byte_for_byte(tmp_path: Path, format_: str, compression: str) -> None:
    """All of a record (key, value, headers, append time, place) is read back as it was, in every form; undecodable
    records, tombstones and records without a key or header too."""
    bench = Bench(tmp_path, format=format_, compression=compression, max_file_bytes=5_000)
    filled(bench.log, hours=3)
    bench.log.put(ANALYTICS, 0, HOUR.start_ms + 3 * HOUR_MS, None)
    bench.log.put(
        ANALYTICS, 0, HOUR.start_ms + 3 * HOUR_MS + 1, b"\xc3\x01no event", [("a", b"\xff"), ("a", b"")], None
    )
    bench.log.put(ANALYTICS, 1, HOUR.start_ms + 3 * HOUR_MS + 1, b"", [("ü", b"x")])
    assert await bench.sweep_all() == 4
    assert await bench.sweep() == 0
    assert in_order(archived_of(bench)) == in_order(bench.log.all)
    assert problems_of(bench) == []


async def test_records_lie_in_the_hour_of_their_append(tmp_path: Path) -> None:
    """Folders are hours of append times; an hour without a record has none."""
    bench = Bench(tmp_path)
    bench.log.add("analytics", 0, [HOUR.start_ms, HOUR.end_ms - 1, HOUR.end_ms, HOUR.start_ms + 5 * HOUR_MS])
    await bench.sweep_all()
    hours = {path.parent.relative_to(bench.folder / ANALYTICS).as_posix() for path in bench.files("**/*.parquet")}
    assert hours == {Hour(HOUR.number + each).folder for each in (0, 1, 5)}
    kept = read_manifest(FolderPlace(bench.folder), ANALYTICS, HOUR)
    assert kept is not None
    assert (kept[0].records, kept[0].late) == (2, 0)


async def test_an_hour_waits_until_it_is_over(tmp_path: Path) -> None:
    """Neither by this host's clock nor by the log's times is it over: nothing is written. By either of them it is."""
    bench = Bench(tmp_path, grace="5m")
    bench.log.add("analytics", 0, [HOUR.start_ms])
    bench.now_ms = HOUR.end_ms + 5 * MINUTE - 1
    assert await bench.sweep() == 0
    assert bench.files("**/*.parquet") == []
    bench.log.add("analytics", 1, [HOUR.end_ms + 5 * MINUTE])  # another partition shows it
    bench.now_ms = 0
    assert await bench.sweep() == 1
    bench.now_ms = HOUR.end_ms + HOUR_MS + 5 * MINUTE
    assert await bench.sweep() == 1


@pytest.mark.parametrize("ahead_ms", [-40 * HOUR_MS, 0, 3 * HOUR_MS, 400 * HOUR_MS])
async def test_a_wrong_clock_loses_and_repeats_nothing(tmp_path: Path, ahead_ms: int) -> None:
    """This host's clock may be days away: each record is archived once, in its own hour or a later one, never in one
    that has not come by any clock."""
    bench = Bench(tmp_path)
    for minute in range(0, 240, 10):
        time = HOUR.start_ms + minute * MINUTE
        bench.log.add("analytics", minute // 10 % 2, [time])
        bench.now_ms = time + ahead_ms
        await bench.sweep()
    await bench.sweep_all()
    assert in_order(archived_of(bench)) == in_order(bench.log.all)
    assert problems_of(bench) == []
    for path in bench.files("**/*.parquet"):
        hour = Hour.parse(path.parent.relative_to(bench.folder / ANALYTICS).as_posix())
        assert hour is not None
        assert HOUR.start_ms <= hour.start_ms <= HOUR.end_ms + max(4 * HOUR_MS, ahead_ms)


async def test_append_times_may_step_back(tmp_path: Path) -> None:
    """A broker whose clock was set back appends behind what is archived: it comes with the next hour, as late."""
    bench = Bench(tmp_path)
    bench.log.add("analytics", 0, [HOUR.start_ms, HOUR.end_ms + 10])
    await bench.sweep_all()
    bench.log.add("analytics", 0, [HOUR.start_ms + 5, HOUR.end_ms + 2 * HOUR_MS])
    await bench.sweep_all()
    found = newest(FolderPlace(bench.folder), ANALYTICS)
    assert found is not None
    assert (found[0].at.number, found[0].records, found[0].late) == (HOUR.number + 3, 2, 1)
    assert problems_of(bench) == []


async def test_files_end_where_the_records_say(tmp_path: Path) -> None:
    """Files follow one another without a hole, and a bound of bytes is held."""
    bench = Bench(tmp_path, max_file_bytes=2_000)
    records = bench.log.add("analytics", 0, [HOUR.start_ms + each for each in range(60)])
    await bench.sweep_all()
    kept = read_manifest(FolderPlace(bench.folder), ANALYTICS, HOUR)
    assert kept is not None
    ranges = [(each.named.first, each.named.last) for each in kept[0].files]
    assert ranges[0][0] == 0
    assert ranges[-1][1] == 59
    assert all(later[0] == (before[1] or 0) + 1 for before, later in itertools.pairwise(ranges))
    size = len(records[0].value or b"")
    assert max((last or 0) - first + 1 for first, last in ranges) <= 2_000 // size + 1


async def test_what_the_log_deleted_first_is_a_gap_and_an_alert(tmp_path: Path) -> None:
    """Retention that overtakes the archiver is never silent: alert, counter, gap in the manifest, problem in verify."""
    bench = Bench(tmp_path)
    bench.log.add("analytics", 0, [HOUR.start_ms + each for each in range(10)])
    await bench.sweep_all()
    bench.log.add("analytics", 0, [HOUR.end_ms + each for each in range(10)])
    bench.log.lose(FIRST, 15)
    await bench.sweep_all()
    found = newest(FolderPlace(bench.folder), ANALYTICS)
    assert found is not None
    assert found[0].partitions[0].gap == ((10, 14),)
    assert found[0].records == 5
    [alert] = bench.published.alerts
    assert (alert["kind"], alert["first"], alert["last"]) == ("archive_gap", "10", "14")
    assert bench.meter.gaps == Counter({ANALYTICS: 5})
    assert [what for _, what in problems_of(bench)] == [
        f"partition {ANALYTICS}/0: offsets 10 to 14 were deleted by the log before they were archived"
    ]


async def test_retention_that_overtakes_in_the_middle_of_an_hour(tmp_path: Path) -> None:
    """What was read before stays, what was lost is a gap, what is left follows."""
    bench = Bench(tmp_path, max_file_bytes=1_000)
    bench.log.add("analytics", 0, [HOUR.start_ms + each for each in range(40)])
    reads = 0

    def lose(what: str) -> None:
        nonlocal reads
        reads += what == "batch"
        if reads == 4:
            raise EventLogError("away")

    bench.log.fails = lose
    with pytest.raises(EventLogError):
        await bench.sweep_all()
    bench.log.fails = lambda _what: None
    bench.log.lose(FIRST, 30)
    assert await bench.sweep_all() == 1
    found = newest(FolderPlace(bench.folder), ANALYTICS)
    assert found is not None
    [gap] = found[0].partitions[0].gap
    assert gap[1] == 29
    assert sorted(each.offset for each in archived_of(bench)) == [*range(gap[0]), *range(30, 40)]
    assert len(problems_of(bench)) == 1


@pytest.mark.parametrize("regrown", [3, 30])
async def test_a_log_that_is_made_anew_is_another_epoch(tmp_path: Path, regrown: int) -> None:
    """Records of another log are never taken for archived ones because they have their offsets, however long it is."""
    bench = Bench(tmp_path)
    before = bench.log.add("analytics", 0, [HOUR.start_ms + each for each in range(10)])
    await bench.sweep_all()
    bench.log.records, bench.log.ends = {}, {}
    after = bench.log.add("analytics", 0, [HOUR.end_ms + each for each in range(regrown)])
    await bench.sweep_all()
    archived = [(each.timestamp, each.value) for each in archived_of(bench)]
    assert sorted(archived) == sorted((each.timestamp, each.value) for each in [*before, *after])
    assert [alert["kind"] for alert in bench.published.alerts] == ["archive_log_anew"]
    assert problems_of(bench) == []
    assert sorted({path.name.split("-")[1] for path in bench.files("**/*.parquet")}) == ["0", "1"]


async def test_a_log_that_looks_the_same_and_has_another_id_is_another_epoch(tmp_path: Path) -> None:
    """The last record that was archived lies there with its time, and it is another topic: by its id that is known, and
    told once. An id that was not known before, or is not told now, tells nothing."""
    bench = Bench(tmp_path)
    [partition] = {Partition(each.topic, each.partition) for each in bench.log.add("analytics", 0, [HOUR.start_ms] * 5)}
    await bench.sweep_all()
    for log_id in ("one", "one", "", "one"):
        bench.log.ids = {partition: log_id} if log_id else {}
        bench.log.add("analytics", 0, [bench.now_ms])
        await bench.sweep_all()
    assert bench.published.alerts == []
    bench.log.ids = {partition: "two"}
    for _ in range(2):
        bench.log.add("analytics", 0, [bench.now_ms])
        await bench.sweep_all()
    assert [alert["kind"] for alert in bench.published.alerts] == ["archive_log_anew"]
    assert (problems_of(bench), len(archived_of(bench))) == ([], 5 + 4 + 5 + 4 + 2)


async def test_a_journal_that_was_put_back_from_a_copy_is_another_epoch(tmp_path: Path) -> None:
    """It has its id, and offsets that go on behind the old end; but what was archived last of it is not there, and what
    was written in its stead lies where all seems archived."""
    bench = Bench(tmp_path)
    bench.host = HostSettings(data_dir=bench.data_dir, kafka=KafkaSettings(namespace="t"))
    before = bench.log.add("analytics", 0, [HOUR.start_ms + each for each in range(10)])
    [partition] = bench.log.records
    bench.log.ids = {partition: "one"}
    await bench.sweep_all()
    bench.log.records[partition], bench.log.ends[partition] = before[:5], 5
    new = bench.log.add("analytics", 0, [HOUR.end_ms, HOUR.end_ms])
    bench.log.ends[partition] = 1_000  # of its next segment
    new += bench.log.add("analytics", 0, [HOUR.end_ms])
    await bench.sweep_all()
    archived = {(each.offset, each.value) for each in archived_of(bench)}
    assert archived == {(each.offset, each.value) for each in [*before, *new]}
    assert [alert["kind"] for alert in bench.published.alerts] == ["archive_log_anew"]
    assert await bench.sweep_all() == 0
    assert problems_of(bench) == []


async def test_two_archivers_make_the_same_archive(tmp_path: Path) -> None:
    """Two hosts archive one log at one time: each record once, one manifest an hour, verify is clean."""
    bench = Bench(tmp_path, max_file_bytes=3_000)
    filled(bench.log, hours=6)
    other = Bench(tmp_path, bench.log, max_file_bytes=3_000)
    other.data_dir = tmp_path / "other"
    other.host = other.host.model_copy(update={"data_dir": other.data_dir})
    bench.log.yields = True
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bench.sweep_all())
        tasks.create_task(other.sweep_all())
    assert in_order(archived_of(bench)) == in_order(bench.log.all)
    assert problems_of(bench) == []


async def test_a_zombie_that_was_slower_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archiver that finds the hour completed by another, with other files, takes its own away and goes on from
    what the other wrote."""
    bench = Bench(tmp_path, max_file_bytes=3_000)
    filled(bench.log, hours=1)
    other = Bench(tmp_path, bench.log, max_file_bytes=1_000)
    real = archiver.Archiver._put_schemas

    def late(self: archiver.Archiver, manifest: Any) -> None:
        monkeypatch.setattr(archiver.Archiver, "_put_schemas", real)
        other.data_dir = tmp_path / "other"
        other.host = other.host.model_copy(update={"data_dir": other.data_dir})
        asyncio.run(other.sweep_all())
        real(self, manifest)

    monkeypatch.setattr(archiver.Archiver, "_put_schemas", late)
    await bench.sweep_all()
    bench.log.add("analytics", 0, [HOUR.end_ms + HOUR_MS])
    await bench.sweep_all()
    assert in_order(archived_of(bench)) == in_order(bench.log.all)
    assert problems_of(bench) == []


@pytest.mark.parametrize("at", range(0, 40, 3))
async def test_a_failure_at_any_step_leaves_what_the_next_sweep_finishes(
    tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever put or read fails: the next sweep goes on, each record is there once, nothing half written is left."""
    bench = Bench(tmp_path, max_file_bytes=2_500)
    filled(bench.log, hours=2, each=12)
    real, calls = FolderPlace.put, 0

    def put(self: FolderPlace, path: str, name: str, body: bytes) -> bool:
        nonlocal calls
        calls += 1
        if calls == at:
            raise Retryable("away")
        done = real(self, path, name, body)
        if calls == at + 1:
            raise Retryable("its answer was lost")
        return done

    monkeypatch.setattr(FolderPlace, "put", put)
    for _ in range(3):
        try:
            await bench.sweep_all()
        except Retryable:
            continue
    assert in_order(archived_of(bench)) == in_order(bench.log.all)
    assert problems_of(bench) == []
    assert bench.files("**/.*") == []


async def test_a_full_disk_halts_nothing_and_declares_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ENOSPC: no manifest, no half file; when there is room again all of it comes."""
    bench = Bench(tmp_path, max_file_bytes=2_500)
    filled(bench.log, hours=1)
    real = os.fsync

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Retryable, match="No space left"):
        await bench.sweep_all()
    monkeypatch.setattr(os, "fsync", real)
    assert bench.files(f"**/{MANIFEST}") == []
    await bench.sweep_all()
    assert in_order(archived_of(bench)) == in_order(bench.log.all)
    assert problems_of(bench) == []


async def test_a_file_that_was_damaged_before_its_manifest_is_not_declared(tmp_path: Path) -> None:
    """What is found in an hour that has no manifest is read before it is named in one; the error says the remedy."""
    bench = Bench(tmp_path, max_file_bytes=2_500)
    filled(bench.log, hours=1)
    await bench.sweep_all()
    folder = bench.folder / folder_of(ANALYTICS, HOUR)
    (folder / MANIFEST).unlink()
    victim = min(folder.glob("*.parquet"))
    victim.write_bytes(victim.read_bytes()[:-9])
    with pytest.raises(Halt, match="remove that file"):
        await bench.sweep()
    victim.unlink()
    await bench.sweep()
    assert in_order(archived_of(bench)) == in_order(bench.log.all)
    assert problems_of(bench) == []


async def test_a_damaged_newest_manifest_stops_it(tmp_path: Path) -> None:
    """Where it goes on is not guessed."""
    bench = Bench(tmp_path)
    filled(bench.log, hours=1)
    await bench.sweep_all()
    path = bench.folder / folder_of(ANALYTICS, HOUR) / MANIFEST
    path.write_bytes(path.read_bytes().replace(b'"records"', b'"record5"', 1))
    with pytest.raises(Halt, match="restore that file"):
        await bench.sweep()


async def test_memory_is_that_of_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many records an hour has, a file is finished when it is large enough: no more is held at once."""
    bench = Bench(tmp_path, max_file_bytes=2_000)
    bench.log.add("analytics", 0, [HOUR.start_ms + each for each in range(200)])
    held: list[int] = []
    real = files.PartitionFiles._put_into

    def note(self: files.PartitionFiles, file: Any, records: Any) -> None:
        real(self, file, records)
        held.append(file.tally.records)

    monkeypatch.setattr(files.PartitionFiles, "_put_into", note)
    await bench.sweep_all()
    assert max(held) <= 12
    assert sorted(topics_at(FolderPlace(bench.folder))) == [ANALYTICS]
    assert Verifier(FolderPlace(bench.folder)).verify([ANALYTICS]).records == 200


async def test_what_was_looked_through_is_not_read_again(tmp_path: Path) -> None:
    """Each record is read from the log once, but for the first of an hour that is looked for."""
    bench = Bench(tmp_path)
    filled(bench.log, hours=4)
    await bench.sweep_all()
    bench.log.reads.clear()
    assert await bench.sweep() == 0
    assert (
        sum(found.end - found.first for _, found in bench.log.reads) <= 6
    )  # each partition's last: is it the same log
