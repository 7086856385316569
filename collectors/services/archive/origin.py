"""An archive as a job's origin: what the service archived, byte for byte; or files of ``sink://file`` and ``sink://s3``.

A file that is damaged, gone, or too large for its kind is named. Without ``--yes`` reading ends there; with it the file
is passed by, with how many records that leaves out where that is known.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from collectors.columns import Decoder, Decodes
from collectors.jobs.interface import Origin, Ranges
from collectors.jobs.origins import FIRST_OF_JOURNAL
from collectors.operations.running import UsageError
from collectors.services.archive.address import place_at
from collectors.services.archive.contents import DamagedFileError, read_records
from collectors.services.archive.index import Index, Piece, UnreadableError, folders_below, index_of, sink_index
from collectors.services.archive.layout import OWNER, SCHEMA_EXTENSION, SCHEMAS
from collectors.services.archive.places import Place, read
from collectors.services.archive.rows import DocumentDecoder, read_documents
from collectors.services.archive.verify import topics_at
from collectors.settings import Settings
from collectors.sinks.offset_names import named
from schemas import confluent
from schemas.codec import SchemaBook
from sluice.eventlog.interface import Partition, PolledRecord
from sluice.eventlog.ranges import OffsetRange

_BATCH = 2_000
_HASH_BYTES = 1 << 20
_FINGERPRINT_BYTES = 8


class FilesOrigin(ABC):
    """What both kinds of archives share. ``passes_by``: files that cannot be read are no reason to end."""

    has_originals: bool

    def __init__(self, place: Place, *, passes_by: bool) -> None:
        self._place = place
        self._passes_by = passes_by
        self._index: Index | None = None
        self.where = f"the archive {place.where}"
        self.passed_by: dict[str, str] = {}
        """Files that could not be read → why, and what that leaves out."""

    @abstractmethod
    def _make_index(self) -> Index:
        """Which files there are; asked once, in a thread."""

    @abstractmethod
    def _records(self, piece: Piece, path: Path) -> Iterator[Sequence[PolledRecord]]:
        """Those of one file, of which this is a copy; raises DamagedFileError."""

    async def _found(self) -> Index:
        if self._index is None:
            self._index = await asyncio.to_thread(self._make_index)
        return self._index

    async def ranges(self, topics: Collection[str]) -> Ranges:
        """What names say, of all partitions that there ever were."""
        return (await self._found()).ranges(topics)

    async def offsets_at(self, ranges: Ranges, moment_ms: int) -> Mapping[Partition, int]:
        """By the append times in the files; only those are read that may hold the moment."""
        return await asyncio.to_thread(self._offsets_at, await self._found(), ranges, moment_ms)

    def _offsets_at(self, index: Index, ranges: Ranges, moment_ms: int) -> Mapping[Partition, int]:
        lists: dict[Partition, list[list[Piece]]] = index.of({topic for topic, _ in index.pieces})
        found = {}
        for partition, wanted in ranges.items():
            firsts = (self._first_since(each, wanted, moment_ms) for each in lists.get(partition, ()))
            found[partition] = min(firsts, default=wanted.end)
        return found

    def _first_since(self, pieces: Sequence[Piece], wanted: OffsetRange, moment_ms: int) -> int:
        later = [each for each in pieces if each.last_ms is None or each.last_ms >= moment_ms]
        for records in self._batches(later, wanted):
            for record in records:
                if record.timestamp >= moment_ms:
                    return record.offset
        return wanted.end

    async def lost(self, ranges: Ranges) -> Mapping[Partition, int]:
        """What is not here of the log: before the first offset, and where it was faster than the archive."""
        gaps = (await self._found()).lost
        found = {}
        for partition, wanted in ranges.items():
            first = FIRST_OF_JOURNAL if "/" in partition.topic else 0
            lost = max(0, wanted.first - first) + gaps.get(partition, 0)
            if lost:
                found[partition] = lost
        return found

    async def read(
        self, ranges: Ranges, topics: Collection[str]
    ) -> AsyncGenerator[tuple[Partition, Sequence[PolledRecord]], None]:
        """One partition after the other; of a journal its topics side by side, as they lay in it."""
        lists = (await self._found()).of(topics)
        for partition, wanted in ranges.items():
            batches = self._merged([self._batches(each, wanted) for each in lists.get(partition, ())])
            while records := await asyncio.to_thread(next, batches, None):
                yield partition, records

    def _merged(self, sources: Sequence[Iterator[Sequence[PolledRecord]]]) -> Iterator[Sequence[PolledRecord]]:
        if len(sources) == 1:
            yield from sources[0]
            return
        flat = [(record for records in source for record in records) for source in sources]
        batch: list[PolledRecord] = []
        for record in heapq.merge(*flat, key=lambda each: each.offset):
            batch.append(record)
            if len(batch) == _BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    def _batches(self, pieces: Sequence[Piece], wanted: OffsetRange) -> Iterator[Sequence[PolledRecord]]:
        """The records of a topic in a partition, each offset once."""
        at = wanted.first
        for piece in pieces:
            if piece.first >= wanted.end or not self._may_hold(piece, at):
                continue
            for records in self._of_piece(piece):
                fresh = [record for record in records if at <= record.offset < wanted.end]
                if fresh:
                    at = fresh[-1].offset + 1
                    yield fresh

    def _may_hold(self, piece: Piece, offset: int) -> bool:
        return piece.last >= offset

    def _of_piece(self, piece: Piece) -> Iterator[Sequence[PolledRecord]]:
        name = f"{piece.path}/{piece.name}".lstrip("/")
        if name in self.passed_by:
            return
        try:
            with self._place.local(piece.path, piece.name) as path:
                yield from self._records(piece, path)
        except (DamagedFileError, FileNotFoundError) as error:
            why = str(error) if isinstance(error, DamagedFileError) else "is gone"
            self._damaged(name, why if piece.facts is None else f"{why}; {piece.facts.records} records are left out")

    def _damaged(self, name: str, why: str) -> None:
        if not self._passes_by:
            raise UnreadableError(f"{name} {why}; restore it, or pass such files by with --yes")
        self.passed_by[name] = why

    async def log_ids(self, partitions: Iterable[Partition]) -> Mapping[Partition, str]:  # noqa: ARG002 - of none
        """What is archived is never made anew."""
        return {}

    async def close(self) -> None:
        """Let go of connections."""
        await asyncio.to_thread(self._place.close)


class ArchiveOrigin(FilesOrigin):
    """What the service archived: the records as the log had them."""

    has_originals = True

    def _make_index(self) -> Index:
        return index_of(self._place, topics_at(self._place), self._damaged)

    def _records(self, piece: Piece, path: Path) -> Iterator[Sequence[PolledRecord]]:
        """Whole files alone: nothing is read of one that was changed."""
        if piece.facts is not None and _sha256(path) != piece.facts.sha256:
            raise DamagedFileError("is not as it was written")
        said = named(piece.name)
        assert said is not None  # noqa: S101 - by its name it was found
        return read_records(path, piece.name, piece.topic, said.partition)

    async def read_schemas(self) -> Sequence[bytes]:
        """Those that lie beside the events."""
        return await asyncio.to_thread(self._schemas)

    def _schemas(self) -> Sequence[bytes]:
        found = []
        for name in self._place.files(SCHEMAS):
            text = read(self._place, SCHEMAS, name)
            try:
                key = bytes.fromhex(name.removesuffix(SCHEMA_EXTENSION))
            except ValueError:
                continue
            if text is not None:
                is_id = len(key) == confluent.ID_BYTES
                found.append(confluent.schema_text(int.from_bytes(key), text) if is_id else text)
        return found

    def decoder(self, book: SchemaBook) -> Decodes:
        """The collectors' own."""
        return Decoder(book)


