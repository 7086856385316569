"""Whether an archive is what its manifests say, and whether they say the truth: every file is read to its end.

Checked of each hour: its manifest's checksum, its place in the chain, that files and gaps follow one another in every
partition, names, sizes, and of each file's content its checksum, count, append times, sums and schemas.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from collectors.columns import Decoder
from collectors.jobs.sums import Sums
from collectors.services.archive.contents import DamagedFileError
from collectors.services.archive.files import examine
from collectors.services.archive.layout import MANIFEST, OWNER, SCHEMA_EXTENSION, SCHEMAS, Hour, folder_of, kind_of
from collectors.services.archive.manifest import FileFacts, Manifest, PartitionFacts, digest, hours_of, read_manifest
from collectors.services.archive.owner import owner_of
from collectors.services.archive.places import Place, read
from collectors.sinks.offset_names import named
from schemas import confluent
from schemas.codec import SchemaBook, UndecodableError

_FINGERPRINT_DIGITS = 16

Progress = Callable[[int, int, str], None]


class Problem(NamedTuple):
    """Something that is wrong."""

    where: str
    what: str


class Span(NamedTuple):
    """The hours that are looked at."""

    first: int = 0
    end: int = 1 << 40

    def has(self, hour: Hour) -> bool:
        """Whether it is one of them."""
        return self.first <= hour.number < self.end


@dataclass(slots=True)
class Found:
    """What was looked at, and what is wrong with it."""

    hours: int = 0
    files: int = 0
    records: int = 0
    undecodable: int = 0
    size_bytes: int = 0
    compared: int = 0
    """Records that were compared with the log."""
    sums: Sums = field(default_factory=Sums)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def wrong(self, where: str, what: str) -> None:
        """Something is."""
        self.problems.append(Problem(where, what))


def topics_at(place: Place) -> list[str]:
    """The topics that an archive has."""
    return [name for name in place.folders("") if name != SCHEMAS]


class FileSchemas(SchemaBook):
    """Those that a file's events were decoded with, and no other: what was not known then is not an event now."""

    def __init__(self, place: Place, keys: Collection[str]) -> None:
        super().__init__(has_registry=True)
        self._keys = {bytes.fromhex(key) for key in keys}
        learn_schemas(place, self, keys)

    def __contains__(self, fingerprint: bytes) -> bool:
        return fingerprint in self._keys and super().__contains__(fingerprint)


def learn_schemas(place: Place, book: SchemaBook, keys: Iterable[str]) -> None:
    """What events were written with, as it lies beside them; what is missing or damaged there is not learned."""
    for key in keys:
        text = read(place, SCHEMAS, f"{key}{SCHEMA_EXTENSION}")
        if text is None:
            continue
        raw = bytes.fromhex(key)
        with contextlib.suppress(UndecodableError):
            book.learn(confluent.schema_text(int.from_bytes(raw), text) if len(raw) == confluent.ID_BYTES else text)


