"""What an archive has, hour by hour, from its manifests alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from collectors.jobs.sums import Sums
from collectors.services.archive.contents import DamagedFileError
from collectors.services.archive.layout import MANIFEST, folder_of
from collectors.services.archive.manifest import Manifest, hours_of, read_manifest
from collectors.services.archive.places import Place
from collectors.services.archive.verify import Found, Span


def manifests_of(place: Place, topics: Sequence[str], span: Span, found: Found) -> Iterator[Manifest | str]:
    """Those of these topics in order, the folder's name where an hour is not complete; damaged ones are ``found``."""
    for topic in topics:
        for hour in hours_of(place, topic):
            if not span.has(hour):
                continue
            where = folder_of(topic, hour)
            try:
                manifest = read_manifest(place, topic, hour)
            except DamagedFileError as error:
                found.wrong(f"{where}/{MANIFEST}", str(error))
                continue
            yield where if manifest is None else manifest[0]


def nanos_of(manifest: Manifest) -> Counter[str]:
    """Of the hour, by currency."""
    total: Counter[str] = Counter()
    for day in Sums.of(manifest.sums).days.values():
        total.update(day.nanos)
    return total


def lost_of(manifest: Manifest) -> int:
    """How many offsets the log had deleted before."""
    return sum(last - first + 1 for each in manifest.partitions for first, last in each.gap)


def as_dict(manifest: Manifest) -> dict[str, Any]:
    """For scripts."""
    return {
        "topic": manifest.topic, "hour": manifest.starts, "files": len(manifest.files), "records": manifest.records,
        "undecodable": manifest.undecodable, "late": manifest.late, "bytes": manifest.size_bytes,
        "nanos": dict(sorted(nanos_of(manifest).items())), "lost": lost_of(manifest), "sums": manifest.sums,
    }  # fmt: skip


def as_row(manifest: Manifest) -> tuple[Any, ...]:
    """For eyes: money to the last digit."""
    cost = " ".join(f"{_money(nanos)} {currency}" for currency, nanos in sorted(nanos_of(manifest).items()))
    return (
        manifest.starts, manifest.topic, len(manifest.files), manifest.records, manifest.undecodable,
        manifest.size_bytes, cost, lost_of(manifest),
    )  # fmt: skip


COLUMNS = ("hour", "topic", "files", "records", "undecodable", "bytes", "cost", "lost")


def _money(nanos: int) -> str:
    whole, rest = divmod(abs(nanos), 1_000_000_000)
    return f"{'-' if nanos < 0 else ''}{whole}.{rest:09d}"
