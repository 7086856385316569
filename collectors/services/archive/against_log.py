"""An archive beside what the log still has: record by record, as far as both go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from collectors.jobs.interface import Origin
from collectors.services.archive.contents import DamagedFileError, read_records
from collectors.services.archive.layout import folder_of
from collectors.services.archive.manifest import Manifest, PartitionFacts, hours_of, read_manifest
from collectors.services.archive.places import Place
from collectors.services.archive.verify import Found, Progress, Span
from sluice.eventlog.interface import PolledRecord
from sluice.eventlog.ranges import OffsetRange

_MAX_TOLD = 10
"""Differences of one partition in one hour."""


class Comparison:
    """Compares; what differs goes into ``found``."""

    def __init__(self, place: Place, origin: Origin, found: Found) -> None:
        self._place = place
        self._origin = origin
        self._found = found

    async def compare(self, topics: Sequence[str], span: Span, progress: Progress) -> None:
        """Every hour of the span that is complete; raises EventLogError."""
        for topic in topics:
            manifests = list(self._manifests(topic, span))
            if not manifests:
                continue
            latest = {each.partition: each.epoch for each in manifests[-1].partitions}
            ranges = await self._origin.ranges([topic])
            for done, manifest in enumerate(manifests, 1):
                for facts in manifest.partitions:
                    log = ranges.get(facts.partition)
                    if log is not None and latest.get(facts.partition) == facts.epoch:
                        await self._partition(manifest, facts, log)
                progress(done, len(manifests), f"{topic} compared with the log")

    def _manifests(self, topic: str, span: Span) -> Iterator[Manifest]:
        for hour in hours_of(self._place, topic):
            if span.has(hour):
                try:
                    found = read_manifest(self._place, topic, hour)
                except DamagedFileError:
                    continue  # it is named already
                if found is not None:
                    yield found[0]

    async def _partition(self, manifest: Manifest, facts: PartitionFacts, log: OffsetRange) -> None:
        both = OffsetRange(max(facts.begin, log.first), min(facts.end, log.end))
        if both.is_empty:
            return
        where = f"{folder_of(manifest.topic, manifest.at)}, partition {facts.topic}/{facts.number}"
        told: list[str] = []
        archived = self._archived(manifest, facts, both)
        try:
            other = next(archived, None)
            async for _, records in self._origin.read({facts.partition: both}, [manifest.topic]):
                for record in records:
                    while other is not None and other.offset < record.offset:
                        told.append(f"offset {other.offset} is archived, and the log has no such record")
                        other = next(archived, None)
                    if other is None or other.offset > record.offset:
                        told.append(f"offset {record.offset} is in the log and not archived")
                        continue
                    self._found.compared += 1
                    if _facts(other) != _facts(record):
                        told.append(f"offset {record.offset} is another record in the log")
                    other = next(archived, None)
        except DamagedFileError:
            return  # named already
        for what in told[:_MAX_TOLD]:
            self._found.wrong(where, what)
        if len(told) > _MAX_TOLD:
            self._found.wrong(where, f"and {len(told) - _MAX_TOLD} differences more")

    def _archived(self, manifest: Manifest, facts: PartitionFacts, both: OffsetRange) -> Iterator[PolledRecord]:
        path = folder_of(manifest.topic, manifest.at)
        for each in manifest.files:
            said = each.named
            if (said.partition, said.epoch) != (facts.partition, facts.epoch) or (said.last or 0) < both.first:
                continue
            try:
                with self._place.local(path, each.name) as local:
                    for records in read_records(local, each.name, manifest.topic, facts.partition):
                        yield from (record for record in records if both.first <= record.offset < both.end)
            except FileNotFoundError as error:
                raise DamagedFileError("is missing") from error


def _facts(record: PolledRecord) -> tuple[Any, ...]:
    return record.timestamp, record.key, record.value, [(name, value) for name, value in record.headers]
