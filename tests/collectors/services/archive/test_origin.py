"""Archives as origins of jobs: what the service archived comes as the log had it, what sinks wrote as its events."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from collectors.columns import Decoder
from collectors.deliveries import Delivery
from collectors.jobs.interface import Origin
from collectors.jobs.sums import Sums
from collectors.operations.running import UsageError
from collectors.services.archive.index import UnreadableError
from collectors.services.archive.layout import HOUR_MS, folder_of
from collectors.services.archive.origin import ArchiveOrigin, SinkFilesOrigin, open_archive, passed_by
from collectors.sinks.file.settings import FileSettings
from collectors.sinks.file.sink import FileSink
from collectors.tracker import Lane
from schemas.codec import SchemaBook
from sluice.eventlog.interface import Partition, PolledRecord
from sluice.eventlog.ranges import OffsetRange
from tests.collectors.events import TOPICS as SINK_TOPICS
from tests.collectors.events import make_record, numbered
from tests.collectors.frames import delivery_of, frame_of_records
from tests.collectors.services.archive.benches import FORMS, HOUR, TOPICS, Bench, facts, filled, in_order

ALL = sorted(TOPICS.events())
ANALYTICS = TOPICS.event("analytics").name
FIRST = Partition(ANALYTICS, 0)


async def read_all(origin: Origin, topics: Sequence[str], **ranges: OffsetRange) -> list[PolledRecord]:
    """Everything, in the order in which it comes."""
    wanted = await origin.ranges(topics)
    found: list[PolledRecord] = []
    async for partition, records in origin.read(wanted, topics):
        assert partition in wanted
        found += records
    return found


@pytest.mark.parametrize(("format_", "compression"), FORMS)
async def test_the_archive_gives_what_the_log_had(tmp_path: Path, format_: str, compression: str) -> None:
    """Byte for byte, each once, in order in each partition; ranges and lookups by time are the log's own."""
    bench = Bench(tmp_path, format=format_, compression=compression, max_file_bytes=4_000)
    filled(bench.log, hours=3)
    await bench.sweep_all()
    origin = open_archive(str(bench.folder), None)
    assert isinstance(origin, ArchiveOrigin)
    found = await read_all(origin, ALL)
    assert in_order(found) == in_order(bench.log.all)
    assert [facts(each) for each in found if each.topic == ANALYTICS and each.partition == 0] == [
        facts(each) for each in bench.log.records[FIRST]
    ]
    ranges = await origin.ranges(ALL)
    assert ranges == await bench.log.ranges(ALL)
    for moment in (0, HOUR.start_ms, HOUR.start_ms + 90_000, HOUR.end_ms, HOUR.end_ms + 3 * HOUR_MS):
        assert await origin.offsets_at(ranges, moment) == await bench.log.offsets_at(ranges, moment)
    assert await origin.lost(ranges) == {}
    await origin.close()


async def test_ranges_of_offsets_are_held(tmp_path: Path) -> None:
    """From the first on, before the end; only files are opened that may hold them."""
    bench = Bench(tmp_path, max_file_bytes=3_000)
    bench.log.add("analytics", 0, [HOUR.start_ms + each for each in range(100)])
    await bench.sweep_all()
    for path in bench.files("**/*.parquet")[3:]:
        path.unlink()  # what is not wanted is not missed
    origin = ArchiveOrigin(open_archive(str(bench.folder), None)._place, passes_by=False)  # type: ignore[attr-defined]
    found = [each async for _, part in origin.read({FIRST: OffsetRange(5, 12)}, [ANALYTICS]) for each in part]
    assert [each.offset for each in found] == list(range(5, 12))


async def test_an_hour_that_is_not_complete_can_be_read(tmp_path: Path) -> None:
    """Its files are taken by their names; what two archivers have both is read once."""
    bench = Bench(tmp_path, max_file_bytes=3_000)
    filled(bench.log, hours=1)
    await bench.sweep_all()
    other = Bench(tmp_path / "other", bench.log, max_file_bytes=1_000)
    await other.sweep_all()
    folder = folder_of(ANALYTICS, HOUR)
    for path in (other.folder / folder).glob("*.parquet"):
        (bench.folder / folder / path.name).write_bytes(path.read_bytes())
    (bench.folder / folder / "manifest.json").unlink()
    found = await read_all(open_archive(str(bench.folder), None), ALL)
    assert in_order(found) == in_order(bench.log.all)


async def test_gaps_are_told_as_lost(tmp_path: Path) -> None:
    """What the log deleted before it was archived is missed by a replay from the archive too, and it is said."""
    bench = Bench(tmp_path)
    bench.log.add("analytics", 0, [HOUR.start_ms + each for each in range(10)])
    await bench.sweep_all()
    bench.log.add("analytics", 0, [HOUR.end_ms + each for each in range(10)])
    bench.log.lose(FIRST, 15)
    await bench.sweep_all()
    origin = open_archive(str(bench.folder), None)
    assert await origin.lost(await origin.ranges(ALL)) == {FIRST: 5}


async def test_a_damaged_file_is_named_and_passed_by_only_with_yes(tmp_path: Path) -> None:
    """Nothing of it is read; how many records that leaves out is said."""
    bench = Bench(tmp_path, max_file_bytes=3_000)
    bench.log.add("analytics", 0, [HOUR.start_ms + each for each in range(50)])
    await bench.sweep_all()
    victim, gone = bench.files("**/*.parquet")[1:3]
    victim.write_bytes(victim.read_bytes()[:-20] + b"x" * 20)
    gone.unlink()
    with pytest.raises(UnreadableError, match=victim.name):
        await read_all(open_archive(str(bench.folder), None), ALL)
    origin = open_archive(str(bench.folder), None, passes_by=True)
    found = await read_all(origin, ALL)
    assert isinstance(origin, ArchiveOrigin)
    assert {Path(name).name for name in origin.passed_by} == {victim.name, gone.name}
    assert sorted(passed_by(origin)) == [
        f"{name} was passed by: it {why}" for name, why in sorted(origin.passed_by.items())
    ]
    left_out = sum(int(why.split("; ")[1].split(" ")[0]) for why in origin.passed_by.values())
    assert len(found) == 50 - left_out


