"""An hour's manifest: which files there are, how far they go in each partition, and what is in them, to the nano.

Manifests are a chain: each names the one before it by hour and checksum, and begins in every partition where that one
ended. An hour without a record has none, so whatever lies between two that follow one another is nothing. A manifest
says nothing of when or by whom it was made: two archivers make the same one.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from collectors.jobs.sums import Sums
from collectors.services.archive.contents import DamagedFileError, Tally
from collectors.services.archive.layout import MANIFEST, Hour, folder_of
from collectors.services.archive.places import Place, read
from collectors.sinks.offset_names import Named, named
from sluice.eventlog.interface import Partition

VERSION = 1


class FileFacts(msgspec.Struct, frozen=True):
    """One file."""

    name: str
    size_bytes: int
    sha256: str
    records: int
    undecodable: int
    late: int
    first_ms: int
    """The earliest append time of its records."""
    last_ms: int
    last_record_ms: int
    """That of its last record."""
    sums: dict[str, Any]
    schemas: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, size_bytes: int, sha256: str, tally: Tally) -> FileFacts:
        """Of a file with these records."""
        return cls(
            name=name,
            size_bytes=size_bytes,
            sha256=sha256,
            records=tally.records,
            undecodable=tally.undecodable,
            late=tally.late,
            first_ms=tally.first_ms or 0,
            last_ms=tally.last_ms or 0,
            last_record_ms=tally.last_record_ms,
            sums=tally.sums.as_dict(),
            schemas=tuple(sorted(tally.schemas)),
        )

    @property
    def named(self) -> Named:
        """What its name says; ValueError where it says nothing."""
        found = named(self.name)
        if found is None or found.last is None:
            message = f"{self.name} is no name of an archived file"
            raise ValueError(message)
        return found


class PartitionFacts(msgspec.Struct, frozen=True):
    """How far one partition is archived when an hour is complete."""

    topic: str
    """Of the partition: a journal's is its name."""
    number: int
    epoch: int
    """One more each time that the log was made anew."""
    begin: int
    """Where the hour before ended."""
    end: int
    """The offset with which the next goes on: what is before it is archived, is a gap, or is no record."""
    last: int | None = None
    """The offset of the last record that was archived of it, in this hour or before."""
    last_ms: int | None = None
    """When the log appended that: by it another log is told from this one."""
    gap: tuple[tuple[int, int], ...] = ()
    """First and last offsets that the log had deleted before they could be archived."""
    log: str = ""
    """The id of the topic or journal, where that is known: one that is made anew has another."""

    @property
    def partition(self) -> Partition:
        """As the log names it."""
        return Partition(self.topic, self.number)


class Previous(msgspec.Struct, frozen=True):
    """The manifest before."""

    hour: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """Of one topic in one hour."""

    version: int
    topic: str
    hour: int
    """Since the epoch."""
    starts: str
    """The same for people."""
    previous: Previous | None
    partitions: tuple[PartitionFacts, ...]
    files: tuple[FileFacts, ...]
    records: int
    undecodable: int
    late: int
    size_bytes: int
    sums: dict[str, Any]
    """Kind → UTC day of ``occurred_at`` → events, exact nanos by currency, an order-independent checksum of ids."""
    schemas: tuple[str, ...]
    writer: str
    """What made it: ``sluice`` and the version of this form."""
    schema_sha256: dict[str, str] = {}
    """Of each of ``schemas``: the checksum of its file; none where a version of old wrote this."""

    @property
    def at(self) -> Hour:
        """Its hour."""
        return Hour(self.hour)

    def add_up(self) -> dict[str, Any]:
        """What the figures must be, from those of the files."""
        sums = Sums()
        for each in self.files:
            sums.merge(Sums.of(each.sums))
        return {
            "records": sum(each.records for each in self.files),
            "undecodable": sum(each.undecodable for each in self.files),
            "late": sum(each.late for each in self.files),
            "size_bytes": sum(each.size_bytes for each in self.files),
            "sums": sums.as_dict(),
            "schemas": tuple(sorted({key for each in self.files for key in each.schemas})),
        }


