"""What may be deleted: whole segments, the oldest first, never the one being written.

As the spool in front of Kafka a segment goes when the relay has it. As the log itself it goes when it is older than
``journal.retention_seconds`` or in the way of staying under 80 % of ``journal.max_bytes``; but never while an attached
group has not read it. A group that is in the way and further behind than ``journal.max_lag_bytes`` is detached: it
holds nothing any more until it has caught up to half of that.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import orjson

from schemas.topics import Topics
from sluice.clock import iso_micros
from sluice.eventlog.interface import Record
from sluice.eventlog.journal.header import BadHeaderError, SegmentHeader
from sluice.eventlog.journal.offsets import (
    GROUPS_FOLDER,
    NOTHING_COMMITTED,
    RELAY_GROUP,
    CommittedOffset,
    load_groups,
    replace_file,
)
from sluice.eventlog.journal.segment import read_header, segment_numbers, segment_path
from sluice.eventlog.settings import JournalSettings

DETACHED_SUFFIX = ".detached"
_FILL_PERCENT = 80
_MAX_LAG_PERCENT = 75
"""Whatever ``max_lag_bytes`` says: a group that held more would keep the journal above 80 % for good."""


@dataclass(frozen=True, slots=True)
class GroupDetached:
    """A group that was too far behind and no longer holds space."""

    group: str
    lag_bytes: int
    first_segment_lost: int


def detached_alert(detached: GroupDetached, directory: Path, topics: Topics, now_micros: int) -> Record:
    """The alert that operators must see."""
    journal = f"{directory.parent.name}/{directory.name}"
    body = {
        "kind": "group_detached",
        "at": iso_micros(now_micros),
        "journal": journal,
        "group": detached.group,
        "lag_bytes": detached.lag_bytes,
        "first_segment_lost": detached.first_segment_lost,
        "message": f"group {detached.group} is too far behind on journal {journal}: what it has not read is deleted",
    }
    return Record(topics.alert.name, detached.group.encode(), orjson.dumps(body))


@dataclass(slots=True)
class _Segment:
    number: int
    size: int
    header: SegmentHeader | None


class Retention:
    """Sweeps one journal's directory. Called by its holder alone."""

    def __init__(self, directory: Path, settings: JournalSettings, *, embedded: bool) -> None:
        self._directory = directory
        self._retention_micros = int(settings.retention_seconds * 1_000_000)
        self._fill_bytes = settings.max_bytes * _FILL_PERCENT // 100
        self._max_lag_bytes = min(settings.max_lag_bytes, settings.max_bytes * _MAX_LAG_PERCENT // 100)
        self._embedded = embedded
        self._headers: dict[int, SegmentHeader | None] = {}
        self.removed = 0
        """Segments unlinked so far."""

    def sweep(self, now_micros: int) -> list[GroupDetached]:
        """Unlink what may go; returns the groups that had to be detached for it."""
        segments = self._segments()
        # with one segment there is only who may be attached again, which nobody is as the spool
        groups = self._attached(segments) if self._embedded or len(segments) > 1 else {}
        detached: list[GroupDetached] = []
        while len(segments) > 1:
            if not self._is_due(segments, now_micros):
                break
            behind = [group for group in groups if not _has_read(groups[group], segments[0], segments[1])]
            if not self._detach(behind, groups, segments, detached):
                break
            segment_path(self._directory, segments.pop(0).number).unlink(missing_ok=True)
            self.removed += 1
        self._headers = {segment.number: segment.header for segment in segments}
        return detached

    def used_bytes(self) -> int:
        """Everything in the directory, dead letters included."""
        with os.scandir(self._directory) as entries:  # a third of what paths cost: it is asked each second
            return sum([entry.stat().st_size for entry in entries if entry.is_file()])

    def _segments(self) -> list[_Segment]:
        segments = []
        for number in segment_numbers(self._directory):
            path = segment_path(self._directory, number)
            if number not in self._headers:
                self._headers[number] = _header_or_none(path)
            segments.append(_Segment(number, path.stat().st_size, self._headers[number]))
        return segments

    def _attached(self, segments: list[_Segment]) -> dict[str, CommittedOffset]:
        """The groups that hold segments; those that have caught up are attached again."""
        groups = load_groups(self._directory)
        if not self._embedded:
            return {RELAY_GROUP: groups.get(RELAY_GROUP, NOTHING_COMMITTED)}
        groups.pop(RELAY_GROUP, None)
        for group in list(groups):
            marker = self._marker(group)
            if not marker.exists():
                continue
            if _lag_bytes(groups[group], segments) <= self._max_lag_bytes // 2:
                marker.unlink()
            else:
                del groups[group]
        return groups

    def _marker(self, group: str) -> Path:
        return self._directory / GROUPS_FOLDER / (group + DETACHED_SUFFIX)

    def _is_due(self, segments: list[_Segment], now_micros: int) -> bool:
        if not self._embedded:
            return True
        following = segments[1].header
        is_old = following is not None and following.created_at + self._retention_micros < now_micros
        return is_old or sum(segment.size for segment in segments) > self._fill_bytes

    def _detach(
        self,
        behind: list[str],
        groups: dict[str, CommittedOffset],
        segments: list[_Segment],
        detached: list[GroupDetached],
    ) -> bool:
        """Whether nobody is in the way of the oldest segment any more."""
        lags = {group: _lag_bytes(groups[group], segments) for group in behind}
        if not self._embedded and behind:
            return False
        if any(lag <= self._max_lag_bytes for lag in lags.values()):
            return False
        for group, lag in lags.items():
            replace_file(self._marker(group), orjson.dumps({"lag_bytes": lag, "segment": segments[0].number}))
            detached.append(GroupDetached(group, lag, segments[0].number))
            del groups[group]
        return True


def _header_or_none(path: Path) -> SegmentHeader | None:
    try:
        return read_header(path)
    except BadHeaderError:
        return None


def _has_read(committed: CommittedOffset, segment: _Segment, following: _Segment) -> bool:
    """Whether the group has all of ``segment``: it is in a later one, or at the end of this very one."""
    if committed.segment != segment.number:
        return committed.segment > segment.number
    if segment.header is None or following.header is None or committed.segment_id != segment.header.id:
        return False
    return committed.record >= following.header.records_before - segment.header.records_before


def _lag_bytes(committed: CommittedOffset, segments: list[_Segment]) -> int:
    """What the group has still to read, to the segment: the one it is in counts whole."""
    return sum(segment.size for segment in segments if segment.number >= committed.segment)
