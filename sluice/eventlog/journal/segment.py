"""Segment files: their names, and reading one from its head to its last sound entry."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sluice.eventlog.journal.frames import (
    ENTRY_MARK,
    FRAME,
    FRAME_BYTES,
    MARK_BYTES,
    MAX_PAYLOAD_BYTES,
    SCHEMA_MARK,
    SEAL_MARK,
    checksum,
    find_frame,
    payload_at,
)
from sluice.eventlog.journal.header import HEADER_BYTES, SegmentHeader, parse_header

SUFFIX = ".seg"
_NAME = re.compile(r"(\d{8,10})\.seg")
_CHUNK_BYTES = 1 << 20
_FINGERPRINT_BYTES = 8
_SCHEMAS_BYTES = 1 << 20
"""More than the schemas of one segment ever are (about 20 KB)."""


def segment_path(directory: Path, number: int) -> Path:
    """Where segment ``number`` lies."""
    return directory / f"{number:08d}{SUFFIX}"


def segment_numbers(directory: Path) -> list[int]:
    """The segments that exist, oldest first; empty where the directory does not exist."""
    try:
        names = os.listdir(directory)  # noqa: PTH208 - looked at often, and names are all that is needed
    except FileNotFoundError:
        return []
    return sorted(int(match[1]) for match in map(_NAME.fullmatch, names) if match)


def read_header(path: Path) -> SegmentHeader:
    """The header of a segment; raises BadHeaderError, FileNotFoundError."""
    with path.open("rb") as file:
        return parse_header(file.read(HEADER_BYTES))


class SegmentReader:
    """Reads a segment forward, also while it is being written. Raises BadHeaderError, FileNotFoundError when made."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.header = parse_header(os.pread(self._descriptor, HEADER_BYTES, 0))
        except BaseException:
            os.close(self._descriptor)
            raise
        self._seed = self.header.seed
        self._data = b""
        self._data_at = HEADER_BYTES
        self.position = HEADER_BYTES
        """The byte behind the last sound frame."""
        self.sealed = False
        """Whether the last frame read is the seal of a clean end."""
        self.damaged = 0
        """Places where damage was stepped over or ended the segment."""

    def next_entry(self, *, final: bool) -> bytes | None:
        """The payload of the next entry; ``None`` where there is none yet, or at the end.

        Damage is stepped over to the next sound entry. Where none follows, it is an append not yet complete while the
        segment is being written, and the end once the segment is ``final``.
        """
        while True:
            payload = self._next_payload()
            if payload is None:
                if self._step_over_damage(final=final):
                    continue
                return None
            mark = payload[:MARK_BYTES]
            self.sealed = mark == SEAL_MARK
            if mark == ENTRY_MARK:
                return payload

    def read_schemas(self) -> list[bytes]:
        """JSON texts of the schema frames at the segment's head."""
        head = os.pread(self._descriptor, _SCHEMAS_BYTES, HEADER_BYTES)
        schemas, at = [], 0
        while (payload := payload_at(head, at, self._seed)) is not None and payload.startswith(SCHEMA_MARK):
            schemas.append(payload[MARK_BYTES + _FINGERPRINT_BYTES :])
            at += FRAME_BYTES + len(payload)
        return schemas

    def _next_payload(self) -> bytes | None:
        at = self.position - self._data_at
        if at + FRAME_BYTES > len(self._data):
            at = self._refill(_CHUNK_BYTES)
            if len(self._data) < FRAME_BYTES:
                return None
        length, crc = FRAME.unpack_from(self._data, at)
        if not MARK_BYTES <= length <= MAX_PAYLOAD_BYTES:
            return None
        end = at + FRAME_BYTES + length
        if end > len(self._data):
            at = self._refill(max(_CHUNK_BYTES, FRAME_BYTES + length))
            end = FRAME_BYTES + length
            if end > len(self._data):
                return None
        payload = self._data[at + FRAME_BYTES : end]
        if checksum(self._seed, payload) != crc:
            return None
        self.position += FRAME_BYTES + length
        return payload

    def _refill(self, size: int) -> int:
        self._data = os.pread(self._descriptor, size, self.position)
        self._data_at = self.position
        return 0

    def _step_over_damage(self, *, final: bool) -> bool:
        """Whether to go on reading at ``position``. What was buffered may be older than the file: look again first."""
        rest = self.size() - self.position
        if rest <= 0:
            return False
        self._refill(rest)
        found = find_frame(self._data, 0, self._seed)
        if found is None:
            if final:
                self.damaged += 1
                self.position += rest
            return False
        if found > 0:
            self.damaged += 1
            self.position += found
        return True

    def size(self) -> int:
        """Bytes in the file now."""
        return os.fstat(self._descriptor).st_size

    def seek(self, position: int) -> None:
        """Go on at the frame that begins at ``position``."""
        self.position = max(position, HEADER_BYTES)
        self._data, self._data_at = b"", self.position

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)
