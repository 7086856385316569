"""Reports claim numbers: absolute, running, from outside, and sometimes garbage."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from collectors.jobs.origins import open_origin
from collectors.services.reconcile.boots import Boots
from collectors.services.reconcile.reports import Reports, _take, read_reports, summary
from collectors.services.reconcile.sequences import MAX_SEQUENCE
from schemas.events import KINDS
from sluice.eventlog.interface import StoredRecord
from tests.collectors.services.reconcile.desk import BOOT, Desk, on_a_journal, report_of
from tests.contracts.eventlog_laws import JournalBench

BEGIN_MS = 1_000_000_000
LATER_MS = BEGIN_MS + 120_000


def taken(*values: tuple[Any, int], begin_ms: int = BEGIN_MS) -> tuple[Reports, Boots]:
    """What becomes of these values, each with its append time."""
    reports, boots = Reports(), Boots()
    for value, at in values:
        raw = value if isinstance(value, bytes) or value is None else orjson.dumps(value)
        _take(reports, StoredRecord("t", 0, 0, at, b"", raw), begin_ms, boots)
    return reports, boots


def body(last: Any = 5, **changes: Any) -> dict[str, Any]:
    """A good one."""
    names = {"gateway_id": BOOT.gateway_id, "worker": BOOT.worker, "boot_id": BOOT.boot_id}
    return {**names, "last_sequences": {"analytics": last}, "drops": {}, "unrecorded": 0, **changes}


def test_what_was_numbered_before_reading_began_is_not_looked_for() -> None:
    """The first report behind the beginning says how far the boot was; later ones, in any order, how far it came."""
    reports, _ = taken(
        (body(40), BEGIN_MS - 5), (body(50), LATER_MS), (body(90), LATER_MS + 2), (body(70), LATER_MS + 1)
    )
    assert reports.claims("analytics", set()) == [(0, 51, 90)]
    assert reports.claims("analytics", {0}) == [(0, 1, 90)]
    assert reports.claims("budget", set()) == []


def test_a_boot_that_began_later_is_looked_for_whole() -> None:
    """As it says itself; and where reading begins with the log, every boot is."""
    reports, _ = taken((body(50, started_at="2026-11-26T10:00:00.000000Z"), LATER_MS))
    assert reports.claims("analytics", set()) == [(0, 1, 50)]
    reports, _ = taken((body(50), LATER_MS), begin_ms=0)
    assert reports.claims("analytics", set()) == [(0, 1, 50)]
    reports, _ = taken((body(50, started_at="1970-01-01T00:00:00Z"), LATER_MS))
    assert reports.claims("analytics", set()) == []


GARBAGE = [
    None, b"", b"no json", b"[]", b"7", b'"x"', b"{}", body(worker=None), body(gateway_id=""), body(boot_id=["x"]),
    body(gateway_id="x" * 5_000), body(last_sequences=None), body(last_sequences=[1]), body("7"), body(-1), body(True),
    body(1.5), body(1 << 63), body(unrecorded=-1), body(unrecorded="many"), body(drops={"a": "b"}),
    body(started_at="yesterday"),
]  # fmt: skip


@pytest.mark.parametrize("value", GARBAGE, ids=lambda value: str(value)[:30])
def test_garbage_is_counted_and_changes_nothing(value: Any) -> None:
    """No part of it is believed, and those around it are."""
    reports, boots = taken((body(5), LATER_MS), (value, LATER_MS), begin_ms=0)
    assert (reports.garbage, len(boots), reports.claims("analytics", set())) == (1, 1, [(0, 1, 5)])
    assert "1 records of the report topic are no reports" in summary(reports)[0]


def test_a_lie_is_a_range() -> None:
    """However many it claims, it is one row."""
    reports, _ = taken((body(MAX_SEQUENCE), LATER_MS), begin_ms=0)
    assert reports.claims("analytics", set()) == [(0, 1, MAX_SEQUENCE)]


def test_what_was_not_recorded_is_said() -> None:
    """Running totals of each boot, added up over boots."""
    other = body(1, boot_id="other", unrecorded=4, drops={"full": 2, "late": 0})
    reports, _ = taken((body(1, unrecorded=2), 1), (body(1, unrecorded=3, drops={"full": 1}), 2), (other, 3))
    assert list(summary(reports)) == [
        "gateways report 7 exchanges that they could not record: they have no events at all",
        "gateways report as dropped: full 3",
    ]


@on_a_journal
async def test_reports_are_read_from_the_log(bench: JournalBench) -> None:
    """Those that were appended since."""
    desk = Desk(bench)
    await desk.report(report_of(bench, last_sequences=dict.fromkeys(KINDS, 3)))
    origin = open_origin(desk.host)
    assert len((await read_reports(origin, bench.topics, 0, Boots())).boots) == 1
    assert len((await read_reports(origin, bench.topics, 1 << 42, Boots())).boots) == 0
    await origin.close()
