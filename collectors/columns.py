"""Records to frames: the bodies that share a schema are decoded together, as columns.

They are joined behind one Avro container header and read by polars. That is three times as fast as record by record,
and has traps that are closed here:

- a bad body in the middle may shift all behind it, so each row's ``event_id`` is compared with the ``ce_id`` header of
  its record; any error, panic or mismatch sends the whole group through fastavro one by one, which isolates the poison;
- polars refuses defaults and panics on maps, so the header holds the schema's canonical form (which also drops logical
  types: times are plain integers), and a writer whose types are not today's goes one by one;
- cutting the frame off each value would copy all of it (a third of the time of a proxy log): the schema in the header
  begins with a field of as many bytes, which is passed by;
- both ways end in the same frame, so whatever is made of it is the same.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

import polars as pl
from fastavro.schema import to_parsing_canonical_form

from collectors.deliveries import Delivery, Frame, Poison
from collectors.errors import Unprocessable
from collectors.frames import EVENT_ID_PATTERN, fit, frame_of, is_sound
from schemas.cloudevents import EVENT_ID
from schemas.codec import HEADER_BYTES, MAGIC, SchemaBook, UndecodableError, frame_bytes
from schemas.encoder import encode_bytes, encode_long
from schemas.events import Kind
from sluice.eventlog.interface import PolledRecord

_SYNC = b"sluice-container"  # 16 bytes; they only have to be the same behind every block
_FRONT = "frame in front"  # no field of a writer's can have this name
_IS_EVENT_ID = re.compile(EVENT_ID_PATTERN)


@dataclass(slots=True)
class Decoded:
    """What became of a delivery."""

    frames: list[Frame] = field(default_factory=list)
    poison: Poison = field(default_factory=Poison)
    unknown: dict[bytes, Delivery] = field(default_factory=dict)
    """By fingerprint: written with a schema that nobody has shown us yet."""


class Decodes(Protocol):
    """Makes frames of records; whatever a job reads instead of the log brings its own."""

    @property
    def book(self) -> SchemaBook:
        """The schemas that it knows."""
        ...

    @property
    def column_failures(self) -> int:
        """Groups that had to be decoded one by one."""
        ...

    def decode(self, delivery: Delivery) -> Decoded:
        """Frames, poison and the unknown; every record is in exactly one of them."""
        ...


class Decoder:
    """Decodes with the schemas of ``book``; what it does not know is handed back."""

    def __init__(self, book: SchemaBook) -> None:
        self.book = book
        self.column_failures = 0
        """Groups that had to be decoded one by one."""

    def decode(self, delivery: Delivery) -> Decoded:
        """Frames, poison and the unknown; every record is in exactly one of them."""
        decoded = Decoded()
        for fingerprint, group in _by_fingerprint(self.book, delivery, decoded.poison).items():
            if fingerprint not in self.book:
                decoded.unknown[fingerprint] = group
                continue
            frame = self._columns(fingerprint, group)
            if frame is None:
                self.column_failures += 1
                frame = self._one_by_one(fingerprint, group, decoded.poison)
            if len(frame.delivery):
                decoded.frames.append(frame)
        return decoded

    def _columns(self, fingerprint: bytes, group: Delivery) -> Frame | None:
        """The group as a frame, or ``None`` where anything at all is doubtful."""
        kind = self.book.kind(fingerprint)
        try:
            header, names = _header(self.book.text(fingerprint), frame_bytes(fingerprint))
            rows = pl.read_avro(io.BytesIO(_container(header, group.records)), columns=names)
            fitted = fit(kind, rows)
            if fitted is None or not is_sound(kind, fitted) or not _are_theirs(fitted["event_id"], group.records):
                return None
        except (Exception, pl.exceptions.PanicException):  # noqa: BLE001 - damage shows as any of OSError, ValueError, …
            return None
        return Frame(kind, fitted, group)

    def _one_by_one(self, fingerprint: bytes, group: Delivery, poison: Poison) -> Frame:
        kept, events = Delivery(), []
        for record, lane in zip(group.records, group.lanes, strict=True):
            try:
                events.append(self._event(record))
            except Unprocessable as error:
                poison.add(record, lane, error)
            else:
                kept.add(record, lane)
        kind: Kind = self.book.kind(fingerprint)
        return Frame(kind, frame_of(kind, events), kept)

    def _event(self, record: PolledRecord) -> dict[str, Any]:
        try:
            _, event = self.book.decode(record.value or b"")
        except UndecodableError as error:
            raise Unprocessable(error.reason) from error
        if _IS_EVENT_ID.fullmatch(event["event_id"]) is None:
            raise Unprocessable("bad_event_id")
        if _header_id(record) not in {b"", event["event_id"].encode()}:
            raise Unprocessable("id_mismatch", "the ce_id header names another event")
        return event


def _by_fingerprint(book: SchemaBook, delivery: Delivery, poison: Poison) -> dict[bytes, Delivery]:
    if (only := _fingerprint_of_all(delivery.records)) is not None:
        return {only: delivery}
    groups: dict[bytes, Delivery] = {}
    for record, lane in zip(delivery.records, delivery.lanes, strict=True):
        try:
            fingerprint = book.key_of(record.value)
        except UndecodableError as error:
            poison.add(record, lane, Unprocessable(error.reason))
            continue
        group = groups.get(fingerprint)
        if group is None:
            group = groups[fingerprint] = Delivery()
        group.add(record, lane)
    return groups


def _fingerprint_of_all(records: Sequence[PolledRecord]) -> bytes | None:
    """What nearly every poll is: all of them well framed by us, with one schema. ``None`` where they are not."""
    values = [record.value or b"" for record in records]
    fronts = {value[:HEADER_BYTES] for value in values}
    if len(fronts) != 1 or min(map(len, values)) <= HEADER_BYTES:
        return None
    [front] = fronts
    return front[len(MAGIC) :] if front.startswith(MAGIC) else None


def _header_id(record: PolledRecord) -> bytes:
    """Empty where there is none."""
    for name, value in record.headers:
        if name == EVENT_ID:
            return value or b""  # Kafka has headers without a value
    return b""


def _are_theirs(event_ids: pl.Series, records: Sequence[PolledRecord]) -> bool:
    """Whether each row is the event that the header of its record names. No sound id has a line's end in it."""
    named = b"\n".join([_header_id(record) for record in records])
    return len(event_ids) == len(records) and "\n".join(event_ids.to_list()).encode() == named


@cache
def _header(schema: bytes, skipped: int) -> tuple[bytes, list[str]]:
    """Of a container of values with ``skipped`` bytes in front of each body; and the fields of the bodies."""
    canonical = json.loads(to_parsing_canonical_form(json.loads(schema)))
    names = [each["name"] for each in canonical["fields"]]
    front = {"name": _FRONT, "type": {"type": "fixed", "name": _FRONT, "size": skipped}}
    written = json.dumps(canonical | {"fields": [front, *canonical["fields"]]}).encode()
    entries = ((b"avro.schema", written), (b"avro.codec", b"null"))
    metadata = b"".join(encode_bytes(key) + encode_bytes(value) for key, value in entries)
    return b"Obj\x01" + encode_long(len(entries)) + metadata + b"\0" + _SYNC, names


def _container(header: bytes, records: Sequence[PolledRecord]) -> bytes:
    values = [record.value or b"" for record in records]
    return b"".join((header, encode_long(len(values)), encode_long(sum(map(len, values))), *values, _SYNC))
