"""The head of a segment: who wrote it, from where it counts, and the schemas of its events.

The header lies in the file twice, at 0 and at 4096, because everything behind depends on it: one damaged block takes
one copy. Schema frames follow, then entries.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import orjson

from schemas.codec import published_schemas
from schemas.events import KINDS, Kind
from schemas.topics import Topics
from sluice.eventlog.interface import Boot
from sluice.eventlog.journal.frames import FRAME_BYTES, SCHEMA_MARK, frame, payload_at, seed_of

MAGIC = b"SLJRNL\x00\x01"
"""The last byte is the format's version."""
COPY_BYTES = 4096
HEADER_BYTES = 2 * COPY_BYTES
_PAYLOAD_BYTES = COPY_BYTES - FRAME_BYTES


class BadHeaderError(Exception):
    """Neither copy of the header can be read."""


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What the first frame of a segment says."""

    number: int
    boot: Boot
    sequences: dict[Kind, int]
    """The last ones given before this segment; 0 where none was."""
    records_before: int
    """Records in all earlier segments of this journal: makes lag a subtraction."""
    created_at: int
    topics: tuple[str, ...]
    """Topic names of the events, in the order of their kinds."""
    id: bytes = field(default_factory=lambda: os.urandom(16))

    @property
    def seed(self) -> int:
        """Where this segment's checksums start."""
        return seed_of(self.id)

    def to_bytes(self) -> bytes:
        """Both copies."""
        body = orjson.dumps(
            {
                "number": self.number,
                "id": self.id.hex(),
                "gateway_id": self.boot.gateway_id,
                "worker": self.boot.worker,
                "boot_id": self.boot.boot_id,
                "sequences": self.sequences,
                "records_before": self.records_before,
                "created_at": self.created_at,
                "topics": self.topics,
            }
        )
        payload = (MAGIC + body).ljust(_PAYLOAD_BYTES)
        if len(payload) > _PAYLOAD_BYTES:
            message = f"a segment header of {len(payload)} bytes; shorten gateway_id or kafka.namespace"
            raise ValueError(message)
        return frame(0, payload) * 2


def parse_header(head: bytes) -> SegmentHeader:
    """The header from the first 8192 bytes of a segment, from whichever copy is sound; raises BadHeaderError."""
    for at in (0, COPY_BYTES):
        payload = payload_at(head, at, 0)
        if payload is not None and payload.startswith(MAGIC):
            return _from_document(orjson.loads(payload[len(MAGIC) :]))
    message = "no sound segment header"
    raise BadHeaderError(message)


def _from_document(document: dict[str, Any]) -> SegmentHeader:
    return SegmentHeader(
        number=document["number"],
        boot=Boot(document["gateway_id"], document["worker"], document["boot_id"]),
        sequences={kind: document["sequences"].get(kind, 0) for kind in KINDS},
        records_before=document["records_before"],
        created_at=document["created_at"],
        topics=tuple(document["topics"]),
        id=bytes.fromhex(document["id"]),
    )


def event_topics(topics: Topics) -> tuple[str, ...]:
    """Names of the topics that an entry's records index."""
    return tuple(topics.event(kind).name for kind in KINDS)


def segment_head(header: SegmentHeader) -> bytes:
    """Everything in front of the entries."""
    seed = header.seed
    schemas = (frame(seed, SCHEMA_MARK + fingerprint + text) for fingerprint, text in published_schemas())
    return header.to_bytes() + b"".join(schemas)