class Verifier:
    """Verifies an archive."""

    def __init__(self, place: Place, span: Span | None = None) -> None:
        self._place = place
        self._span = span or Span()
        self._decoders: dict[tuple[str, ...], Decoder] = {}
        self.found = Found()

    def verify(self, topics: Sequence[str], progress: Progress = lambda _done, _total, _what: None) -> Found:
        """All of these topics; raises Retryable or Halt where the archive's place does not answer."""
        self._owned()
        hours = {topic: hours_of(self._place, topic) for topic in topics}
        total = sum(1 for found in hours.values() for hour in found if self._span.has(hour))
        done = 0
        for topic, found in hours.items():
            for _ in self._topic(topic, found):
                done += 1
                progress(done, total, "hours verified")
        return self.found

    def _owned(self) -> None:
        owner = owner_of(self._place)
        if owner is None:
            is_there = read(self._place, "", OWNER) is not None
            what = "cannot be read" if is_there else "is missing: this is no archive, or not all of one"
            self.found.wrong(OWNER, what)
        elif not owner.is_certain:
            what = "names no cluster (its broker told none, or an older version wrote it)"
            self.found.notes.append(f"{OWNER} {what}: that all is of one cluster is not verified")

    def _topic(self, topic: str, hours: Sequence[Hour]) -> Iterator[None]:
        """One turn for each hour of the span."""
        previous: tuple[Manifest, str] | None = None
        is_known, waiting = True, list[Hour]()
        for hour in hours:
            if hour.number >= self._span.end:
                return
            where = folder_of(topic, hour)
            try:
                current = read_manifest(self._place, topic, hour)
            except DamagedFileError as error:
                self.found.wrong(f"{where}/{MANIFEST}", str(error))
                previous, is_known = None, False
                continue
            if current is None:
                waiting.append(hour)
                continue
            for each in waiting:
                self.found.wrong(folder_of(topic, each), "has no manifest, although later hours have one")
            waiting = []
            if self._span.has(hour):
                if is_known and (previous is not None or not self._span.first):
                    self._chain(where, previous, current[0])
                self._hour(where, current[0])
                yield
            previous, is_known = current, True
        for each in waiting:
            self.found.notes.append(f"{folder_of(topic, each)} is not complete yet")

    def _chain(self, where: str, previous: tuple[Manifest, str] | None, manifest: Manifest) -> None:
        said = manifest.previous
        if previous is None:
            if said is not None:
                self.found.wrong(where, f"follows {Hour(said.hour)}, which is not here")
            return
        if said is None or said.hour != previous[0].hour:
            wanted = "nothing" if said is None else str(Hour(said.hour))
            self.found.wrong(where, f"follows {wanted}, and what is here before it is {previous[0].at}")
            return
        if said.sha256 != previous[1]:
            self.found.wrong(where, f"follows another manifest of {previous[0].at} than the one that is here")
        ends = {_key(each): each.end for each in previous[0].partitions}
        begins = {_key(each): each.begin for each in manifest.partitions}
        for key, end in ends.items():
            if begins.get(key) != end:
                self.found.wrong(where, f"partition {_named(key)}: ended at {end} and goes on at {begins.get(key)}")

    def _hour(self, where: str, manifest: Manifest) -> None:
        found = self.found
        found.hours += 1
        for name, value in manifest.add_up().items():
            if getattr(manifest, name) != value:
                found.wrong(f"{where}/{MANIFEST}", f"{name} is not the sum of its files' figures")
        names = self._place.files(where)
        wanted = {each.name: each for each in manifest.files}
        for name in sorted(names.keys() - wanted.keys() - {MANIFEST}):
            found.wrong(f"{where}/{name}", _extra(name, manifest))
        for each in manifest.files:
            found.files += 1
            if each.name not in names:
                found.wrong(f"{where}/{each.name}", "is missing")
            elif names[each.name] != each.size_bytes:
                change = "truncated" if names[each.name] < each.size_bytes else "longer"
                what = f"is {change}: {names[each.name]} bytes, and {each.size_bytes} were written"
                found.wrong(f"{where}/{each.name}", what)
            else:
                self._file(where, manifest.topic, each)
        for partition in manifest.partitions:
            self._partition(where, manifest, partition)
        self._schemas(where, manifest)
        found.records += manifest.records
        found.undecodable += manifest.undecodable
        found.size_bytes += manifest.size_bytes
        found.sums.merge(Sums.of(manifest.sums))

    def _file(self, where: str, topic: str, facts: FileFacts) -> None:
        name = f"{where}/{facts.name}"
        try:
            seen = examine(self._place, where, facts.name, kind_of(topic), self._decoder(facts.schemas))
        except FileNotFoundError:
            self.found.wrong(name, "is missing")
        except DamagedFileError as error:
            self.found.wrong(name, str(error))
        else:
            if seen != facts:
                changed = [key for key in facts.__struct_fields__ if getattr(seen, key) != getattr(facts, key)]
                self.found.wrong(name, f"is changed: {', '.join(changed)} differ from the manifest's")

    def _decoder(self, schemas: tuple[str, ...]) -> Decoder:
        if schemas not in self._decoders:
            self._decoders[schemas] = Decoder(FileSchemas(self._place, schemas))
        return self._decoders[schemas]

    def _partition(self, where: str, manifest: Manifest, facts: PartitionFacts) -> None:
        """Files and gaps follow one another from where the hour begins."""
        key = _key(facts)
        pieces = [(first, last) for first, last in facts.gap]
        for first, last in pieces:
            what = f"offsets {first} to {last} were deleted by the log before they were archived"
            self.found.wrong(where, f"partition {_named(key)}: {what}")
        for each in manifest.files:
            said = each.named
            if (said.partition.topic, said.partition.partition, said.epoch) == key:
                pieces.append((said.first, said.last or 0))
        at = facts.begin
        lost = {first for first, _ in facts.gap}
        for first, last in sorted(pieces):
            if first != at and first not in lost:
                what = "overlaps what is before it" if first < at else f"does not follow offset {at - 1}"
                self.found.wrong(where, f"partition {_named(key)}: offset {first} {what}")
            at = last + 1
        if at > facts.end:
            self.found.wrong(where, f"partition {_named(key)}: files go on behind the hour's end, to offset {at - 1}")

    def _schemas(self, where: str, manifest: Manifest) -> None:
        for key in manifest.schemas:
            name = f"{SCHEMAS}/{key}{SCHEMA_EXTENSION}"
            text = read(self._place, SCHEMAS, f"{key}{SCHEMA_EXTENSION}")
            if text is None:
                self.found.wrong(name, f"is missing: events of {where} were written with it")
            elif key not in manifest.schema_sha256:
                self._unsummed(where, name, key, text)
            elif digest(text) != manifest.schema_sha256[key]:
                self.found.wrong(name, f"is changed: events of {where} were written with it")

    def _unsummed(self, where: str, name: str, key: str, text: bytes) -> None:
        """A manifest of old has no checksum of a schema: what its name says of it, a fingerprint does and a registry's
        number does not."""
        if len(key) != _FINGERPRINT_DIGITS:
            note = f"{name} is not verified: the manifest of {where} was written before manifests had its checksum"
            if note not in self.found.notes:
                self.found.notes.append(note)
        elif not _is_of(text, key):
            self.found.wrong(name, f"is changed: it is not the schema of its name, which events of {where} have")


