"""The log as an origin: journals here; Kafka in tests/integration/test_replay.py."""

from __future__ import annotations

from pathlib import Path

from collectors.columns import Decoder
from collectors.jobs.interface import Origin
from collectors.jobs.origins import open_origin
from collectors.settings import HostSettings
from schemas.codec import SchemaBook
from sluice.eventlog.interface import Partition
from sluice.eventlog.journal.offsets import offset_of
from sluice.eventlog.modes import DurableLog
from sluice.eventlog.ranges import OffsetRange
from tests.collectors.events import TOPICS
from tests.sluice.eventlog.journal.making import begun, exchange

EVENTS = tuple(TOPICS.events())


async def test_records_of_journals_come_with_the_journal_they_lie_in(tmp_path: Path) -> None:
    """Offsets are of it; a record alone does not know it. Only the topics that were asked for are read."""
    for worker in ("0", "1"):
        journal = begun(tmp_path / "journals" / "gateway" / worker)
        for _ in range(5):
            await DurableLog(journal).commit(exchange())
        await journal.close()
    origin: Origin = open_origin(HostSettings(data_dir=tmp_path))
    ranges = await origin.ranges(EVENTS)
    read = [(place, record) async for place, records in origin.read(ranges, EVENTS[:1]) for record in records]
    assert {place.topic for place, _ in read} == {"gateway/0", "gateway/1"}
    assert (len(read), {record.topic for _, record in read}) == (10, {EVENTS[0]})
    assert all(ranges[place].first <= record.offset < ranges[place].end for place, record in read)
    assert await origin.lost(ranges) == {}
    assert isinstance(origin.decoder(SchemaBook()), Decoder)
    assert origin.has_originals
    assert str(tmp_path) in origin.where
    assert len(await origin.read_schemas()) >= 3
    await origin.close()


async def test_a_journal_that_begins_later_has_lost_something(tmp_path: Path) -> None:
    """Its first segment is number one, unless retention was there."""
    origin = open_origin(HostSettings(data_dir=tmp_path))
    place = Partition("gateway/0", 0)
    assert await origin.lost({place: OffsetRange(offset_of(3, 0), offset_of(4, 0))}) == {place: 2 << 32}


def test_where_kafka_is_is_said() -> None:
    """By the servers that settings name."""
    host = HostSettings.model_validate({"kafka": {"bootstrap_servers": "broker:9092"}})
    assert open_origin(host).where == "Kafka at broker:9092"
