"""Above the high watermark partitions wait, and only well below it do they go on."""

from __future__ import annotations

from collectors.backpressure import Backpressure
from collectors.deliveries import Delivery
from collectors.entries import FlowSettings
from collectors.tracker import Lane
from sluice.eventlog.interface import StoredRecord
from tests.collectors.events import partition_of

FIRST, SECOND = Lane(partition_of()), Lane(partition_of(number=1))


def delivery(lane: Lane, count: int, size: int = 1) -> Delivery:
    """``count`` records of a size."""
    made = Delivery()
    made.add_lane([StoredRecord("t", 0, offset, 0, None, b"x" * size) for offset in range(count)], lane)
    return made


def limits(**settings: int) -> Backpressure:
    """With these bounds."""
    return Backpressure(FlowSettings.model_validate(settings))


def test_partition_is_paused_by_records_and_resumed_at_half() -> None:
    """Hysteresis: paused at the bound, still paused above its half, resumed below; the other partition never."""
    pressure = limits(max_partition_records=10)
    pressure.take(delivery(FIRST, 10))
    pressure.take(delivery(SECOND, 9))
    assert pressure.paused() == {FIRST.partition}
    pressure.release(delivery(FIRST, 5))
    assert pressure.paused() == {FIRST.partition}
    pressure.release(delivery(FIRST, 1))
    assert pressure.paused() == set()
    pressure.take(delivery(FIRST, 5))
    assert pressure.paused() == set()


def test_bytes_count_as_well() -> None:
    """A few large records pause like many small ones."""
    pressure = limits(max_partition_bytes=1_000)
    pressure.take(delivery(FIRST, 2, 500))
    assert pressure.paused() == {FIRST.partition}


def test_all_partitions_together_are_bounded() -> None:
    """When all together hold too much, everything waits, until half of it is left."""
    pressure = limits(max_records=10)
    pressure.take(delivery(FIRST, 5))
    pressure.take(delivery(SECOND, 5))
    assert pressure.paused() == set()
    assert pressure.is_full
    pressure.release(delivery(FIRST, 5))
    pressure.paused()
    assert pressure.is_full
    pressure.release(delivery(SECOND, 1))
    pressure.paused()
    assert not pressure.is_full


def test_revoked_lanes_pause_nothing_and_still_hold_memory() -> None:
    """What is in flight of a closed lane counts for the whole, and pauses no partition of its name."""
    pressure, lane = limits(max_partition_records=5, max_records=8), Lane(partition_of(number=2))
    pressure.take(delivery(lane, 8))
    lane.live = False
    assert pressure.paused() == set()
    assert pressure.is_full
    pressure.release(delivery(lane, 8))
    assert (pressure.records, pressure.size_bytes) == (0, 0)
    assert pressure._lanes == {}
