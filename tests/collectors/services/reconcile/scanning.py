"""Frames and scans for tests of what is done with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from collectors.deliveries import Frame
from collectors.services.reconcile.boots import Boots
from collectors.services.reconcile.scan import Demand, Scan
from collectors.services.reconcile.stores import Span
from collectors.services.reconcile.targets import Target, targets_of
from collectors.settings import HostSettings, Settings
from schemas.codec import SchemaBook
from sluice.eventlog.interface import Partition
from sluice.settings import settings_of
from tests.collectors.events import NOW_MICROS, make_record, partition_of
from tests.collectors.frames import frame_of_records

SPAN = Span(NOW_MICROS - 1_000_000, NOW_MICROS + 1_000_000)
PARTITION = partition_of()


def frame(*numbers: int, first: int = 0, **changes: Any) -> Frame:
    """An event of each number, at offsets from ``first`` on."""
    records = [make_record(offset=first + at, sequence=number, **changes) for at, number in enumerate(numbers)]
    return frame_of_records(SchemaBook(), records)


def target(**entry: Any) -> Target:
    """A database."""
    document = {"data_collection_plugins": [{"name": "rows", "path": "sink://database", **entry}]}
    [found], _ = targets_of(settings_of(document, Settings, "c.yaml", {}), HostSettings())
    return found


def demand(committed: Mapping[Partition, int] | None = None, cutoff: int = 0, **entry: Any) -> Demand:
    """What it should have of analytics."""
    return Demand(target(**entry), "analytics", SPAN, committed, cutoff)


def scanned(frames: Sequence[Frame], *demands: Demand, boots: Boots | None = None) -> Scan:
    """The scan of these."""
    scan = Scan({"analytics": SPAN}, demands, boots or Boots())
    for each in frames:
        scan.add(PARTITION, each)
    return scan
