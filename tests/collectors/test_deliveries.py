"""What passes between the steps: nothing is lost, doubled or reordered, whatever is cut, picked or given up."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from collectors.deliveries import Batch, Delivery, Frame, Poison, copied, joined
from collectors.errors import Unprocessable
from collectors.tracker import Lane
from schemas.codec import SchemaBook
from schemas.events import KINDS, Kind
from sluice.eventlog.interface import StoredRecord
from tests.collectors.events import make_record, numbered, partition_of
from tests.collectors.frames import frame_of_records
from tests.collectors.memory import resident_bytes

BOOK = SchemaBook()
SIZES = st.lists(st.none() | st.integers(0, 50), max_size=40)


def lane(number: int = 0) -> Lane:
    """A live lane."""
    return Lane(partition_of(number=number))


def record(offset: int, size: int | None = 1) -> StoredRecord:
    """A record of so many bytes; ``None`` is a tombstone."""
    return StoredRecord("t", 0, offset, 0, None, None if size is None else b"x" * size)


def delivery_on(lanes: list[Lane]) -> Delivery:
    """A record for each of these."""
    delivery = Delivery()
    for offset, each in enumerate(lanes):
        delivery.add(record(offset), each)
    return delivery


def offsets(delivery: Delivery) -> list[int]:
    """The offsets, in order."""
    assert len(delivery.records) == len(delivery.lanes) == len(delivery)
    return [each.offset for each in delivery.records]


def frame(lanes: list[Lane], gateways: list[str] | None = None) -> Frame:
    """A frame with a row for each of these, made by these gateways."""
    names = gateways or ["gw-1"] * len(lanes)
    made = frame_of_records(SchemaBook(), numbered(make_record(gateway_id=name) for name in names))
    made.delivery.lanes = lanes
    return made


@settings(deadline=None)
@given(SIZES, st.integers(1, 10), st.integers(1, 60))
def test_slices_are_bounded_and_lose_nothing(sizes: list[int | None], max_records: int, max_bytes: int) -> None:
    """Runs are within both bounds, but for one record that is above by itself; joined they are what was cut."""
    delivery = Delivery()
    delivery.add_lane([record(offset, size) for offset, size in enumerate(sizes)], lane())
    runs = list(delivery.slices(max_records, max_bytes))
    assert [offset for run in runs for offset in offsets(run)] == list(range(len(sizes)))
    for run in runs:
        assert 1 <= len(run) <= max_records
        assert run.size_bytes() <= max_bytes or sum(bool(each.value) for each in run.records) == 1


def test_a_delivery_within_the_bounds_is_not_copied() -> None:
    """The usual case costs nothing: the run is the delivery itself."""
    delivery = delivery_on([lane()] * 3)
    [run] = delivery.slices(3, 3)
    assert run is delivery
    assert list(Delivery().slices(3, 3)) == []


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), max_size=30))
def test_records_go_back_to_their_lanes(numbers: list[int]) -> None:
    """Every record is with its own lane, in the order it came, each lane once."""
    lanes = [lane(number) for number in range(4)]
    groups = list(delivery_on([lanes[number] for number in numbers]).by_lane())
    assert len({id(each) for each, _ in groups}) == len(groups)
    found = {each.partition.partition: [one.offset for one in records] for each, records in groups}
    expected = {number: [at for at, each in enumerate(numbers) if each == number] for number in set(numbers)}
    assert found == expected


def test_two_lanes_of_one_partition_are_apart() -> None:
    """A partition that came back has a new lane, and what finishes on the old one does not count on it."""
    old, new = lane(), lane()
    groups = dict(delivery_on([old, new, old]).by_lane())
    assert [each.offset for each in groups[old]] == [0, 2]
    assert [each.offset for each in groups[new]] == [1]


def test_tombstones_have_no_bytes() -> None:
    """A record without a value is counted as a record and not as bytes."""
    delivery = Delivery()
    delivery.add_lane([record(0, None), record(1, 7)], lane())
    assert delivery.size_bytes() == 7


@settings(deadline=None)
@given(st.integers(1, 6), st.data())
def test_frames_cut_and_joined_are_the_same(count: int, data: st.DataObject) -> None:
    """Row *n* stays record *n*: in the first half, in the second, and in both together."""
    whole = frame([lane()] * count)
    middle = data.draw(st.integers(0, count))
    parts = [whole.slice(0, middle), whole.slice(middle, count)]
    for part in parts:
        assert part.rows.height == len(part.delivery)
    again = joined(parts)
    assert again.rows.equals(whole.rows)
    assert again.delivery.records == whole.delivery.records
    assert again.kind == whole.kind


def test_joining_leaves_its_parts_alone() -> None:
    """A joined frame has lists of its own, and a single one is handed back as it is."""
    first, second = frame([lane()]), frame([lane()])
    both = joined([first, second])
    both.delivery.add(record(9), lane())
    assert (len(first.delivery), len(second.delivery)) == (1, 1)
    assert joined([first]) is first


def poison_on(lanes: list[Lane]) -> Poison:
    """A bad record for each of these, told apart by reason and producer."""
    poison = Poison()
    for offset, each in enumerate(lanes):
        poison.add(record(offset), each, Unprocessable(f"bad-{offset}"), f"gw-{offset}")
    return poison


def test_poison_of_a_revoked_lane_is_given_up() -> None:
    """What is another's now is dropped with its errors, and what stays keeps its own reason and producer."""
    mine, lost = lane(0), lane(1)
    poison = poison_on([mine, lost, mine, lost])
    assert offsets(poison.drop_revoked()) == []
    lost.live = False
    assert offsets(poison.drop_revoked()) == [1, 3]
    assert offsets(poison.delivery) == [0, 2]
    assert [error.reason for error in poison.errors] == ["bad-0", "bad-2"]
    assert poison.producers == ["gw-0", "gw-2"]
    assert offsets(poison.drop_revoked()) == []
    mine.live = False
    assert offsets(poison.drop_revoked()) == [0, 2]
    assert len(poison) == 0


