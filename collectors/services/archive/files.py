"""The files of one topic in one partition and hour: made from records as they are read, checked when they are found.

A file ends where the records' bytes reach a bound, so the same records make the same files, whoever archives them and
however often: the name of each is taken once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from collectors.columns import Decoder
from collectors.services.archive.contents import (
    DamagedFileError,
    FileContent,
    FormatName,
    Tally,
    decode,
    extension_of,
    raw_rows,
    read_records,
)
from collectors.services.archive.layout import Hour, folder_of
from collectors.services.archive.manifest import FileFacts
from collectors.services.archive.places import Place
from collectors.sinks.offset_names import OffsetNames, named
from collectors.sinks.settings import Compression
from schemas.events import Kind
from sluice.eventlog.interface import Partition, PolledRecord

_HASH_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Form:
    """What files are made as."""

    format: FormatName
    compression: Compression
    max_bytes: int

    @property
    def extension(self) -> str:
        """With its dot."""
        return extension_of(self.format, self.compression)


@dataclass(slots=True)
class _File:
    content: FileContent
    tally: Tally = field(default_factory=Tally)
    size_bytes: int = 0
    last: int = 0


class PartitionFiles:
    """Writes a partition's records of a topic in an hour. Called from threads, one call at a time."""

    def __init__(
        self,
        place: Place,
        topic: str,
        kind: Kind | None,
        hour: Hour,
        partition: Partition,
        epoch: int,
        first: int,
        form: Form,
        decoder: Decoder,
    ) -> None:
        """``first``: the first offset that is not archived yet."""
        self._place = place
        self._path = folder_of(topic, hour)
        self._kind = kind
        self._hour = hour
        self._partition = partition
        self._names = OffsetNames(topic, partition)
        self._epoch = epoch
        self._form = form
        self._decoder = decoder
        self._file: _File | None = None
        self.first = first
        self.files: list[FileFacts] = []
        self.bytes = 0

    def add(self, records: Sequence[PolledRecord]) -> None:
        """In the order of the log; what is archived already is passed over."""
        start, wanted = 0, [record for record in records if record.offset >= self.first]
        file = self._file
        for at, record in enumerate(wanted):
            file = file or _File(FileContent(self._kind, self._form.format, self._form.compression))
            file.size_bytes += len(record.value or b"")
            if file.size_bytes >= self._form.max_bytes:
                self._put_into(file, wanted[start : at + 1])
                self._finish(file)
                start, file = at + 1, None
        self._file = file
        if file is not None and start < len(wanted):
            self._put_into(file, wanted[start:])

    def _put_into(self, file: _File, records: Sequence[PolledRecord]) -> None:
        file.tally.note(records, self._hour.start_ms)
        file.content.add(rows_of(self._decoder, self._kind, records, self._partition, file.tally))
        file.last = records[-1].offset

    def _finish(self, file: _File) -> None:
        body = file.content.body()
        name = self._names.name(self._epoch, self.first, file.last) + self._form.extension
        facts = FileFacts.of(name, len(body), hashlib.sha256(body).hexdigest(), file.tally)
        if not self._place.put(self._path, name, body):  # another archiver's, or from before a crash: the same records
            facts = examine(self._place, self._path, name, self._kind, self._decoder)
        self.files.append(facts)
        self.bytes += facts.size_bytes
        self.first = file.last + 1

    def end(self) -> None:
        """Finish what is begun."""
        if self._file is not None:
            self._finish(self._file)
            self._file = None


def rows_of(
    decoder: Decoder, kind: Kind | None, records: Sequence[PolledRecord], partition: Partition, tally: Tally
) -> list[pl.DataFrame]:
    """Rows of records; those of a topic without events are as they are."""
    return [raw_rows(records)] if kind is None else decode(decoder, records, partition, tally)


def examine(place: Place, path: str, name: str, kind: Kind | None, decoder: Decoder) -> FileFacts:
    """What is in a file, from its bytes alone; raises DamagedFileError, FileNotFoundError."""
    found = named(name)
    hour = Hour.parse("/".join(path.split("/")[-2:]))
    if found is None or found.last is None or hour is None:
        raise DamagedFileError("has no name of an archived file")
    with place.local(path, name) as local:
        tally = Tally()
        at = found.first
        for records in read_records(local, name, found.topic, found.partition):
            offsets = [record.offset for record in records]
            if offsets != sorted(set(offsets)) or offsets[0] < at or offsets[-1] > found.last:
                raise DamagedFileError("holds other offsets than its name says, or not in their order")
            at = offsets[-1] + 1
            if max(record.timestamp for record in records) >= hour.end_ms:
                raise DamagedFileError("holds records that were appended after its hour")
            tally.note(records, hour.start_ms)
            if kind is not None:
                decode(decoder, records, found.partition, tally)
        if at != found.last + 1:
            raise DamagedFileError("ends before the offset that its name says")
        size, digest = _hash(local)
    return FileFacts.of(name, size, digest, tally)


def _hash(path: Path) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_HASH_BYTES):
            size += len(part)
            digest.update(part)
    return size, digest.hexdigest()
