"""Events for tests, encoded as the gateway does, and records that hold them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from schemas.avro_schema import field_hints
from schemas.cloudevents import cloudevent_headers
from schemas.codec import EncodedEvent, encode_exchange
from schemas.events import AnalyticsFields, BudgetFields, Common, Kind, ProxyLogFields
from schemas.ids import new_exchange_id
from schemas.topics import Topics
from sluice.eventlog.interface import Partition, StoredRecord

TOPICS = Topics()
NOW_MICROS = 1_764_000_000_000_000
"""2025-11-24T16:00:00Z: the wall clock of tests that have one."""

COMMON: Common = {
    "exchange_id": "",
    "request_id": "r-1",
    "occurred_at": cast("Any", NOW_MICROS),
    "completed_at": cast("Any", NOW_MICROS + 1_500),
    "gateway_id": "gw-1",
    "worker": "0",
    "boot_id": "b" * 32,
    "app_id": 7,
    "user_id": None,
    "llm_id": 3,
    "llm_slug": "gpt",
    "vendor": "openai",
    "outcome": "ok",
    "trace_id": "0af7651916cd43dd8448eb211c80319c",
    "labels": ["team:a", "env:prod"],
}

PROXY_LOG: ProxyLogFields = {
    "method": "POST",
    "path": "/v1/chat/completions",
    "model_name": "gpt-4o",
    "is_stream": False,
    "response_code": 200,
    "upstream_status": 200,
    "request_headers": ["content-type: application/json"],
    "response_headers": ["content-type: application/json"],
    "request_body": b'{"model":"gpt-4o"}',
    "request_body_bytes": 18,
    "request_body_truncated": False,
    "request_content_type": "application/json",
    "response_body": b'{"usage":{}}',
    "response_body_bytes": 12,
    "response_body_truncated": False,
    "response_content_type": "application/json",
    "chunk_count": 1,
    "error_kind": "",
    "error_message": "",
    "remote_addr": "127.0.0.1",
    "total_micros": 1_500,
    "upstream_micros": 1_200,
    "first_byte_micros": None,
    "plugins": [{"plugin": "p", "hook": "pre_auth", "micros": 3, "decision": "allow"}],
    "partial": False,
}

ANALYTICS: AnalyticsFields = {
    "model_name": "gpt-4o",
    "prompt_tokens": 12,
    "response_tokens": 34,
    "cache_write_prompt_tokens": None,
    "cache_read_prompt_tokens": 0,
    "reasoning_tokens": None,
    "total_tokens": 46,
    "raw_usage": '{"prompt_tokens":12,"completion_tokens":34}',
    "cost_nanos": 123_456_789,
    "currency": "USD",
    "price_id": "openai:gpt-4o",
    "price_version": "2025-11",
    "cost_status": "exact",
    "tool_calls": 0,
    "choices": 1,
    "response_code": 200,
    "is_stream": False,
    "partial": False,
    "total_micros": 1_500,
    "upstream_micros": 1_200,
    "first_byte_micros": None,
    "attempts": [
        {"llm_id": 3, "llm_slug": "gpt", "status": 200, "error_kind": "", "may_be_billed": True, "micros": 1_200}
    ],
}

BUDGET: BudgetFields = {
    "kind": "usage",
    "corrects": None,
    "model_name": "gpt-4o",
    "tokens_used": 46,
    "prompt_tokens": 12,
    "completion_tokens": 34,
    "cost_nanos": 123_456_789,
    "currency": "USD",
    "price_version": "2025-11",
    "requests_count": 1,
    "reserved_nanos": 200_000_000,
    "charges": [
        {
            "scope": "app",
            "scope_id": "7",
            "period_id": "2025-11",
            "period_start": cast("Any", 1_761_955_200_000_000),
            "period_end": cast("Any", 1_764_547_200_000_000),
        }
    ],
}

_FIELDS: dict[Kind, Any] = {"proxy_log": PROXY_LOG, "analytics": ANALYTICS, "budget": BUDGET}


def make_event(kind: Kind = "analytics", **changes: Any) -> EncodedEvent:
    """One event of a new exchange; ``changes`` go to whichever half has the field."""
    common: Any = {**COMMON, "exchange_id": new_exchange_id()}
    fields: Any = dict(_FIELDS[kind])
    for name, value in changes.items():
        (common if name in field_hints(Common) else fields)[name] = value
    parts: dict[str, Any] = {"proxy_log": None, "analytics": None, "budget": None, kind: fields}
    return encode_exchange(common, parts["proxy_log"], parts["analytics"], parts["budget"])[0]


def make_record(
    kind: Kind = "analytics", *, offset: int = 0, partition: int = 0, sequence: int = 1, **changes: Any
) -> StoredRecord:
    """A record as polled from the kind's topic."""
    event = make_event(kind, **changes)
    return record_of(event.value(sequence), event.event_id, kind, offset=offset, partition=partition)


def record_of(
    value: bytes | None, event_id: str | None, kind: Kind = "analytics", *, offset: int = 0, partition: int = 0
) -> StoredRecord:
    """A record with any value; without ``event_id`` it has no headers."""
    topic = TOPICS.event(kind).name
    headers = [] if event_id is None else cloudevent_headers(topic, event_id, "gw-1", NOW_MICROS)
    return StoredRecord(topic, partition, offset, NOW_MICROS // 1_000, b"key", value, headers)


def event_id_of(record: StoredRecord) -> str:
    """What the ``ce_id`` header says."""
    return dict(record.headers)["ce_id"].decode()


def partition_of(kind: Kind = "analytics", number: int = 0) -> Partition:
    """A partition of the kind's topic."""
    return Partition(TOPICS.event(kind).name, number)


def numbered(records: Iterable[StoredRecord]) -> list[StoredRecord]:
    """The same with offsets 0, 1, 2 …"""
    found = list(records)
    for offset, record in enumerate(found):
        record.offset = offset
    return found
