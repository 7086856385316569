"""What was reported, side by side with what the log has."""

from __future__ import annotations

import polars as pl

from collectors.services.reconcile.boots import Boots
from collectors.services.reconcile.reports import Reports
from collectors.services.reconcile.results import Item, LogCheck
from collectors.services.reconcile.scan import Scan
from collectors.services.reconcile.sequences import by_boot, count, difference
from schemas.events import Kind
from sluice.clock import iso_micros

_SCHEMA = {"boot": pl.UInt32, "first": pl.Int64, "last": pl.Int64}


def check(kind: Kind, reports: Reports, scan: Scan, boots: Boots, undecodable: int, limit: int) -> LogCheck:
    """The gaps of one kind. Records that cannot be decoded have numbers too: as many may be among them."""
    found = scan.all[kind].ranges
    begun = set(found.filter(pl.col("first") == 1)["boot"])
    claims = pl.DataFrame(reports.claims(kind, begun), schema=_SCHEMA, orient="row")
    gaps = difference(claims, found)
    missing = count(gaps)
    result = LogCheck(kind, claims.height, count(claims), max(0, missing - undecodable), undecodable)
    if result.missing:
        for number, numbers in list(by_boot(gaps))[:limit]:
            reported_at = iso_micros(reports.boots[number].reported_at_ms * 1_000)
            why = f"reported by {reported_at}, and not in the log"
            result.items.append(Item("gap", "", kind, boots[number], numbers, why=why))
    return result