class SinkFilesOrigin(FilesOrigin):
    """Files of sinks: documents, of which events are made again. A row's offset is counted from its file's first, so it
    is the log's where the sink left nothing out; the time of its append is taken to be when its exchange ended."""

    has_originals = False

    def _make_index(self) -> Index:
        index = sink_index(self._place, list(folders_below(self._place)))
        for pieces in index.pieces.values():
            for piece in [each for each in pieces if ".csv" in each.name]:
                self._damaged(f"{piece.path}/{piece.name}".lstrip("/"), "is CSV, which has no event ids")
        return index

    def _may_hold(self, piece: Piece, offset: int) -> bool:
        """An object's name does not say where it ends."""
        said = named(piece.name)
        return said is None or said.last is None or said.last >= offset

    def _records(self, piece: Piece, path: Path) -> Iterator[Sequence[PolledRecord]]:
        return read_documents(path, piece.name, piece.topic, piece.partition, piece.first)

    async def ranges(self, topics: Collection[str]) -> Ranges:
        """An object's name says where it begins, and beside it stands how many rows it has."""
        found = dict(await super().ranges(topics))
        return {
            partition: OffsetRange(wanted.first, await asyncio.to_thread(self._end, partition, topics, wanted.end))
            for partition, wanted in found.items()
        }

    def _end(self, partition: Partition, topics: Collection[str], end: int) -> int:
        """The last object of a partition is read, where its name does not say where it ends."""
        assert self._index is not None  # noqa: S101 - the ranges are of it
        for pieces in self._index.of(topics)[partition]:
            said = named(pieces[-1].name)
            if said is not None and said.last is None:
                last = max((records[-1].offset for records in self._of_piece(pieces[-1])), default=pieces[-1].last)
                end = max(end, last + 1)
        return end

    async def read_schemas(self) -> Sequence[bytes]:
        """Documents need none."""
        return ()

    def decoder(self, book: SchemaBook) -> Decodes:
        """Rows to events."""
        return DocumentDecoder(book)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_HASH_BYTES):
            digest.update(part)
    return digest.hexdigest()


def open_archive(address: str, settings: Settings | None, *, passes_by: bool = False) -> Origin:
    """A folder, or ``s3://bucket/prefix``; whether a service or a sink wrote it shows there. Raises UsageError,
    Retryable and Halt."""
    place = place_at(address, settings)
    if read(place, "", OWNER) is not None:
        return ArchiveOrigin(place, passes_by=passes_by)
    if any(named(name) for path in folders_below(place) for name in place.files(path)):
        return SinkFilesOrigin(place, passes_by=passes_by)
    raise UsageError(f"--archive: {place.where} has neither an archive nor files of sink://file or sink://s3")


def passed_by(origin: Origin) -> list[str]:
    """What of an archive could not be read and was passed by, each with why; of the log it is nothing."""
    if not isinstance(origin, FilesOrigin):
        return []
    return [f"{name} was passed by: it {why}" for name, why in sorted(origin.passed_by.items())]
