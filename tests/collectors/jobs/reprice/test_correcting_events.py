"""Tests of ``collectors.jobs.reprice.correcting_events``: what a correction is on the wire."""

from __future__ import annotations

import json

from collectors.jobs.reprice.correcting_events import Correction, correction_record, value_of
from collectors.jobs.reprice.ledger import Issued, Wanted
from schemas.cloudevents import EVENT_ID
from schemas.codec import SchemaBook
from schemas.ids import new_exchange_id
from sluice.clock import micros_of
from sluice.eventlog.interface import Boot
from tests.collectors.events import NOW_MICROS, TOPICS

EXCHANGE = new_exchange_id()
CHARGE = {"scope": "app", "scope_id": "7", "period_id": "2025-11", "period_start": 1, "period_end": 2}
COMMON = json.dumps({
    "exchange_id": EXCHANGE, "request_id": "r", "user_id": None, "llm_slug": "gpt", "vendor": "openai", "outcome": "ok",
    "trace_id": "", "model_name": "gpt-4o",
})  # fmt: skip
MADE = Correction(f"{EXCHANGE}-b-2", Wanted(EXCHANGE, 10, "EUR", 7, 3, NOW_MICROS, COMMON), -5, [CHARGE])
BOOT = Boot("reprice", "job", "boot")


def test_it_is_a_budget_event_that_counts_no_request() -> None:
    """Negative where less is due; of the exchange's app, LLM, moment and periods; of the job's own sequence."""
    kind, event = SchemaBook().decode(value_of(MADE, 4, BOOT, "2/é", NOW_MICROS + 9))
    assert kind == "budget"
    assert event["event_id"] == f"{EXCHANGE}-b-2"
    assert (event["kind"], event["corrects"], event["cost_nanos"]) == ("correction", f"{EXCHANGE}-b", -5)
    assert (event["requests_count"], event["tokens_used"], event["reserved_nanos"]) == (0, 0, 0)
    assert (event["gateway_id"], event["worker"], event["boot_id"], event["sequence"]) == ("reprice", "job", "boot", 4)
    assert (event["price_version"], event["currency"], event["app_id"], event["llm_id"]) == ("2/é", "EUR", 7, 3)
    assert micros_of(event["occurred_at"]) == NOW_MICROS
    assert [(each["scope"], each["scope_id"], each["period_id"]) for each in event["charges"]] == [
        ("app", "7", "2025-11")
    ]


def test_the_same_is_the_same_bytes() -> None:
    """A record that is published again is no other record."""
    assert value_of(MADE, 4, BOOT, "2", 5) == value_of(MADE, 4, BOOT, "2", 5)
    topic = TOPICS.event("budget").name
    record = correction_record(topic, Issued(4, MADE.event_id, EXCHANGE, -5, b"value"), "reprice", NOW_MICROS)
    assert (record.topic, record.key, record.value) == (topic, EXCHANGE.encode(), b"value")
    assert dict(record.headers)[EVENT_ID] == MADE.event_id.encode()
