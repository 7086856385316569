"""What may be deleted: never what an attached group has not read, never the segment that is written."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.topics import Topics
from sluice.eventlog.interface import Boot
from sluice.eventlog.journal.header import HEADER_BYTES, SegmentHeader, event_topics
from sluice.eventlog.journal.offsets import (
    GROUPS_FOLDER,
    NOTHING_COMMITTED,
    RELAY_GROUP,
    CommittedOffset,
    offset_path,
    store_offset,
)
from sluice.eventlog.journal.recovery import no_sequences
from sluice.eventlog.journal.retention import DETACHED_SUFFIX, GroupDetached, Retention, detached_alert
from sluice.eventlog.journal.segment import segment_numbers, segment_path
from sluice.eventlog.settings import JournalSettings

SECOND = 1_000_000
SIZE = 10_000
RECORDS = 10
NOW = 1_000_000 * SECOND
BOOT = Boot("g", "w", "b")


def segment_id(number: int) -> bytes:
    """The id of a segment made here."""
    return bytes([number]) * 16


def filled(directory: Path, count: int, *, age_seconds: int = 0) -> None:
    """Segments 1 to ``count`` of ``SIZE`` bytes and ``RECORDS`` records, begun a second after the other."""
    for number in range(1, count + 1):
        created_at = NOW - (age_seconds + count - number) * SECOND
        header = SegmentHeader(
            number,
            BOOT,
            no_sequences(),
            (number - 1) * RECORDS,
            created_at,
            event_topics(Topics()),
            segment_id(number),
        )
        segment_path(directory, number).write_bytes(header.to_bytes() + bytes(SIZE - HEADER_BYTES))


def commit(directory: Path, group: str, segment: int, record: int = 0) -> None:
    """A group's next offset."""
    committed = CommittedOffset(segment, record, segment_id(segment)) if segment else NOTHING_COMMITTED
    store_offset(offset_path(directory, group), committed)


def retention(directory: Path, *, embedded: bool = True, **more: float) -> Retention:
    """One that deletes nothing by age or size unless told to."""
    fields = {"max_bytes": 100 * SIZE, "retention_seconds": 3600, "max_lag_bytes": 100 * SIZE, **more}
    return Retention(directory, JournalSettings.model_validate(fields), embedded=embedded)


def marker(directory: Path, group: str) -> Path:
    """What says that a group is detached."""
    return directory / GROUPS_FOLDER / (group + DETACHED_SUFFIX)


@pytest.mark.parametrize("embedded", [True, False])
def test_nothing_to_sweep(tmp_path: Path, embedded: bool) -> None:
    """An empty directory, and one with the only segment, stay as they are whatever their age."""
    sweeper = retention(tmp_path, embedded=embedded)
    assert sweeper.sweep(NOW) == []
    filled(tmp_path, 1)
    commit(tmp_path, RELAY_GROUP, 99)
    assert sweeper.sweep(NOW * 2) == []
    assert (segment_numbers(tmp_path), sweeper.removed) == ([1], 0)


@pytest.mark.parametrize(
    ("segment", "record", "left"),
    [(0, 0, [1, 2, 3, 4]), (1, 9, [1, 2, 3, 4]), (1, 10, [2, 3, 4]), (2, 0, [2, 3, 4]), (4, 10, [4]), (9, 0, [4])],
)
def test_the_spool_loses_what_the_relay_has(tmp_path: Path, segment: int, record: int, left: list[int]) -> None:
    """In front of Kafka a segment goes at once when the relay has all of it, and not a record earlier."""
    filled(tmp_path, 4)
    commit(tmp_path, RELAY_GROUP, segment, record)
    sweeper = retention(tmp_path, embedded=False)
    assert sweeper.sweep(NOW) == []
    assert segment_numbers(tmp_path) == left
    assert sweeper.removed == 4 - len(left)


def test_the_spool_is_never_cut_for_want_of_room(tmp_path: Path) -> None:
    """However old and however full: what the relay does not have is kept, and the relay is not detached."""
    filled(tmp_path, 6, age_seconds=10**6)
    commit(tmp_path, "collectors", 6)
    sweeper = retention(tmp_path, embedded=False, max_bytes=SIZE, max_lag_bytes=1, retention_seconds=1)
    assert sweeper.sweep(NOW) == []
    assert segment_numbers(tmp_path) == [1, 2, 3, 4, 5, 6]
    commit(tmp_path, RELAY_GROUP, 3)
    assert sweeper.sweep(NOW) == []
    assert segment_numbers(tmp_path) == [3, 4, 5, 6]