def manifest_of(
    topic: str,
    hour: Hour,
    previous: tuple[Manifest, str] | None,
    partitions: list[PartitionFacts],
    files: list[FileFacts],
) -> Manifest:
    """The manifest of an hour that is complete."""
    empty: dict[str, Any] = {"records": 0, "undecodable": 0, "late": 0, "size_bytes": 0, "sums": {}, "schemas": ()}
    made = Manifest(
        version=VERSION,
        topic=topic,
        hour=hour.number,
        starts=str(hour),
        previous=None if previous is None else Previous(previous[0].hour, previous[1]),
        partitions=tuple(sorted(partitions, key=lambda each: (each.epoch, each.topic, each.number))),
        files=tuple(sorted(files, key=lambda each: each.name)),
        writer=f"sluice/{VERSION}",
        **empty,
    )
    return msgspec.structs.replace(made, **made.add_up())


def encode(manifest: Manifest) -> bytes:
    """As JSON: the checksum of the rest in front, and sums that a person can read."""
    body = msgspec.json.encode(manifest)
    text = b'{"checksum":"%s",%s' % (hashlib.sha256(body).hexdigest().encode(), body[1:])
    return msgspec.json.format(text, indent=1) + b"\n"


def decode(text: bytes) -> Manifest:
    """Raises DamagedFileError where anything in it was changed."""
    try:
        raw = msgspec.json.decode(text)
        checksum = raw.pop("checksum")
        body = _body(text, checksum)
        manifest = msgspec.json.decode(body, type=Manifest)
        if hashlib.sha256(body).hexdigest() != checksum:
            raise DamagedFileError("is not as it was written: its checksum is another")
        if manifest.version != VERSION:
            raise DamagedFileError(f"is of version {manifest.version}, and this reads {VERSION}")
        for each in manifest.files:
            assert each.named  # noqa: S101 - it raises
    except (msgspec.MsgspecError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedFileError(f"is no manifest: {type(error).__name__}") from error
    return manifest


def _body(text: bytes, checksum: str) -> bytes:
    """What the checksum is of, as it stands there: other versions of us write more fields, or fewer. Raises
    DamagedFileError where anything but that is in the file."""
    body = msgspec.json.format(text, indent=-1)
    start = b'{"checksum":"%s",' % checksum.encode()
    if not body.startswith(start) or msgspec.json.format(body, indent=1) + b"\n" != text:
        raise DamagedFileError("is not as it was written: its form is another")
    return b"{" + body[len(start) :]


def digest(text: bytes) -> str:
    """What the next manifest says of this one."""
    return hashlib.sha256(text).hexdigest()


def read_manifest(place: Place, topic: str, hour: Hour) -> tuple[Manifest, str] | None:
    """The manifest of an hour with its digest; ``None`` where there is none. Raises DamagedFileError."""
    text = read(place, folder_of(topic, hour), MANIFEST)
    if text is None:
        return None
    found = decode(text)
    if (found.topic, found.hour) != (topic, hour.number):
        raise DamagedFileError(f"is that of {found.topic} at {found.at}")
    return found, digest(text)


def hours_of(place: Place, topic: str) -> list[Hour]:
    """The hours that have a folder, in order."""
    found = []
    for date in place.folders(topic):
        for each in place.folders(f"{topic}/{date}"):
            hour = Hour.parse(f"{date}/{each}")
            if hour is not None:
                found.append(hour)
    return sorted(found)


def newest(place: Place, topic: str) -> tuple[Manifest, str] | None:
    """The last manifest of a topic, found from its end. Raises DamagedFileError naming the file."""
    for date in reversed(place.folders(topic)):
        for each in reversed(place.folders(f"{topic}/{date}")):
            hour = Hour.parse(f"{date}/{each}")
            if hour is None:
                continue
            try:
                found = read_manifest(place, topic, hour)
            except DamagedFileError as error:
                raise DamagedFileError(f"{folder_of(topic, hour)}/{MANIFEST} {error}") from error
            if found is not None:
                return found
    return None