def _is_of(text: bytes, key: str) -> bool:
    try:
        return SchemaBook().learn(text) == bytes.fromhex(key)
    except UndecodableError:
        return False


def _key(facts: PartitionFacts) -> tuple[str, int, int]:
    return facts.topic, facts.number, facts.epoch


def _named(key: tuple[str, int, int]) -> str:
    topic, number, epoch = key
    return f"{topic}/{number}" + (f" (epoch {epoch})" if epoch else "")


def _extra(name: str, manifest: Manifest) -> str:
    """A file that no manifest names; often what a second archiver left when it was killed."""
    found = named(name)
    if found is not None and found.last is not None:
        for each in manifest.partitions:
            is_within = each.begin <= found.first and found.last < each.end
            if each.partition == found.partition and each.epoch == found.epoch and is_within:
                return "is extra: the manifest does not name it, and others hold its offsets; delete it"
    return "is extra: the manifest does not name it"


def plain(found: Found) -> dict[str, object]:
    """For scripts."""
    return {
        "hours": found.hours,
        "files": found.files,
        "records": found.records,
        "undecodable": found.undecodable,
        "bytes": found.size_bytes,
        "compared": found.compared,
        "sums": found.sums.as_dict(),
        "problems": [msgspec.to_builtins({"where": each.where, "what": each.what}) for each in found.problems],
        "notes": found.notes,
    }