async def test_another_epoch_is_another_partition(tmp_path: Path) -> None:
    """Offsets of a log that was made anew are not taken for those before."""
    bench = Bench(tmp_path)
    before = bench.log.add("analytics", 0, [HOUR.start_ms + each for each in range(10)])
    await bench.sweep_all()
    bench.log.records, bench.log.ends = {}, {}
    after = bench.log.add("analytics", 0, [HOUR.end_ms + each for each in range(4)])
    await bench.sweep_all()
    origin = open_archive(str(bench.folder), None)
    assert set(await origin.ranges(ALL)) == {FIRST, Partition(f"{ANALYTICS}@epoch-0", 0)}
    found = await read_all(origin, ALL)
    assert sorted(each.value or b"" for each in found) == sorted(each.value or b"" for each in [*before, *after])


def test_a_folder_without_an_archive_is_refused(tmp_path: Path) -> None:
    """The error says what was looked for."""
    with pytest.raises(UsageError, match="neither an archive nor files"):
        open_archive(str(tmp_path), None)
    with pytest.raises(UsageError, match="is no folder"):
        open_archive(str(tmp_path / "nothing"), None)


SINK_FORMS: tuple[dict[str, Any], ...] = (
    {"format": "jsonl"},
    {"format": "jsonl", "compression": "gzip"},
    {"format": "jsonl", "compression": "zstd"},
    {"format": "parquet", "compression": "zstd"},
)


async def sink_files(folder: Path, records: Sequence[Any], form: dict[str, Any]) -> None:
    """As ``sink://file`` writes them."""
    sink = FileSink(FileSettings.model_validate({"output_directory": str(folder), **form}), folder, owner="t/t")
    await sink.start()
    delivery, lane = Delivery(), Lane(Partition(records[0].topic, 0))
    lane.deliver(records)
    delivery.add_lane(records, lane)
    [frame] = Decoder(SchemaBook()).decode(delivery).frames
    assert (await sink.write(sink.prepare(frame).documents)).cause is None
    await sink.close()


@pytest.mark.parametrize("form", SINK_FORMS)
@pytest.mark.parametrize("kind", ["analytics", "proxy_log", "budget"])
async def test_files_of_sinks_give_the_same_events(tmp_path: Path, kind: Any, form: dict[str, Any]) -> None:
    """Rows are events again: every column equal, money and ids exact, sums the same."""
    records = numbered([make_record(kind) for _ in range(30)])
    await sink_files(tmp_path / "files", records, form)
    origin = open_archive(str(tmp_path / "files"), None)
    assert isinstance(origin, SinkFilesOrigin)
    topic = SINK_TOPICS.event(kind).name
    found = await read_all(origin, [topic])
    assert [each.offset for each in found] == list(range(30))
    decoded = origin.decoder(SchemaBook()).decode(delivery_of(found))
    assert len(decoded.poison) == 0
    [frame] = decoded.frames
    wanted = frame_of_records(SchemaBook(), records)
    assert frame.rows.equals(wanted.rows)
    here, there = Sums(), Sums()
    here.add(kind, frame.rows)
    there.add(kind, wanted.rows)
    assert here.as_dict() == there.as_dict()


async def test_what_is_wrong_in_files_of_sinks_is_named(tmp_path: Path) -> None:
    """CSV has no ids; a file that is cut, and a row that is no event, are not taken for whole."""
    records = numbered([make_record() for _ in range(30)])
    await sink_files(tmp_path / "files", records, {"format": "jsonl", "compression": "gzip"})
    [path] = (tmp_path / "files").glob("*.jsonl.gz")
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    with pytest.raises(UnreadableError, match=path.name):
        await read_all(open_archive(str(tmp_path / "files"), None), [SINK_TOPICS.event("analytics").name])
    lines = gzip.decompress(whole).splitlines(keepends=True)
    lines[3] = lines[3].replace(b'"cost_nanos":123456789', b'"cost_nanos":"x"')
    lines[5] = lines[5].replace(b'"gateway_id"', b'"gateway"')
    path.write_bytes(gzip.compress(b"".join(lines)))
    origin = open_archive(str(tmp_path / "files"), None)
    found = await read_all(origin, [SINK_TOPICS.event("analytics").name])
    decoded = origin.decoder(SchemaBook()).decode(delivery_of(found))
    assert [each.reason for each in decoded.poison.errors] == ["bad_document", "bad_document"]
    assert [frame.rows.height for frame in decoded.frames] == [28]
    path.rename(path.with_name(path.name.replace(".jsonl.gz", ".csv")))
    with pytest.raises(UnreadableError, match="CSV"):
        await read_all(open_archive(str(tmp_path / "files"), None), [SINK_TOPICS.event("analytics").name])


async def test_decoders_are_the_collectors_own(tmp_path: Path) -> None:
    """Of the service's archive; its schemas lie beside the events."""
    bench = Bench(tmp_path)
    filled(bench.log, hours=1)
    await bench.sweep_all()
    origin = open_archive(str(bench.folder), None)
    assert isinstance(origin.decoder(SchemaBook()), Decoder)
    assert len(await origin.read_schemas()) == 3
