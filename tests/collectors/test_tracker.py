"""What may be committed: the longest finished prefix of what was delivered, whatever finishes when."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from collectors.tracker import CollectorLane, Lane, Tracker
from sluice.eventlog.interface import Partition, StoredRecord
from tests.collectors.events import partition_of

FIRST = partition_of()


def record(offset: int) -> StoredRecord:
    """A record at an offset, appended at that many milliseconds, of one of two topics, as in a journal."""
    return StoredRecord(topic_of(offset), 0, offset, offset, None, b"")


def topic_of(offset: int) -> str:
    """Every third is another's."""
    return "t" if offset % 3 else "u"


@dataclass
class Model:
    """One assignment as a plain list: offset → finished."""

    lane: Lane
    delivered: dict[int, bool] = field(default_factory=dict)
    committed: int | None = None

    def next_offset(self) -> int | None:
        for offset, finished in self.delivered.items():
            if not finished:
                return offset
        return max(self.delivered) + 1 if self.delivered else None


class Interleavings(RuleBasedStateMachine):
    """Any order of delivering, finishing, committing, revoking and assigning, over several partitions."""

    lanes = Bundle("lanes")

    def __init__(self) -> None:
        super().__init__()
        self.tracker = Tracker()
        self.models: dict[Partition, Model] = {}
        self.closed: list[Model] = []

    @rule(number=st.integers(0, 3))
    def assign(self, number: int) -> None:
        partition = partition_of(number=number)
        if partition in self.models:
            self.closed.append(self.models[partition])
        self.tracker.assign([partition])
        lane = self.tracker.lane(partition)
        assert lane is not None
        self.models[partition] = Model(lane)

    @rule(number=st.integers(0, 3))
    def revoke(self, number: int) -> None:
        partition = partition_of(number=number)
        self.tracker.revoke([partition])
        if partition in self.models:
            self.closed.append(self.models.pop(partition))

    @rule(target=lanes, number=st.integers(0, 3), gaps=st.lists(st.integers(1, 4), min_size=1, max_size=6))
    def deliver(self, number: int, gaps: list[int]) -> tuple[Model, list[int]] | None:
        model = self.models.get(partition_of(number=number))
        if model is None:
            return None
        offset = max(model.delivered, default=10)
        offsets = []
        for gap in gaps:
            offset += gap
            offsets.append(offset)
        model.lane.deliver([record(each) for each in offsets])
        model.delivered |= dict.fromkeys(offsets, False)
        return model, offsets

    @rule(delivered=consumes(lanes), share=st.integers(1, 3))
    def finish(self, delivered: tuple[Model, list[int]] | None, share: int) -> None:
        """Some of a delivery, of whatever lane: also of one that was closed long ago, also twice."""
        if delivered is None:
            return
        model, offsets = delivered
        for offset in offsets[::share]:
            model.delivered[offset] = True
        model.lane.finish(offsets[::share])
        model.lane.finish(offsets[::share])

    @rule()
    def commit(self) -> None:
        due = self.tracker.due()
        self.tracker.committed(due)
        for partition, offset in due.items():
            model = self.models[partition]
            assert offset == model.next_offset()
            assert model.committed is None or offset > model.committed
            model.committed = offset

    @invariant()
    def only_the_finished_prefix_is_due(self) -> None:
        for partition, model in self.models.items():
            expected = model.next_offset()
            assert model.lane.next_offset() == expected
            assert self.tracker.due().get(partition) == (None if expected == model.committed else expected)
        assert self.tracker.unfinished() == sum(
            not finished for model in self.models.values() for finished in model.delivered.values()
        )

    @invariant()
    def age_is_never_understated(self) -> None:
        for model in self.models.values():
            unfinished = [offset for offset, finished in model.delivered.items() if not finished]
            oldest = model.lane.oldest_at_ms()
            assert (oldest is None) == (not unfinished)
            assert oldest is None or oldest <= min(unfinished)

    @invariant()
    def a_topic_waits_for_its_own_alone(self) -> None:
        for model in self.models.values():
            for topic in ("t", "u"):
                waiting = [at for at, done in model.delivered.items() if not done and topic_of(at) == topic]
                for start in (0, 15):
                    besides = waiting[:1]
                    expected = min((at for at in waiting if at >= start and at not in besides), default=None)
                    assert model.lane.first_unfinished(topic, start, besides) == expected
            assert model.lane.first_unfinished("none", 0, ()) is None

    @invariant()
    def closed_lanes_are_dead(self) -> None:
        assert not any(model.lane.live for model in self.closed)
        assert all(model.lane.live for model in self.models.values())


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_stuck_head_costs_one_entry() -> None:
    """Behind a head that never finishes, a million finished records are remembered as nothing."""
    lane = Lane(FIRST)
    for start in range(0, 1_000_000, 10_000):
        batch = [record(start)] if start == 0 else [record(start), record(start + 9_999)]
        lane.deliver(batch)
        lane.finish([each.offset for each in batch if each.offset])
    assert lane.unfinished == 1
    assert lane.next_offset() == 0
    assert len(lane._marks) <= 100
    lane.finish([0])
    assert lane.next_offset() == 1_000_000
    assert lane.oldest_at_ms() is None
    assert len(lane._marks) == 0


def test_nothing_delivered_means_nothing_to_commit() -> None:
    """A partition that gave us nothing has no next offset of ours."""
    tracker = Tracker()
    tracker.assign([FIRST])
    assert tracker.due() == {}


@given(
    offsets=st.sets(st.integers(0, 40)), finished=st.sets(st.integers(0, 40)), aside=st.sets(st.integers(0, 40)),
    besides=st.sets(st.integers(0, 40)), start=st.integers(0, 40), prune_at=st.integers(1, 10),
)  # fmt: skip
def test_a_collector_s_lane_leaves_out_what_is_set_aside(
    offsets: set[int], finished: set[int], aside: set[int], besides: set[int], start: int, prune_at: int
) -> None:
    """What is first unfinished for it is what waits and is not set aside, whatever was forgotten on the way."""
    lane = Lane(partition_of())
    view = CollectorLane(lane)
    view._prune_at = prune_at
    lane.deliver([StoredRecord("t", 0, offset, 0, None, b"") for offset in sorted(offsets)])
    half = set(list(aside)[::2])
    view.set_aside("t", half)
    lane.finish(finished)
    view.set_aside("t", aside - half)
    waiting = offsets - finished - aside - besides
    assert view.first_unfinished("t", start, besides) == min((at for at in waiting if at >= start), default=None)
    assert view.first_unfinished("other", 0, ()) is None
    lane.live = False
    assert not view.live


def test_what_is_set_aside_is_forgotten_when_it_is_finished() -> None:
    """A collector that wants little keeps no account of what the others finished."""
    lane = Lane(partition_of())
    view = CollectorLane(lane)
    for start in range(0, 200_000, 1_000):
        offsets = range(start, start + 1_000)
        lane.deliver([StoredRecord("t", 0, offset, 0, None, b"") for offset in offsets])
        view.set_aside("t", offsets)
        lane.finish(offsets)
    assert len(view._aside["t"]) <= 20_000


def test_a_lane_says_which_log_it_is() -> None:
    """What the source knew when it was assigned, as a collector of several sees it too; else nothing."""
    tracker, known, other = Tracker(), Partition("t", 0), Partition("t", 1)
    tracker.assign((known, other), {known: "a"})
    lane, unnamed = tracker.lane(known), tracker.lane(other)
    assert lane is not None
    assert unnamed is not None
    assert (lane.log_id, CollectorLane(lane).log_id, unnamed.log_id) == ("a", "a", "")
