"""The archive beside the log: each record that both should have, and is another or missing, is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.services.archive.against_log import Comparison
from collectors.services.archive.places import FolderPlace
from collectors.services.archive.verify import Found, Span, topics_at
from sluice.eventlog.interface import Partition, StoredRecord
from tests.collectors.services.archive.benches import HOUR, TOPICS, Bench, filled

FIRST = Partition(TOPICS.event("analytics").name, 0)


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    """Two hours."""
    made = Bench(tmp_path, max_file_bytes=3_000)
    filled(made.log, hours=2)
    await made.sweep_all()
    return made


async def compared(bench: Bench, span: Span | None = None) -> Found:
    """With what its log says now."""
    found, place = Found(), FolderPlace(bench.folder)
    await Comparison(place, bench.log, found).compare(topics_at(place), span or Span(), lambda *_: None)
    return found


async def test_what_is_the_same_is_counted(bench: Bench) -> None:
    """All of it; of a span its own; of a log that retention shortened what is left."""
    everything = len(bench.log.all)
    assert ((await compared(bench)).compared, (await compared(bench)).problems) == (everything, [])
    assert (await compared(bench, Span(HOUR.number, HOUR.number + 1))).compared == everything // 2
    bench.log.lose(FIRST, 33)
    assert ((await compared(bench)).compared, (await compared(bench)).problems) == (everything - 33, [])


@pytest.mark.parametrize("field", ["value", "key", "timestamp", "headers"])
async def test_another_record_is_named(bench: Bench, field: str) -> None:
    """In whatever it differs."""
    record = bench.log.records[FIRST][25]
    other = {"value": b"x", "key": None, "timestamp": record.timestamp + 1, "headers": ()}
    setattr(record, field, other[field])
    [problem] = (await compared(bench)).problems
    assert problem.what == "offset 25 is another record in the log"


async def test_missing_and_surplus_records_are_named(bench: Bench) -> None:
    """With their offsets; of many the first ones, and how many more."""
    records = bench.log.records[FIRST]
    removed = records.pop(5)
    [problem] = (await compared(bench)).problems
    assert problem.what == "offset 5 is archived, and the log has no such record"
    records.insert(5, removed)
    for path in bench.files(f"{FIRST.topic}/**/{FIRST.topic}-0-0-*.parquet")[1:2]:
        path.unlink()
    assert (await compared(bench)).problems == []  # a missing file is named by verify, not once for each record
    for record in records:
        record.value = b"other"
    told = (await compared(bench)).problems
    assert any("differences more" in each.what for each in told)


async def test_another_log_s_epoch_is_not_compared(bench: Bench) -> None:
    """What was archived of it is nobody's to compare with."""
    bench.log.records, bench.log.ends = {}, {}
    bench.log.add("analytics", 0, [HOUR.start_ms + 9 * 3_600_000])
    await bench.sweep_all()
    found = await compared(bench)
    assert (found.problems, found.compared) == ([], 1)


def test_records_are_compared_whole() -> None:
    """Offset and place are what they are found by."""
    assert StoredRecord.__slots__ == ("topic", "partition", "offset", "timestamp", "key", "value", "headers")
