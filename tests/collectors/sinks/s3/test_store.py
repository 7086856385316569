"""One partition's objects, on a bucket in memory whose answers get lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import pytest

from collectors.errors import Halt, Retryable
from collectors.sinks.formats import format_of
from collectors.sinks.offset_names import OffsetNames
from collectors.sinks.ordering import Placed, Position
from collectors.sinks.s3.bucket import Bucket
from collectors.sinks.s3.store import S3Store
from collectors.tracker import Lane
from sluice.eventlog.interface import Partition

NOW_MS = 1_764_000_000_000
LANE = Lane(Partition("t", 0))


class MemoryBucket:
    """Objects by key. ``fails``: what the next puts raise, and whether they are done all the same."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, Mapping[str, str]]] = {}
        self.fails: list[tuple[Exception, bool]] = []

    def keys(self, prefix: str, start_after: str) -> Iterator[str]:
        yield from sorted(key for key in self.objects if key.startswith(prefix) and key > start_after)

    def metadata(self, key: str) -> Mapping[str, str]:
        return self.objects[key][1]

    def put(self, key: str, body: bytes, _content_type: str, metadata: Mapping[str, str]) -> bool:
        error, is_done = self.fails.pop(0) if self.fails else (None, True)
        is_new = key not in self.objects
        if not is_new and error is None:
            return False
        if is_done:
            self.objects.setdefault(key, (body, metadata))
        if error is not None:
            raise error
        return is_new

    def offsets(self) -> list[int]:
        """What all objects hold, in the order of their names."""
        bodies = [self.objects[key][0] for key in sorted(self.objects)]
        return [int(line) for body in bodies for line in body.splitlines()]


def documents(first: int, last: int, at_ms: int = NOW_MS) -> list[Placed]:
    """From one offset to another."""
    return [
        Placed(LANE, "analytics", "t", offset, at_ms + offset, 10, b"%d\n" % offset)
        for offset in range(first, last + 1)
    ]


def store(bucket: MemoryBucket, epoch: int = 0) -> S3Store:
    """One process's."""
    names, form = OffsetNames("t", Partition("t", 0)), format_of("analytics", "jsonl", "none")
    return S3Store(cast("Bucket", bucket), "p/", "analytics", names, form, least_epoch=epoch, max_object_bytes=1_000)


def test_where_it_goes_on() -> None:
    """Behind the last object of the hours that may hold what is to be written."""
    bucket, made = MemoryBucket(), None
    made = store(bucket)
    assert made.open(documents(0, 0)[0]) == Position()
    assert made.append(documents(0, 4)) == 5
    assert store(bucket).open(documents(2, 2)[0]) == Position(5, NOW_MS + 4)


def test_a_clock_that_stepped_back_a_little() -> None:
    """What was written after an hour's first minute lies in the hour before: it is found too."""
    bucket = MemoryBucket()
    made = store(bucket)
    made.append(documents(0, 4))
    made.append(documents(5, 9, NOW_MS - 60_000))
    assert store(bucket).open(documents(3, 3)[0]) == Position(10, NOW_MS + 4)


def test_objects_without_their_metadata() -> None:
    """Copied by somebody without what stood beside them: it is said, and nothing is written twice or passed over."""
    bucket = MemoryBucket()
    store(bucket).append(documents(0, 4))
    bucket.objects = {key: (body, {}) for key, (body, _) in bucket.objects.items()}
    with pytest.raises(Halt, match="does not say where it ends"):
        store(bucket).open(documents(0, 0)[0])
    assert store(bucket, epoch=1).open(documents(0, 0)[0]) == Position()


def test_who_has_lost_the_partition_is_told_so() -> None:
    """Its range begins where another's does: it is not put, and the next look goes on behind the other's."""
    bucket = MemoryBucket()
    zombie, heir = store(bucket), store(bucket)
    for each in (zombie, heir):
        assert each.open(documents(0, 0)[0]) == Position()
    assert heir.append(documents(0, 6)) == 7
    with pytest.raises(Retryable, match="is another's"):
        zombie.append(documents(0, 2))
    assert zombie.open(documents(0, 0)[0]).next_offset == 7
    assert zombie.append(documents(7, 8)) == 2
    with pytest.raises(Retryable, match="is another's"):
        heir.append(documents(7, 9))
    assert bucket.offsets() == list(range(9))