def test_a_segment_is_as_old_as_its_last_record_may_be(tmp_path: Path) -> None:
    """Its age counts from when the next one was begun, to the microsecond."""
    filled(tmp_path, 3)  # begun at NOW - 2 s, NOW - 1 s and NOW
    sweeper = retention(tmp_path, retention_seconds=10)
    sweeper.sweep(NOW + 9 * SECOND)
    assert segment_numbers(tmp_path) == [1, 2, 3]
    sweeper.sweep(NOW + 9 * SECOND + 1)
    assert segment_numbers(tmp_path) == [2, 3]
    sweeper.sweep(NOW + 10 * SECOND + 1)
    assert segment_numbers(tmp_path) == [3]


def test_the_oldest_go_until_four_fifths_are_left(tmp_path: Path) -> None:
    """By size, whatever their age: and no more than that."""
    filled(tmp_path, 10)
    retention(tmp_path, max_bytes=10 * SIZE).sweep(NOW)
    assert segment_numbers(tmp_path) == list(range(3, 11))


def test_what_one_group_has_not_read_is_kept(tmp_path: Path) -> None:
    """The slowest attached group decides, whatever the others have, and to the record."""
    filled(tmp_path, 2, age_seconds=10**6)
    commit(tmp_path, "fast", 2, 10)
    commit(tmp_path, "slow", 1, 9)
    sweeper = retention(tmp_path)
    assert sweeper.sweep(NOW) == []
    assert segment_numbers(tmp_path) == [1, 2]
    commit(tmp_path, "slow", 1, 10)
    assert sweeper.sweep(NOW) == []
    assert segment_numbers(tmp_path) == [2]


def test_a_damaged_offset_file_holds_everything(tmp_path: Path) -> None:
    """It counts as nothing committed: deleting on a guess would lose records."""
    filled(tmp_path, 3, age_seconds=10**6)
    path = offset_path(tmp_path, "group")
    path.parent.mkdir()
    path.write_bytes(b"\0\0\0")
    assert retention(tmp_path).sweep(NOW) == []
    assert segment_numbers(tmp_path) == [1, 2, 3]


def test_an_offset_of_another_segment_holds_it(tmp_path: Path) -> None:
    """The number is right, the id is not: the group will read it again, so it stays."""
    filled(tmp_path, 2, age_seconds=10**6)
    store_offset(offset_path(tmp_path, "group"), CommittedOffset(1, 10, bytes(16)))
    retention(tmp_path).sweep(NOW)
    assert segment_numbers(tmp_path) == [1, 2]


def test_a_group_too_far_behind_is_detached(tmp_path: Path) -> None:
    """Only when it is in the way; it is said once, with its lag and the first segment it loses."""
    filled(tmp_path, 10)
    commit(tmp_path, "slow", 1)
    commit(tmp_path, "fast", 10, 10)
    sweeper = retention(tmp_path, max_lag_bytes=5 * SIZE)
    assert sweeper.sweep(NOW) == [], "nothing is due"
    sweeper = retention(tmp_path, max_bytes=10 * SIZE, max_lag_bytes=5 * SIZE)
    assert sweeper.sweep(NOW) == [GroupDetached("slow", 10 * SIZE, 1)]
    assert segment_numbers(tmp_path) == list(range(3, 11))
    assert orjson.loads(marker(tmp_path, "slow").read_bytes()) == {"lag_bytes": 10 * SIZE, "segment": 1}
    assert sweeper.sweep(NOW) == []


@pytest.mark.parametrize(("max_segments", "is_detached"), [(6, True), (7, False)])
def test_no_group_may_hold_more_than_three_quarters(tmp_path: Path, max_segments: int, is_detached: bool) -> None:
    """Whatever max_lag_bytes says: five of six segments would keep the journal above its bound for good."""
    filled(tmp_path, 5, age_seconds=10**6)
    commit(tmp_path, "slow", 0)
    sweeper = retention(tmp_path, max_bytes=max_segments * SIZE, max_lag_bytes=100 * SIZE)
    assert bool(sweeper.sweep(NOW)) == is_detached


