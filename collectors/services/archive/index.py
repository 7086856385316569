"""Which files of an archive hold what: by partition, in the order of their offsets.

A complete hour has the files that its manifest names. One that is not has those that follow one another from where the
hour before ended; where two archivers were at work, what the second one has again is passed over by its offset.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from collectors.services.archive.contents import DamagedFileError
from collectors.services.archive.layout import MANIFEST, folder_of
from collectors.services.archive.manifest import FileFacts, Manifest, hours_of, read_manifest
from collectors.services.archive.places import Place
from collectors.sinks.offset_names import Named, named
from sluice.eventlog.interface import OffsetLostError, Partition
from sluice.eventlog.ranges import OffsetRange

DamagedHere = Callable[[str, str], None]


class Piece(NamedTuple):
    """One file."""

    topic: str
    partition: Partition
    """As the log names it; its files of an epoch before the newest have that behind the name."""
    first: int
    last: int
    path: str
    name: str
    last_ms: int | None = None
    """The latest append time of its records, where a manifest says it."""
    facts: FileFacts | None = None


@dataclass(slots=True)
class Index:
    """The pieces of an archive, by topic and partition."""

    pieces: dict[tuple[str, Partition], list[Piece]] = field(default_factory=dict)
    lost: dict[Partition, int] = field(default_factory=dict)
    """Offsets that the log had deleted before they could be archived."""
    schemas: set[str] = field(default_factory=set)

    def of(self, topics: Collection[str]) -> dict[Partition, list[list[Piece]]]:
        """The pieces of each partition, of each of these topics."""
        found: dict[Partition, list[list[Piece]]] = {}
        for (topic, partition), pieces in sorted(self.pieces.items()):
            if topic in topics:
                found.setdefault(partition, []).append(pieces)
        return found

    def ranges(self, topics: Collection[str]) -> dict[Partition, OffsetRange]:
        """From the first offset that is there to behind the last."""
        return {
            partition: OffsetRange(min(pieces[0].first for pieces in each), max(pieces[-1].last for pieces in each) + 1)
            for partition, each in self.of(topics).items()
        }

    def add(self, found: Named, newest: int, path: str, name: str, facts: FileFacts | None = None) -> None:
        """A file whose name says this; ``newest`` is the newest epoch of its partition."""
        partition = epoch_partition(found.partition, found.epoch, newest)
        last = found.first if found.last is None else found.last
        last_ms = None if facts is None else facts.last_ms
        piece = Piece(found.topic, partition, found.first, last, path, name, last_ms, facts)
        self.pieces.setdefault((found.topic, partition), []).append(piece)

    def sort(self) -> None:
        """In the order of offsets; the longer of two that begin together first."""
        for pieces in self.pieces.values():
            pieces.sort(key=lambda each: (each.first, -each.last))


def epoch_partition(partition: Partition, epoch: int, newest: int) -> Partition:
    """Offsets of another epoch are other records: they must not stand in one range."""
    return partition if epoch == newest else Partition(f"{partition.topic}@epoch-{epoch}", partition.partition)


def index_of(place: Place, topics: Collection[str], damaged: DamagedHere) -> Index:
    """Reads every manifest; ``damaged`` is told of those that cannot be read, whose files are taken by their names."""
    index = Index()
    for topic in topics:
        manifests, others = [], []
        for hour in hours_of(place, topic):
            path = folder_of(topic, hour)
            try:
                found = read_manifest(place, topic, hour)
            except DamagedFileError as error:
                damaged(f"{path}/{MANIFEST}", str(error))
                found = None
            if found is None:
                others.append(path)
            else:
                manifests.append((path, found[0]))
        _add_topic(index, manifests, list(_by_names(place, others)))
    index.sort()
    return index


def _by_names(place: Place, paths: Collection[str]) -> Iterator[tuple[str, str, Named]]:
    for path in paths:
        for name in place.files(path):
            found = named(name)
            if found is not None and found.last is not None:
                yield path, name, found


def _add_topic(index: Index, manifests: list[tuple[str, Manifest]], others: list[tuple[str, str, Named]]) -> None:
    newest: dict[Partition, int] = {}
    for _, manifest in manifests:
        for each in manifest.partitions:
            newest[each.partition] = max(newest.get(each.partition, 0), each.epoch)
    for _, _, found in others:
        newest[found.partition] = max(newest.get(found.partition, 0), found.epoch)
    for path, manifest in manifests:
        index.schemas.update(manifest.schemas)
        for each in manifest.partitions:
            lost = sum(last - first + 1 for first, last in each.gap)
            if lost:
                partition = epoch_partition(each.partition, each.epoch, newest[each.partition])
                index.lost[partition] = index.lost.get(partition, 0) + lost
        for facts in manifest.files:
            index.add(facts.named, newest[facts.named.partition], path, facts.name, facts)
    for path, name, found in others:
        index.add(found, newest[found.partition], path, name)


def sink_index(place: Place, paths: Collection[str]) -> Index:
    """Of files by ``sink://file`` and ``sink://s3``: their names say all that is known."""
    found = list(_by_any_names(place, paths))
    newest: dict[Partition, int] = {}
    for _, _, said in found:
        newest[said.partition] = max(newest.get(said.partition, 0), said.epoch)
    index = Index()
    for path, name, said in found:
        index.add(said, newest[said.partition], path, name)
    index.sort()
    return index


def _by_any_names(place: Place, paths: Collection[str]) -> Iterator[tuple[str, str, Named]]:
    for path in paths:
        for name in place.files(path):
            said = named(name)
            if said is not None:
                yield path, name, said


def folders_below(place: Place, path: str = "") -> Iterator[str]:
    """A folder and all below it."""
    yield path
    for name in place.folders(path):
        yield from folders_below(place, f"{path}/{name}" if path else name)


class UnreadableError(OffsetLostError):
    """A file of an archive is damaged or gone, and it was not said that such files are passed by: reading it again does
    not help."""
