"""How far each topic is archived: what its newest manifest says, and what lies in an hour that has none yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from collectors.services.archive.layout import Hour
from collectors.services.archive.manifest import Manifest, PartitionFacts, newest
from collectors.services.archive.places import Place
from collectors.sinks.offset_names import named
from schemas.events import Kind
from sluice.eventlog.interface import Partition
from sluice.eventlog.ranges import OffsetRange


class Kept(NamedTuple):
    """A file of the hour that is being archived, from before a crash or by another archiver."""

    name: str
    first: int
    last: int


Gap = tuple[int, int]


@dataclass(slots=True)
class Chain:
    """One topic. ``scanned``: below these offsets of each partition nothing of the topic is left to archive, which is
    more than its manifests say where the topic had no records."""

    topic: str
    kind: Kind | None
    previous: tuple[Manifest, str] | None = None
    done: Hour | None = None
    """Everything appended before its end is archived, but for what comes late."""
    partitions: dict[Partition, PartitionFacts] = field(default_factory=dict)
    """The newest epoch of each."""
    older: tuple[PartitionFacts, ...] = ()
    scanned: dict[Partition, int] = field(default_factory=dict)
    checked: set[Partition] = field(default_factory=set)
    """Of which it was seen that the log is the one that was archived."""

    @classmethod
    def load(cls, place: Place, topic: str, kind: Kind | None) -> Chain:
        """As the newest manifest says; raises DamagedFileError."""
        chain = cls(topic, kind)
        found = newest(place, topic)
        if found is not None:
            chain.take(found)
        return chain

    def take(self, found: tuple[Manifest, str]) -> None:
        """Go on from this manifest."""
        self.previous, self.done = found, found[0].at
        latest: dict[Partition, PartitionFacts] = {}
        for each in found[0].partitions:  # epochs ascend
            latest[each.partition] = each
        self.partitions = latest
        self.older = tuple(each for each in found[0].partitions if latest[each.partition] is not each)
        for partition, facts in latest.items():
            self.scanned[partition] = max(self.scanned.get(partition, 0), facts.end)

    def begin(self, partition: Partition, found: OffsetRange, names: Iterable[str] = ()) -> PartitionFacts:
        """Where an hour of it begins. Of one that was never seen: at whatever the log has first, or had when the first
        of these files was written, before a crash."""
        facts = self.partitions.get(partition)
        if facts is None:
            written = [each.first for name in names if (each := named(name)) and each.partition == partition]
            first = min([found.first, *written])
            return PartitionFacts(partition.topic, partition.partition, 0, first, first)
        return msgspec.structs.replace(facts, begin=facts.end, gap=())

    def begin_epoch(self, partition: Partition, found: OffsetRange) -> None:
        """The log begins anew: its offsets mean other records than before."""
        old = self.partitions[partition]
        self.older = (*self.older, msgspec.structs.replace(old, begin=old.end, gap=()))
        self.partitions[partition] = PartitionFacts(
            old.topic, old.number, old.epoch + 1, begin=found.first, end=found.first
        )
        self.scanned[partition] = found.first

    def carried(self) -> tuple[PartitionFacts, ...]:
        """Epochs that have ended, as the next manifest has them."""
        return tuple(msgspec.structs.replace(each, begin=each.end, gap=()) for each in self.older)


def kept_files(
    names: Iterable[str], topic: str, facts: PartitionFacts, lost: OffsetRange
) -> tuple[list[Kept], list[Gap], int]:
    """The files of one partition and hour that follow one another from its beginning on, what the log lost between
    them, and the offset to go on with. ``lost``: from what is known to be looked through to what the log still has."""
    found: dict[int, Kept] = {}
    for name in names:
        each = named(name)
        if (
            each is None
            or each.last is None
            or (each.topic, each.partition, each.epoch)
            != (
                topic,
                facts.partition,
                facts.epoch,
            )
        ):
            continue
        if each.first not in found or found[each.first].last < each.last:
            found[each.first] = Kept(name, each.first, each.last)
    kept: list[Kept] = []
    gaps: list[Gap] = []
    at = facts.begin
    while True:
        if at in found:
            kept.append(found[at])
            at = found[at].last + 1
        elif max(at, lost.first) < lost.end:  # it was lost before a crash, or is lost now
            later = min((first for first in found if at < first <= lost.end), default=lost.end)
            if max(at, lost.first) < later:
                gaps.append((max(at, lost.first), later - 1))
            at = later
        else:
            return kept, gaps, at


class Progress(msgspec.Struct):
    """A hint of this host: what was looked through without finding anything that needs a manifest."""

    where: str
    topics: dict[str, TopicProgress] = {}


class TopicProgress(msgspec.Struct):
    """Good as long as the newest manifest is the one it names."""

    digest: str
    done: int
    scanned: list[tuple[str, int, int]]
    """Partition's topic and number, and the offset."""


def progress_of(where: str, chains: Iterable[Chain]) -> bytes:
    """To be remembered."""
    topics = {
        chain.topic: TopicProgress(
            "" if chain.previous is None else chain.previous[1],
            chain.done.number,
            [(*partition, offset) for partition, offset in chain.scanned.items()],
        )
        for chain in chains
        if chain.done is not None
    }
    return msgspec.json.encode(Progress(where, topics))


def apply_progress(text: bytes, where: str, chains: Mapping[str, Chain]) -> None:
    """Take a hint that still fits; anything else is not one."""
    try:
        progress = msgspec.json.decode(text, type=Progress)
    except msgspec.DecodeError:
        return
    checkable = {
        partition
        for chain in chains.values()
        for partition, facts in chain.partitions.items()
        if facts.last is not None
    }
    for topic, found in progress.topics.items() if progress.where == where else ():
        chain = chains.get(topic)
        if chain is None or found.digest != ("" if chain.previous is None else chain.previous[1]):
            continue
        chain.done = Hour(max(found.done, chain.done.number if chain.done else found.done))
        for name, number, offset in found.scanned:
            partition = Partition(name, number)
            if partition not in checkable:
                continue  # nothing tells whether the log is still the one that was looked through
            chain.scanned[partition] = max(chain.scanned.get(partition, 0), offset)
