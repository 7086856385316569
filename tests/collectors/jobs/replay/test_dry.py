"""A dry run's sink takes everything and keeps nothing."""

from __future__ import annotations

from collectors.jobs.replay.dry import NoSink
from schemas.codec import SchemaBook
from tests.collectors.events import make_record
from tests.collectors.frames import frame_of_records


async def test_everything_goes_well() -> None:
    """A document for each row, and none is refused, late or twice."""
    sink = NoSink()
    await sink.start()
    prepared = sink.prepare(frame_of_records(SchemaBook(), [make_record(offset=at) for at in range(3)]))
    verdict = await sink.write(prepared.documents)
    assert len(prepared.documents) == 3
    assert (verdict.duplicates, verdict.poison, verdict.retry, prepared.poison) == (0, {}, [], {})
    await sink.check()
    await sink.close()
