"""Reports: what a worker says it did, absolute, so that a lost one loses nothing."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.recording.reports import Totals, closing_report, report
from gateway.version import program_version
from schemas.topics import Topics
from sluice import clock
from sluice.eventlog.interface import Boot, Record
from tests.gateway.test_exchange import an_exchange

BOOT = Boot("gateway-1", "w0", "boot-1")
TOPICS = Topics("tests")


def body_of(record: Record) -> dict[str, Any]:
    """What a report says; it goes where reports go, under its gateway's id."""
    assert (record.topic, record.key) == (TOPICS.gateway_report.name, b"gateway-1")
    assert record.value is not None
    body: dict[str, Any] = orjson.loads(record.value)
    return body


@pytest.fixture(autouse=True)
def at_a_known_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wall clock stands."""
    monkeypatch.setattr("gateway.recording.reports.now_micros", lambda: 1_700_000_000_000_000)


def test_totals_add_up() -> None:
    """Outcomes by name, bytes both ways, money; an exchange without an outcome was our own fault."""
    totals = Totals()
    for outcome, cost in (("ok", 5), ("ok", None), ("auth_failed", None), (None, 0)):
        totals.add(an_exchange(outcome=outcome, cost_nanos=cost, body=b"12", response_bytes=3))
    assert totals.outcomes == {"ok": 2, "auth_failed": 1, "gateway_error": 1}
    assert (totals.request_bytes, totals.response_bytes, totals.cost_nanos) == (8, 12, 5)


def test_totals_are_each_one_s_own() -> None:
    """Two boots share nothing."""
    first = Totals()
    first.add(an_exchange(outcome="ok"))
    assert Totals().outcomes == {}


@pytest.mark.parametrize("closing", [True, False])
def test_a_report_says_everything(closing: bool) -> None:
    """Who, when, the totals, the last sequence of each kind, and what was dropped by reason."""
    totals = Totals()
    totals.add(an_exchange(outcome="ok", cost_nanos=7, body=b"12", response_bytes=3))
    drops = {"dropped": 1}
    body = body_of(report(BOOT, TOPICS, totals, {"proxy_log": 4, "budget": 2}, drops, closing=closing))
    assert body == {
        "gateway_id": "gateway-1", "worker": "w0", "boot_id": "boot-1", "version": program_version(),
        "reported_at": "2023-11-14T22:13:20.000000Z",
        "started_at": "2023-11-14T22:13:20.000000Z",
        "closing": closing, "outcomes": {"ok": 1}, "request_bytes": 2, "response_bytes": 3, "cost_nanos": 7,
        "unrecorded": 0, "last_sequences": {"proxy_log": 4, "budget": 2}, "drops": {"dropped": 1},
    }  # fmt: skip


def test_a_report_is_of_its_moment() -> None:
    """What is counted later does not change it; the next one is absolute."""
    totals = Totals()
    totals.add(an_exchange(outcome="ok"))
    first = report(BOOT, TOPICS, totals, {}, {}, closing=False)
    totals.add(an_exchange(outcome="ok"))
    assert body_of(first)["outcomes"] == {"ok": 1}
    assert body_of(report(BOOT, TOPICS, totals, {}, {}, closing=False))["outcomes"] == {"ok": 2}


def test_a_killed_boot_s_report_says_who_wrote_it() -> None:
    """It closes the boot under its own ids, and is marked as adopted: its totals are not known."""
    body = body_of(closing_report(BOOT, TOPICS, {"proxy_log": 9}, 3))
    assert (body["boot_id"], body["closing"], body["adopted"]) == ("boot-1", True, True)
    assert (body["outcomes"], body["last_sequences"]) == ({"interrupted": 3}, {"proxy_log": 9})
    assert "cost_nanos" not in body


def test_money_and_counts_of_any_size_are_kept() -> None:
    """As integers up to 64 bits, never as floats."""
    totals = Totals(cost_nanos=(1 << 63) - 1, request_bytes=(1 << 53) + 1)
    record = report(BOOT, TOPICS, totals, {}, {}, closing=False)
    body = body_of(record)
    assert (body["cost_nanos"], body["request_bytes"]) == ((1 << 63) - 1, (1 << 53) + 1)
    assert clock.iso_micros(1_700_000_000_000_000) == body["reported_at"]


def test_unrecorded_exchanges_are_in_the_totals() -> None:
    """A field that is reported is counted."""
    from gateway.telemetry import GatewayMetrics  # noqa: PLC0415

    metrics = GatewayMetrics()
    metrics.count_unrecorded("auth_failed", "192.0.0.0/16")
    assert metrics.totals.unrecorded == metrics.unrecorded.value("auth_failed", "192.0.0.0/16") == 1
