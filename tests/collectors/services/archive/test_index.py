"""Which files hold what: by manifests where there are, by names elsewhere, each epoch on its own."""

from __future__ import annotations

from pathlib import Path

from collectors.services.archive.index import epoch_partition, folders_below, index_of, sink_index
from collectors.services.archive.layout import MANIFEST, folder_of
from collectors.services.archive.places import FolderPlace
from sluice.eventlog.interface import Partition
from sluice.eventlog.ranges import OffsetRange
from tests.collectors.services.archive.benches import HOUR, TOPICS, Bench, filled

ANALYTICS = TOPICS.event("analytics").name
WHERE = Partition(ANALYTICS, 0)


async def test_manifests_decide(tmp_path: Path) -> None:
    """A file that a manifest does not name is none; without one names are taken, and a damaged one is told."""
    bench = Bench(tmp_path)
    filled(bench.log, hours=2)
    await bench.sweep_all()
    place, told = FolderPlace(bench.folder), list[str]()
    extra = bench.folder / folder_of(ANALYTICS, HOUR) / f"{ANALYTICS}-0-0-{900:020}-{901:020}.parquet"
    extra.write_bytes(b"")
    index = index_of(place, [ANALYTICS], lambda name, _: told.append(name))
    assert index.ranges([ANALYTICS])[WHERE] == OffsetRange(0, 40)
    assert index.ranges(["nothing"]) == {}
    manifest = bench.folder / folder_of(ANALYTICS, HOUR) / MANIFEST
    manifest.write_bytes(b"{}")
    index = index_of(place, [ANALYTICS], lambda name, _: told.append(name))
    assert index.ranges([ANALYTICS])[WHERE] == OffsetRange(0, 902)
    assert told == [f"{folder_of(ANALYTICS, HOUR)}/{MANIFEST}"]


def test_the_newest_epoch_keeps_the_log_s_name() -> None:
    """Others are set apart."""
    assert epoch_partition(WHERE, 2, 2) == WHERE
    assert epoch_partition(WHERE, 1, 2) != WHERE


def test_files_of_sinks_are_found_wherever_they_lie(tmp_path: Path) -> None:
    """Below folders by hour too; journals by their names; what is named otherwise is none."""
    place = FolderPlace(tmp_path)
    journal = f"t.analytics.v1-0-gw%2Dw%2F0-{5:020}-{6:020}.jsonl"
    place.put("analytics/year=2026", f"t.analytics.v1-0-3-{7:020}.jsonl.gz", b"")
    place.put("", journal, b"")
    place.put("", "readme.md", b"")
    index = sink_index(place, list(folders_below(place)))
    assert index.ranges(["t.analytics.v1"]) == {
        Partition("t.analytics.v1", 3): OffsetRange(7, 8),
        Partition("gw-w/0", 0): OffsetRange(5, 7),
    }
