"""Batches are full by count, bytes or age, whichever comes first, and hold what came in the order it came."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.batching import Batching
from collectors.deliveries import Frame
from collectors.entries import BatchSettings
from schemas.codec import SchemaBook
from schemas.events import Kind
from tests.collectors.events import make_record, numbered
from tests.collectors.frames import frame_of_records

BOOK = SchemaBook()
RECORDS = numbered(make_record(sequence=number) for number in range(60))
WHOLE = frame_of_records(BOOK, RECORDS)


class Clock:
    """Turned by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def batching(clock: Clock | None = None, **settings_: float) -> Batching:
    """With these settings."""
    return Batching(BatchSettings.model_validate(settings_), clock or Clock())


@settings(max_examples=60, deadline=None)
@given(limit=st.integers(1, 25), cuts=st.lists(st.integers(1, 59), max_size=8, unique=True))
def test_no_batch_is_longer_and_nothing_is_lost(limit: int, cuts: list[int]) -> None:
    """However frames come in, batches hold at most ``max_records``, in order, each row beside its own record."""
    gathering = batching(max_records=limit)
    edges = [0, *sorted(cuts), 60]
    batches = [batch for start, end in itertools.pairwise(edges) for batch in gathering.add(WHOLE.slice(start, end))]
    assert all(len(batch) == limit for batch in batches)
    batches += gathering.flush()
    assert [row for batch in batches for row in batch.frame.rows["sequence"].to_list()] == list(range(60))
    for batch in batches:
        offsets = [record.offset for record in batch.frame.delivery.records]
        assert offsets == batch.frame.rows["sequence"].to_list()


def test_bytes_fill_a_batch() -> None:
    """A batch is full when its records' bytes are."""
    size = WHOLE.slice(0, 10).delivery.size_bytes()
    gathering = batching(max_bytes=size)
    assert gathering.add(WHOLE.slice(0, 9)) == []
    [batch] = gathering.add(WHOLE.slice(9, 20))
    assert len(batch) == 20


def test_age_makes_a_batch_due() -> None:
    """The oldest record's wait decides, and the time until then is told."""
    clock = Clock()
    gathering = batching(clock, max_age_seconds=2.0)
    assert gathering.seconds_until_due() is None
    gathering.add(WHOLE.slice(0, 1))
    clock.now += 1.5
    gathering.add(WHOLE.slice(1, 2))
    assert gathering.seconds_until_due() == 0.5
    assert gathering.due() == []
    clock.now += 0.5
    [batch] = gathering.due()
    assert len(batch) == 2
    assert gathering.seconds_until_due() is None


def test_kinds_are_apart() -> None:
    """Each kind of event has a batch of its own."""
    gathering = batching(max_records=3)
    kinds: tuple[Kind, ...] = ("budget", "analytics")
    frames: list[Frame] = [frame_of_records(BOOK, numbered(make_record(kind) for _ in range(2))) for kind in kinds]
    assert [gathering.add(frame) for frame in frames] == [[], []]
    assert [(batch.frame.kind, len(batch)) for batch in gathering.flush()] == [("budget", 2), ("analytics", 2)]


def test_trickle_is_joined() -> None:
    """Many frames of one row each are joined now and then: their number stays bounded, their order the same."""
    gathering = batching(max_records=100_000)
    for start in range(60):
        for _ in range(5):
            gathering.add(WHOLE.slice(start, start + 1))
    assert len(gathering._open["analytics"].frames) <= 65
    [batch] = gathering.flush()
    assert batch.frame.rows["sequence"].to_list() == [start for start in range(60) for _ in range(5)]
    assert batch.frame.rows["sequence"].n_chunks() == 1
