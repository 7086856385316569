"""An outlet: what breaks its redactor is shown to nobody, and what it is not done with is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.deliveries import Batch, Frame
from collectors.tracker import Lane
from schemas.codec import SchemaBook
from tests.collectors.events import make_record, numbered, partition_of
from tests.collectors.fakes import FakeSink
from tests.collectors.frames import frame_of_records
from tests.collectors.outlets import make_outlet
from tests.collectors.virtual_time import virtual_time

BOOK = SchemaBook()


class Breaks:
    """A redactor that some rows break; the others it marks."""

    def __init__(self, ids: Sequence[str], error: type[BaseException] = ValueError) -> None:
        self.ids = set(ids)
        self.error = error

    def apply(self, frame: Frame) -> Frame:
        if self.ids.intersection(frame.rows["event_id"]):
            raise self.error("it broke on 'a value'")
        return Frame(frame.kind, frame.rows.with_columns(vendor=pl.lit("hidden")), frame.delivery)


def frame(count: int) -> Frame:
    """Good events."""
    return frame_of_records(BOOK, numbered(make_record() for _ in range(count)))


def ids_of(batches: Sequence[Batch]) -> list[str]:
    """Of the events in these."""
    return [name for batch in batches for name in batch.frame.rows["event_id"]]


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 12), st.data())
def test_a_row_that_breaks_the_redactor_is_shown_to_nobody(count: int, data: st.DataObject) -> None:
    """It has no document and can only be dead-lettered; every other row is redacted and batched."""

    @virtual_time
    async def run() -> None:
        made = frame(count)
        ids = made.rows["event_id"].to_list()
        bad = data.draw(st.lists(st.sampled_from(ids), unique=True))
        outlet = make_outlet(FakeSink(), redactor=Breaks(bad), batch={"max_records": 100})
        hidden = outlet.take(made)
        shown = outlet.batching.flush()
        assert sorted(ids_of(hidden)) == sorted(bad)
        assert ids_of(shown) == [name for name in ids if name not in bad]
        assert all(set(batch.frame.rows["vendor"]) == {"hidden"} for batch in shown)
        for batch in hidden:
            outlet.prepare(batch)
            assert (batch.documents, [str(error) for error in batch.unwritable.values()]) == (
                [None],
                ["unredactable: ValueError"],
            )
        assert outlet.in_hand == count

    run()


@virtual_time
async def test_a_panic_is_a_row_s_fault_and_a_stop_is_not() -> None:
    """Polars' panics are no ``Exception``; what ends the process is not caught."""
    made = frame(2)
    bad = made.rows["event_id"].to_list()[:1]
    outlet = make_outlet(FakeSink(), redactor=Breaks(bad, pl.exceptions.PanicException))
    assert ids_of(outlet.take(made)) == bad
    with pytest.raises(KeyboardInterrupt):
        make_outlet(FakeSink(), redactor=Breaks(bad, KeyboardInterrupt)).take(made)


@virtual_time
async def test_documents_are_made_once() -> None:
    """Where all can be written; the poison of the sink's own making is kept beside them."""
    sink = FakeSink()
    outlet = make_outlet(sink, batch={"max_records": 3})
    [batch] = outlet.take(frame(3))
    sink.unencodable = {batch.frame.rows["event_id"][1]}
    outlet.prepare(batch)
    assert list(batch.unwritable) == [1]
    assert [batch.documents[at] for at in (0, 2)] == [batch.frame.rows["event_id"][at] for at in (0, 2)]


@virtual_time
async def test_batches_are_not_due_while_the_sink_is_busy() -> None:
    """They grow instead: so many at once it takes, and no more are made."""
    outlet = make_outlet(FakeSink(), batch={"max_age_seconds": 1.0})
    outlet.take(frame(1))
    await asyncio.sleep(2.0)
    async with outlet.writer.concurrency.slot(), outlet.writer.concurrency.slot():
        assert outlet.due() == []
    assert len(outlet.due()) == 1


@virtual_time
async def test_of_several_each_sees_the_lanes_as_its_own() -> None:
    """What it was not given, or gave up, lies before nothing that it writes; the batch keeps the lanes of the log."""
    made, sink = frame(6), FakeSink()
    lane = Lane(partition_of())
    made.delivery.lanes = [lane] * 6
    lane.deliver(made.delivery.records)
    shown: list[Lane] = []
    outlet = make_outlet(sink)
    outlet.is_alone = False
    prepare = sink.prepare

    def seen(frame: Frame) -> Any:
        shown.extend(frame.delivery.lanes)
        return prepare(frame)

    sink.prepare = seen  # type: ignore[method-assign]
    topic, offsets = made.delivery.records[0].topic, [record.offset for record in made.delivery.records]
    outlet.leave_out(made, [2, 4, 5])
    batch = Batch(made.pick([4, 5]))
    outlet.prepare(batch)
    [view] = set(shown)
    assert view.first_unfinished(topic, 0, offsets[4:]) == offsets[2]
    outlet.set_aside(made.delivery.pick([2]))  # a dead letter of its own
    assert view.first_unfinished(topic, 0, offsets[4:]) is None
    assert lane.first_unfinished(topic, 0, ()) == offsets[0]
    assert set(batch.frame.delivery.lanes) == {lane}
    lane.live = False
    assert not view.live


@virtual_time
async def test_one_that_is_alone_sees_the_log_s_own_lanes() -> None:
    """Nothing is kept beside them: what it is done with is finished."""
    made, sink = frame(3), FakeSink()
    outlet = make_outlet(sink)
    outlet.leave_out(made, [0])
    outlet.set_aside(made.delivery)
    assert not outlet._lanes


@virtual_time
async def test_lanes_that_are_gone_are_forgotten() -> None:
    """Each rebalance brings new ones."""
    outlet = make_outlet(FakeSink())
    outlet.is_alone = False
    for _ in range(50):
        made, lane = frame(1), Lane(partition_of())
        made.delivery.lanes = [lane]
        outlet.set_aside(made.delivery)
        lane.live = False
    assert len(outlet._lanes) == 1
