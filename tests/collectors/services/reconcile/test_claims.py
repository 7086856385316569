"""Reported numbers beside those of the log: gaps with their numbers, and none where the log has all."""

from __future__ import annotations

from typing import Any

from collectors.services.reconcile.boots import Boots
from collectors.services.reconcile.claims import check
from collectors.services.reconcile.reports import Reports
from sluice.eventlog.interface import Boot
from tests.collectors.services.reconcile.holdings import BOOT
from tests.collectors.services.reconcile.scanning import frame, scanned


def reported(boots: Boots, last: int, boot: Boot = BOOT, reports: Reports | None = None) -> Reports:
    """From the log's beginning."""
    body: dict[str, Any] = {
        "gateway_id": boot.gateway_id, "worker": boot.worker, "boot_id": boot.boot_id,
        "last_sequences": {"analytics": last},
    }  # fmt: skip
    found = reports or Reports()
    found.add(body, 1_000, 0, boots)
    return found


def test_a_gap_is_named_by_boot_and_numbers() -> None:
    """In the middle, at the end, and of a boot without any event."""
    boots = Boots()
    scan = scanned([frame(1, 2, 5)], boots=boots)
    reports = reported(boots, 9, Boot("g", "w", "gone"), reported(boots, 6))
    found = check("analytics", reports, scan, boots, 0, 10)
    assert (found.boots, found.reported, found.missing, found.is_equal) == (2, 15, 12, False)
    assert {(item.boot.boot_id, str(item.numbers)) for item in found.items} == {
        (BOOT.boot_id, "3-4,6"),
        ("gone", "1-9"),
    }
    assert len(check("analytics", reports, scan, boots, 0, 1).items) == 1


def test_more_than_was_reported_is_no_gap() -> None:
    """Events come between two reports; boots without a report are not looked for."""
    boots = Boots()
    scan = scanned([frame(1, 2, 3), frame(1, 7, boot_id="silent")], boots=boots)
    found = check("analytics", reported(boots, 2), scan, boots, 0, 10)
    assert (found.reported, found.missing, found.items) == (2, 0, [])


def test_what_cannot_be_decoded_may_be_what_is_missing() -> None:
    """Its numbers are not known: as many as there are such records are no gap."""
    boots = Boots()
    scan = scanned([frame(1, 4)], boots=boots)
    assert check("analytics", reported(boots, 4), scan, boots, 2, 10).is_equal
    assert check("analytics", reported(boots, 4), scan, boots, 1, 10).missing == 1
