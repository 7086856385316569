"""Listing reads manifests alone, and money to the last digit."""

from __future__ import annotations

from pathlib import Path

from collectors.services.archive.layout import MANIFEST, folder_of
from collectors.services.archive.listing import COLUMNS, as_dict, as_row, lost_of, manifests_of, nanos_of
from collectors.services.archive.manifest import Manifest
from collectors.services.archive.places import FolderPlace
from collectors.services.archive.verify import Found, Span
from tests.collectors.services.archive.benches import HOUR, TOPICS, Bench, filled

ANALYTICS = TOPICS.event("analytics").name


async def test_hours_are_listed_with_their_sums(tmp_path: Path) -> None:
    """Counts, bytes, exact nanos by currency; negative ones too."""
    bench = Bench(tmp_path)
    filled(bench.log, hours=1)
    bench.log.add("analytics", 0, [HOUR.start_ms + 3_000_000], cost_nanos=-5, currency="EUR")
    await bench.sweep_all()
    [manifest] = list(manifests_of(FolderPlace(bench.folder), [ANALYTICS], Span(), Found()))
    assert isinstance(manifest, Manifest)
    assert nanos_of(manifest) == {"USD": 40 * 123_456_789, "EUR": -5}
    row = dict(zip(COLUMNS, as_row(manifest), strict=True))
    assert row["cost"] == "-0.000000005 EUR 4.938271560 USD"
    assert (row["records"], row["lost"], lost_of(manifest)) == (41, 0, 0)
    assert as_dict(manifest)["nanos"] == {"EUR": -5, "USD": 4_938_271_560}


async def test_what_is_not_complete_and_what_is_damaged(tmp_path: Path) -> None:
    """The one is named as it is, the other is a problem; hours out of the span are neither."""
    bench = Bench(tmp_path)
    filled(bench.log, hours=2)
    await bench.sweep_all()
    place, found = FolderPlace(bench.folder), Found()
    (bench.folder / folder_of(ANALYTICS, HOUR.next) / MANIFEST).unlink()
    (bench.folder / folder_of(ANALYTICS, HOUR) / MANIFEST).write_bytes(b"{}")
    assert list(manifests_of(place, [ANALYTICS], Span(), found)) == [folder_of(ANALYTICS, HOUR.next)]
    assert [where for where, _ in found.problems] == [f"{folder_of(ANALYTICS, HOUR)}/{MANIFEST}"]
    assert list(manifests_of(place, [ANALYTICS], Span(HOUR.number + 2), Found())) == []
