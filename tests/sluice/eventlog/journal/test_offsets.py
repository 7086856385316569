"""Offsets, and the file in which a group keeps its next one: damage holds everything and never jumps."""

from __future__ import annotations

import os
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.eventlog.journal.offsets import (
    GROUPS_FOLDER,
    NOTHING_COMMITTED,
    CommittedOffset,
    group_name,
    load_groups,
    load_offset,
    offset_of,
    offset_path,
    replace_file,
    split_offset,
    store_offset,
)

segments = st.integers(0, 2**31 - 1)
record_numbers = st.integers(0, 2**32 - 1)
places = st.tuples(segments, record_numbers)
COMMITTED = CommittedOffset(3, 4, bytes(range(16)))


@given(places, places)
@settings(deadline=None)
def test_offsets_rise_with_segment_and_record(one: tuple[int, int], other: tuple[int, int]) -> None:
    """They are read back, ordered like what they stand for, and fit Kafka's signed 64 bits."""
    assert split_offset(offset_of(*one)) == one
    assert (offset_of(*one) < offset_of(*other)) == (one < other)
    assert 0 <= offset_of(*one) < 2**63
    assert CommittedOffset(*one, b"").offset == offset_of(*one)


def test_the_largest_record_number_does_not_run_into_the_next_segment() -> None:
    """Behind it the segment's number rises by one."""
    assert offset_of(5, 2**32 - 1) + 1 == offset_of(6, 0)
    assert NOTHING_COMMITTED.offset == 0


@given(segments, record_numbers, st.binary(max_size=16))
@settings(deadline=None, max_examples=50)
def test_what_is_stored_is_loaded(
    tmp_path_factory: pytest.TempPathFactory, segment: int, record: int, segment_id: bytes
) -> None:
    """As it was, an empty id too."""
    path = offset_path(tmp_path_factory.mktemp("journal"), "group")
    store_offset(path, CommittedOffset(segment, record, segment_id))
    assert load_offset(path) == CommittedOffset(segment, record, segment_id)


@given(st.text(st.characters(codec="utf-8"), max_size=20))
@settings(deadline=None, max_examples=50)
def test_any_group_has_a_file_of_its_own_in_the_groups_folder(group: str) -> None:
    """No name leads out of it or to another group's file, whatever is in it."""
    directory = Path("/journal")
    path = offset_path(directory, group)
    assert path.parent == directory / GROUPS_FOLDER
    assert path.name == f"{group_name(group)}.json"
    assert not {"/", "\0"} & set(path.name)


@pytest.mark.parametrize(
    "group", ["", ".", "..", "../../etc/passwd", "a/b", "a%2Fb", "a b", "ä", "x.json", "x.detached"]
)
def test_difficult_names_are_stored_and_found(tmp_path: Path, group: str) -> None:
    """Under their file's name, beside an ordinary group."""
    store_offset(offset_path(tmp_path, group), COMMITTED)
    store_offset(offset_path(tmp_path, "x"), NOTHING_COMMITTED)
    assert load_groups(tmp_path) == {group_name(group): COMMITTED, "x": NOTHING_COMMITTED}
    assert [entry.name for entry in tmp_path.iterdir()] == [GROUPS_FOLDER]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 60,
        b"{",
        b"null",
        b"[]",
        b"5",
        b"{}",
        b'{"segment":1,"record":2}',
        b'{"segment":1,"record":2,"segment_id":5}',
        b'{"segment":1,"record":2,"segment_id":"xyz"}',
        b'{"segment":1,"record":2,"segment_id":"00"} trailing',
        b"\xff\xfe",
    ],
)
def test_a_damaged_file_is_nothing_committed(tmp_path: Path, content: bytes) -> None:
    """Power loss may leave it empty or in zeros: the group begins again, and until then holds everything."""
    path = offset_path(tmp_path, "group")
    replace_file(path, content)
    assert load_offset(path) is None
    assert load_groups(tmp_path) == {"group": NOTHING_COMMITTED}


@pytest.mark.parametrize("value", ["1", None, 1.5, 1.0, True, [], -1])
@pytest.mark.parametrize("key", ["segment", "record"])
def test_a_file_whose_numbers_are_none_is_damaged_too(tmp_path: Path, key: str, value: object) -> None:
    """Valid JSON with something else where a number should be must not reach whoever computes with it."""
    path = offset_path(tmp_path, "group")
    replace_file(path, orjson.dumps({"segment": 1, "record": 2, "segment_id": "00", key: value}))
    assert load_offset(path) is None


def test_a_missing_file_is_none(tmp_path: Path) -> None:
    """A group that never committed; a journal without groups has none."""
    assert load_offset(offset_path(tmp_path, "group")) is None
    assert load_groups(tmp_path) == {}
    assert load_groups(tmp_path / "missing") == {}


def test_only_offset_files_are_groups(tmp_path: Path) -> None:
    """Neither markers of detached groups nor what an interrupted store left."""
    store_offset(offset_path(tmp_path, "group"), COMMITTED)
    for name in ("group.detached", "other.json.tmp", "README"):
        (tmp_path / GROUPS_FOLDER / name).write_bytes(b"{}")
    assert load_groups(tmp_path) == {"group": COMMITTED}


def test_a_store_replaces_at_once(tmp_path: Path) -> None:
    """Who has the old file open goes on seeing the old offset, whole; nothing is left beside the new one."""
    path = offset_path(tmp_path, "group")
    store_offset(path, COMMITTED)
    with path.open("rb") as held:
        store_offset(path, CommittedOffset(9, 9, b""))
        assert orjson.loads(held.read())["segment"] == 3
    assert load_offset(path) == CommittedOffset(9, 9, b"")
    assert os.listdir(path.parent) == ["group.json"]  # noqa: PTH208


def test_a_store_that_fails_leaves_the_old_offset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk must not lose what was committed; the error is the caller's."""
    path = offset_path(tmp_path, "group")
    store_offset(path, COMMITTED)
    write_bytes = Path.write_bytes

    def half(self: Path, data: bytes) -> int:
        write_bytes(self, data[: len(data) // 2])
        raise OSError(28, "no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", half)
        with pytest.raises(OSError, match="no space left"):
            store_offset(path, NOTHING_COMMITTED)
    assert load_offset(path) == COMMITTED
    store_offset(path, NOTHING_COMMITTED)
    assert load_offset(path) == NOTHING_COMMITTED