def test_poison_is_extended_by_all_of_another() -> None:
    """Records, errors and producers stay side by side."""
    poison = poison_on([lane(), lane()])
    poison.extend(poison_on([lane()]))
    assert offsets(poison.delivery) == [0, 1, 0]
    assert [error.reason for error in poison.errors] == ["bad-0", "bad-1", "bad-0"]
    assert poison.producers == ["gw-0", "gw-1", "gw-0"]


@settings(deadline=None)
@given(st.integers(1, 8), st.data())
def test_a_batch_settles_each_record_once(count: int, data: st.DataObject) -> None:
    """In whatever groups they are settled: what is pending and what is settled are all records, without overlap."""
    batch = Batch(frame([lane()] * count))
    seen: Counter[int] = Counter()
    while batch.pending:
        positions = data.draw(st.lists(st.sampled_from(batch.pending), unique=True))
        seen.update(offsets(batch.settle(positions)))
        assert sorted([*batch.pending, *seen]) == list(range(count))
        if not positions:
            break
    assert all(times == 1 for times in seen.values())


def test_a_batch_gives_up_what_was_revoked_and_still_pends() -> None:
    """What was settled before is not given up again, and what is ours stays pending."""
    mine, lost = lane(0), lane(1)
    batch = Batch(frame([mine, lost, lost, mine]))
    assert offsets(batch.settle([1])) == [1]
    lost.live = False
    assert offsets(batch.drop_revoked()) == [2]
    assert batch.pending == [0, 3]
    mine.live = False
    assert offsets(batch.drop_revoked()) == [0, 3]
    assert batch.pending == []
    assert offsets(batch.drop_revoked()) == []


@pytest.mark.parametrize(("attempts", "told"), [(0, 1), (1, 1), (7, 7)])
def test_poison_of_a_batch_names_its_makers(attempts: int, told: int) -> None:
    """Each bad row with its own record, error and gateway; a dead letter was tried at least once."""
    batch = Batch(frame([lane()] * 3, ["a", "b", "c"]), attempts=attempts, first_failed_at=5)
    poison = batch.poison({2: Unprocessable("x"), 0: Unprocessable("y")})
    assert offsets(poison.delivery) == [2, 0]
    assert [error.reason for error in poison.errors] == ["x", "y"]
    assert poison.producers == ["c", "a"]
    assert (poison.attempts, poison.first_failed_at) == (told, 5)


def test_producers_are_counted_among_the_named_rows() -> None:
    """All rows, some, and none."""
    made = frame([lane()] * 4, ["a", "b", "a", "c"])
    assert made.producers([0, 1, 2, 3]) == {"a": 2, "b": 1, "c": 1}
    assert made.producers([2, 0]) == {"a": 2}
    assert made.producers([]) == {}


LARGE: dict[str, Any] = {"request_body": b"x" * 60_000, "request_headers": ["a: " + "y" * 10_000] * 2}
"""Of an event whose frame is easily seen in memory."""


def large_frame(count: int = 40) -> Frame:
    """Some 3 MB."""
    return frame_of_records(BOOK, numbered(make_record("proxy_log", **LARGE) for _ in range(count)))


@pytest.mark.parametrize("is_batch", [False, True])
def test_a_few_rows_hold_on_to_nothing_else(is_batch: bool) -> None:
    """Of many frames a few rows each are kept: whoever is stuck with them has them in memory, and not the frames."""

    def cut() -> object:
        made = large_frame()
        return _left_of(made) if is_batch else made.pick([3, 7])

    kept, before = [cut()], resident_bytes()
    kept += [cut() for _ in range(60)]
    assert resident_bytes() - before < 90 << 20  # of 180 MB and more


def _left_of(made: Frame) -> Batch:
    """A batch in which all but two went through."""
    batch = Batch(made, [b"document %d" % at for at in range(len(made.delivery))])
    batch.settle(list(range(2, len(batch))))
    batch.let_go()
    return batch


@given(count=st.integers(1, 30), data=st.data())
@settings(max_examples=50, deadline=None)
def test_letting_go_changes_nothing_of_what_is_left(count: int, data: st.DataObject) -> None:
    """Records, documents and reasons of what is pending are the same, whatever was settled when."""
    batch = Batch(frame([lane()] * count), [f"document {at}" for at in range(count)])
    reasons = data.draw(st.sets(st.integers(0, count - 1)))
    batch.unwritable = {at: Unprocessable(f"reason {at}") for at in reasons}
    first = {record.offset: f"document {at}" for at, record in enumerate(batch.frame.delivery.records)}
    left = set(first)
    while left:
        settled = data.draw(st.sets(st.sampled_from(batch.pending), min_size=1))
        left -= {record.offset for record in batch.settle(sorted(settled)).records}
        batch.let_go()
        held = {batch.frame.delivery.records[at].offset: batch.documents[at] for at in batch.pending}
        assert held == {offset: first[offset] for offset in left}
        named = {batch.frame.delivery.records[at].offset for at in batch.pending if at in batch.unwritable}
        assert named == left & reasons
        assert len(batch) <= max(4 * len(batch.pending), 4) or not left or len(batch) == count


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_is_the_same_to_the_last_type(kind: Kind) -> None:
    """Lists, nulls, times, bodies."""
    made = frame_of_records(BOOK, numbered(make_record(kind) for _ in range(6)))
    assert_frame_equal(copied(made.rows), made.rows)
    assert_frame_equal(made.pick([4]).rows, made.rows[[4]])
