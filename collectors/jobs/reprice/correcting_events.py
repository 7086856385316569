"""Corrections as budget events, and as the records that they are published as."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import orjson

from collectors.jobs.reprice.ledger import Issued, Wanted
from schemas.cloudevents import cloudevent_headers
from schemas.codec import encode_exchange, frame_event
from schemas.events import BudgetFields, Common, Micros, event_id
from sluice.eventlog.interface import Boot, Record


@dataclass(frozen=True, slots=True)
class Correction:
    """What is charged beside what was; negative where less is due."""

    event_id: str
    wanted: Wanted
    nanos: int
    charges: list[dict[str, Any]]


def value_of(correction: Correction, sequence: int, boot: Boot, version: str, completed_at: int) -> bytes:
    """The event, framed; the same bytes for the same arguments."""
    wanted = correction.wanted
    facts = orjson.loads(wanted.common)
    model_name = facts.pop("model_name")
    common: dict[str, Any] = {
        **facts, "occurred_at": Micros(wanted.occurred_at), "completed_at": Micros(completed_at),
        "gateway_id": boot.gateway_id, "worker": boot.worker, "boot_id": boot.boot_id, "app_id": wanted.app_id,
        "llm_id": wanted.llm_id, "labels": [],
    }  # fmt: skip
    budget: dict[str, Any] = {
        "kind": "correction", "corrects": event_id(wanted.exchange_id, "budget"), "model_name": model_name,
        "tokens_used": 0, "prompt_tokens": 0, "completion_tokens": 0, "cost_nanos": correction.nanos,
        "currency": wanted.currency, "price_version": version, "requests_count": 0, "reserved_nanos": 0,
        "charges": correction.charges,
    }  # fmt: skip
    encoded = encode_exchange(cast("Common", common), None, None, cast("BudgetFields", budget))[0]
    return frame_event("budget", correction.event_id.encode(), sequence, encoded.tail)


def correction_record(topic: str, issued: Issued, source: str, at: int) -> Record:
    """As a relay publishes an event: keyed by its exchange. ``at`` is its moment in micros."""
    headers = cloudevent_headers(topic, issued.event_id, source, at)
    return Record(topic, issued.exchange_id.encode(), issued.value, tuple(headers))
