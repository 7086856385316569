"""Offsets, and the file in which a group keeps its next one.

An offset is ``segment number << 32 | record number``. The file also holds the segment's id, so that an offset is never
applied to another segment that happens to have the same number. One writer per file: the group's reader.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import orjson

from sluice.eventlog.journal.entries import SEGMENT_SHIFT

RELAY_GROUP = "relay"
"""The group that carries a journal to Kafka."""
GROUPS_FOLDER = "groups"
_RECORD_MASK = (1 << SEGMENT_SHIFT) - 1
_SUFFIX = ".json"


def offset_of(segment: int, record: int) -> int:
    """The offset of a record."""
    return segment << SEGMENT_SHIFT | record


def split_offset(offset: int) -> tuple[int, int]:
    """Segment number and record number."""
    return offset >> SEGMENT_SHIFT, offset & _RECORD_MASK


@dataclass(frozen=True, slots=True)
class CommittedOffset:
    """A group's next offset."""

    segment: int
    record: int
    segment_id: bytes
    """Empty where the group was registered before there was a segment."""

    @property
    def offset(self) -> int:
        """As a number."""
        return offset_of(self.segment, self.record)


NOTHING_COMMITTED = CommittedOffset(0, 0, b"")


def group_name(group: str) -> str:
    """The group's name as part of a file name."""
    return quote(group, safe="")


def offset_path(directory: Path, group: str) -> Path:
    """Where a group keeps its offset of the journal in ``directory``."""
    return directory / GROUPS_FOLDER / (group_name(group) + _SUFFIX)


def load_offset(path: Path) -> CommittedOffset | None:
    """What the file says; ``None`` where it is missing or damaged (a rename that power loss left without content)."""
    try:
        document = orjson.loads(path.read_bytes())
        segment, record = _checked(document["segment"]), _checked(document["record"])
        return CommittedOffset(segment, record, bytes.fromhex(document["segment_id"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _checked(number: object) -> int:
    if type(number) is not int or number < 0:
        message = f"{number!r} where a number from 0 on should be"
        raise ValueError(message)
    return number


def store_offset(path: Path, committed: CommittedOffset) -> None:
    """Replace the file at once: a reader of it sees the old offset or the new one."""
    document = {"segment": committed.segment, "record": committed.record, "segment_id": committed.segment_id.hex()}
    replace_file(path, orjson.dumps(document))


def replace_file(path: Path, content: bytes) -> None:
    """Write beside and rename. Not synced: after power loss an older offset only means records seen twice."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.write_bytes(content)
    except FileNotFoundError:  # the first time
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
    temporary.rename(path)


def load_groups(directory: Path) -> dict[str, CommittedOffset]:
    """Every group registered at the journal in ``directory``, by its file's name; a damaged file counts as nothing
    committed, so that it holds everything."""
    folder = directory / GROUPS_FOLDER
    try:
        names = [name for name in os.listdir(folder) if name.endswith(_SUFFIX)]  # noqa: PTH208 - each second
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {name.removesuffix(_SUFFIX): load_offset(folder / name) or NOTHING_COMMITTED for name in names}
