"""Events are read as frames; what cannot be decoded is counted by kind, and holds nothing up."""

from __future__ import annotations

from collectors.jobs.origins import open_origin
from collectors.services.reconcile.reading import EventReader
from schemas.events import KINDS
from sluice.eventlog.interface import Record
from tests.collectors.operations.benches import DAMAGED
from tests.collectors.services.reconcile.desk import Desk, on_a_journal
from tests.contracts.eventlog_laws import JournalBench


@on_a_journal
async def test_poison_is_counted(bench: JournalBench) -> None:
    """Garbage, tombstones and unknown schemas, among good events."""
    desk = Desk(bench)
    topic = bench.topics.event("budget").name
    unknown = b"\xc3\x01" + b"\x07" * 8 + b"body"
    await desk.publish(4)
    await desk.report(*(Record(topic, b"k", value) for value in (DAMAGED, None, b"", unknown, unknown)))
    await desk.publish(2)
    origin = open_origin(desk.host)
    reader = EventReader(origin, bench.topics, KINDS)
    frames = [frame async for _, frame in reader.frames(await reader.ranges())]
    await origin.close()
    assert {kind: sum(frame.rows.height for frame in frames if frame.kind == kind) for kind in KINDS} == dict.fromkeys(
        KINDS, 6
    )
    assert reader.undecodable == {"budget": 5}


@on_a_journal
async def test_only_what_is_wanted_is_read(bench: JournalBench) -> None:
    """Of one kind no other comes."""
    desk = Desk(bench)
    await desk.publish(3)
    origin = open_origin(desk.host)
    reader = EventReader(origin, bench.topics, KINDS[1:2])
    frames = [frame async for _, frame in reader.frames(await reader.ranges())]
    await origin.close()
    assert {frame.kind for frame in frames} == {"analytics"}
    assert sum(frame.rows.height for frame in frames) == 3