@pytest.mark.parametrize("is_done", [False, True])
def test_the_same_object_after_an_answer_that_was_lost(is_done: bool) -> None:
    """Although more has come since: the range whose fate is not known is settled first."""
    bucket = MemoryBucket()
    made = store(bucket)
    made.open(documents(0, 0)[0])
    bucket.fails = [(Retryable("?"), is_done)]
    with pytest.raises(Retryable):
        made.append(documents(0, 4))
    if is_done:
        assert made.open(documents(0, 0)[0]).next_offset == 5
        assert made.append(documents(5, 9)) == 5
    else:
        assert made.open(documents(0, 0)[0]).next_offset == 0
        assert made.append(documents(0, 9)) == 5
        assert made.append(documents(5, 9)) == 5
    assert bucket.offsets() == list(range(10))


def test_what_was_refused_for_good_is_not_put_again() -> None:
    """It is not there for sure: the next write may have another range."""
    bucket = MemoryBucket()
    made = store(bucket)
    bucket.fails = [(Halt("no", "mend"), False)]
    with pytest.raises(Halt):
        made.append(documents(0, 4))
    assert made.append(documents(0, 9)) == 10


def test_a_range_that_does_not_come_again() -> None:
    """Its records were given up meanwhile: what comes now is put as it is."""
    bucket = MemoryBucket()
    made = store(bucket)
    bucket.fails = [(Retryable("?"), False)]
    with pytest.raises(Retryable):
        made.append(documents(0, 4))
    assert made.append(documents(3, 9)) == 7
    assert bucket.offsets() == list(range(3, 10))


def test_a_log_that_begins_anew() -> None:
    """Names with the next epoch, found again by a restart."""
    bucket = MemoryBucket()
    made = store(bucket)
    made.append(documents(0, 4))
    assert made.begin_epoch() == Position()
    later = documents(0, 1, NOW_MS + 60_000)
    made.append(later)
    assert store(bucket).open(later[0]) == Position(2, NOW_MS + 60_001)
    assert [key.rpartition("/")[2].split("-")[1] for key in sorted(bucket.objects)] == ["0", "1"]


def test_an_object_has_one_hour_and_a_bound() -> None:
    """``append`` takes what belongs together and says how many that were."""
    bucket = MemoryBucket()
    made = store(bucket)
    assert made.append(documents(0, 199)) == 100
    assert made.append([*documents(100, 101), *documents(102, 103, NOW_MS + 3_600_000)]) == 2


def test_times_of_nowhere() -> None:
    """A broker that gave none, or one before the epoch."""
    bucket = MemoryBucket()
    assert store(bucket).append(documents(0, 1, -5)) == 2
    [key] = bucket.objects
    assert "/year=1970/month=01/day=01/hour=00/" in key
    made: Any = store(bucket).open(documents(0, 0, -5)[0])
    assert made.next_offset == 2


def test_a_log_with_another_id_begins_anew() -> None:
    """Made anew under the same name, with its clock set back: its offsets mean other records, whatever their times are;
    one that does not say which it is goes on where it was."""
    bucket = MemoryBucket()

    def of_log(log_id: str, last: int) -> list[Placed]:
        return [each._replace(lane=Lane(Partition("t", 0), log_id)) for each in documents(0, last)]

    for log_id, last in (("a", 4), ("b", 2)):
        made = store(bucket)
        assert made.open(of_log(log_id, 0)[0]) == Position()
        made.append(of_log(log_id, last))
    for log_id in ("b", ""):
        assert store(bucket).open(of_log(log_id, 0)[0]).next_offset == 3
    assert [key.rpartition("/")[2].split("-")[1] for key in sorted(bucket.objects)] == ["0", "1"]
    back = store(bucket)
    for _ in range(2):  # twice is once
        assert back.open(of_log("a", 0)[0]) == Position()
    back.append(of_log("a", 0))
    assert sorted(key.rpartition("/")[2].split("-")[1] for key in bucket.objects) == ["0", "1", "2"]