def test_a_detached_group_is_attached_again_when_it_has_caught_up(tmp_path: Path) -> None:
    """To half of the lag it may have: from then on it holds space again."""
    filled(tmp_path, 10)
    commit(tmp_path, "slow", 1)
    sweeper = retention(tmp_path, max_bytes=10 * SIZE, max_lag_bytes=4 * SIZE)
    assert len(sweeper.sweep(NOW)) == 1
    commit(tmp_path, "slow", 8)
    sweeper.sweep(NOW)
    assert marker(tmp_path, "slow").exists(), "three segments are more than half of four"
    commit(tmp_path, "slow", 9)
    assert sweeper.sweep(NOW) == []
    assert not marker(tmp_path, "slow").exists()
    old = retention(tmp_path, retention_seconds=1, max_lag_bytes=4 * SIZE)
    assert old.sweep(NOW + 3600 * SECOND) == []
    assert segment_numbers(tmp_path) == [9, 10]


@pytest.mark.parametrize("lost", [1, 2])
def test_an_unreadable_segment_goes_with_the_others(tmp_path: Path, lost: int) -> None:
    """No age is known of what its header would say: it goes by size, and when every group is behind it."""
    filled(tmp_path, 4, age_seconds=10**6)
    segment_path(tmp_path, lost).write_bytes(bytes(SIZE))
    commit(tmp_path, "group", 4)
    sweeper = retention(tmp_path)
    sweeper.sweep(NOW)
    assert segment_numbers(tmp_path) == ([4] if lost == 1 else [1, 2, 3, 4])
    retention(tmp_path, max_bytes=2 * SIZE).sweep(NOW)
    assert segment_numbers(tmp_path) == [4]


def test_a_group_inside_an_unreadable_segment_holds_it(tmp_path: Path) -> None:
    """Nobody can say whether it has read it to its end."""
    filled(tmp_path, 3, age_seconds=10**6)
    commit(tmp_path, "group", 1, 10)
    segment_path(tmp_path, 1).write_bytes(bytes(SIZE))
    retention(tmp_path).sweep(NOW)
    assert segment_numbers(tmp_path) == [1, 2, 3]


@given(
    st.integers(1, 8),
    st.dictionaries(st.sampled_from(["a", "b", "c"]), st.tuples(st.integers(1, 8), st.integers(0, RECORDS))),
    st.integers(1, 12),
    st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_an_attached_group_never_loses_a_record(
    tmp_path_factory: pytest.TempPathFactory,
    count: int,
    groups: dict[str, tuple[int, int]],
    max_segments: int,
    is_old: bool,
) -> None:
    """Whatever the sizes and ages: what was unlinked was read by every group that is not detached, oldest first."""
    directory = tmp_path_factory.mktemp("swept")
    filled(directory, count, age_seconds=10**6 if is_old else 0)
    for group, (segment, record) in groups.items():
        commit(directory, group, min(segment, count), record)
    sweeper = retention(directory, max_bytes=max_segments * SIZE, max_lag_bytes=3 * SIZE)
    detached = {group.group for group in sweeper.sweep(NOW)}
    left = segment_numbers(directory)
    assert left == list(range(count - len(left) + 1, count + 1))
    assert left
    for group in groups.keys() - detached:
        segment, record = min(groups[group][0], count), groups[group][1]
        assert left[0] <= segment or (record == RECORDS and left[0] == segment + 1)
    for group in detached:
        assert marker(directory, group).exists()


def test_everything_in_the_directory_is_used_room(tmp_path: Path) -> None:
    """Segments, the lock, what a crash left; not what lies in folders."""
    assert retention(tmp_path).used_bytes() == 0
    filled(tmp_path, 2)
    (tmp_path / "lock").write_bytes(b"123\n")
    (tmp_path / "00000003.new").write_bytes(bytes(100))
    commit(tmp_path, "group", 1)
    assert retention(tmp_path).used_bytes() == 2 * SIZE + 104


def test_the_alert_says_what_operators_need() -> None:
    """Which journal, which group, how far behind, and what is lost; keyed by the group."""
    directory = Path("/data/journals/gateway-1/w0")
    record = detached_alert(GroupDetached("es", 123, 4), directory, Topics("acme"), 1_700_000_000_000_001)
    assert (record.topic, record.key) == ("acme.alert.v1", b"es")
    assert record.value is not None
    body = orjson.loads(record.value)
    assert "group es" in body.pop("message")
    assert body == {
        "kind": "group_detached",
        "at": "2023-11-14T22:13:20.000001Z",
        "journal": "gateway-1/w0",
        "group": "es",
        "lag_bytes": 123,
        "first_segment_lost": 4,
    }
