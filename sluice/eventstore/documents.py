"""What the fields of a document are: the events' own names, the seed's, and ECS names as aliases of them.

``dynamic: false`` and one mapping per field, so that no document can grow the mapping. Types are those that every
reachable Elasticsearch and OpenSearch has. An ECS name is an ``alias`` field: it answers queries and aggregations and
costs no byte in a document.
"""

from __future__ import annotations

from typing import Any

from schemas.events import Kind

Mapping = dict[str, Any]

MAX_KEYWORD_CHARACTERS = 1024
MAX_LINE_CHARACTERS = 8191  # 32,766 bytes is Lucene's longest term; UTF-8 takes up to 4 a character

_LONG: Mapping = {"type": "long"}
_DOUBLE: Mapping = {"type": "double"}
_BOOLEAN: Mapping = {"type": "boolean"}
_DATE: Mapping = {"type": "date"}
_KEYWORD: Mapping = {"type": "keyword", "ignore_above": MAX_KEYWORD_CHARACTERS}
_LINE: Mapping = {"type": "keyword", "ignore_above": MAX_LINE_CHARACTERS}
_UNINDEXED: Mapping = {"type": "text", "index": False}


def _fields(mapping: Mapping, *names: str) -> dict[str, Mapping]:
    return dict.fromkeys(names, mapping)


def _object(**properties: Mapping) -> Mapping:
    return {"properties": properties}


def _alias(path: str) -> Mapping:
    return {"type": "alias", "path": path}


COMMON: dict[str, Mapping] = {
    "@timestamp": _DATE,
    "completed_at": _DATE,
    **_fields(_KEYWORD, "event_id", "exchange_id", "request_id", "gateway_id", "worker", "boot_id"),
    **_fields(_LONG, "sequence", "app_id", "user_id", "llm_id"),
    **_fields(_KEYWORD, "llm_slug", "vendor", "outcome", "trace_id", "labels", "model_name"),
}
"""Fields of every document."""

_TIMES = _fields(_LONG, "total_micros", "upstream_micros", "first_byte_micros")

OWN: dict[Kind, dict[str, Mapping]] = {
    "proxy_log": {
        **_fields(_LONG, "response_code", "upstream_status", "request_body_bytes", "response_body_bytes"),
        **_fields(_LONG, "chunk_count"),
        **_fields(_BOOLEAN, "is_stream", "partial", "request_body_truncated", "response_body_truncated"),
        **_fields(_BOOLEAN, "request_body_replaced", "response_body_replaced"),
        **_fields(_KEYWORD, "method", "request_content_type", "response_content_type", "error_kind", "remote_addr"),
        **_fields(_LINE, "path", "request_headers", "response_headers"),
        "error_message": {"type": "text"},
        **_fields(_UNINDEXED, "request_body", "response_body"),
        "plugins": _object(plugin=_KEYWORD, hook=_KEYWORD, decision=_KEYWORD, micros=_LONG),
        **_TIMES,
    },
    "analytics": {
        **_fields(_LONG, "prompt_tokens", "response_tokens", "total_tokens", "reasoning_tokens"),
        **_fields(_LONG, "cache_write_prompt_tokens", "cache_read_prompt_tokens", "cost_nanos"),
        **_fields(_LONG, "tool_calls", "choices", "response_code"),
        "cost": _DOUBLE,
        "raw_usage": _UNINDEXED,
        **_fields(_KEYWORD, "currency", "price_id", "price_version", "cost_status"),
        **_fields(_BOOLEAN, "is_stream", "partial"),
        "attempts": _object(
            llm_id=_LONG, llm_slug=_KEYWORD, status=_LONG, error_kind=_KEYWORD, may_be_billed=_BOOLEAN, micros=_LONG
        ),
        **_TIMES,
    },
    "budget": {
        **_fields(_KEYWORD, "kind", "corrects", "currency", "price_version"),
        **_fields(_LONG, "tokens_used", "prompt_tokens", "completion_tokens", "cost_nanos", "reserved_nanos"),
        **_fields(_LONG, "requests_count"),
        "cost": _DOUBLE,
        **_fields(_DATE, "period_start", "period_end"),
        "charges": _object(scope=_KEYWORD, scope_id=_KEYWORD, period_id=_KEYWORD, period_start=_DATE, period_end=_DATE),
    },
}
"""Fields that each event's document adds."""

_ECS_COMMON = {
    "occurred_at": "@timestamp",
    "event.id": "event_id",
    "trace.id": "trace_id",
    "http.request.id": "request_id",
    "gen_ai.system": "vendor",
    "gen_ai.request.model": "model_name",
}

ECS: dict[Kind, dict[str, str]] = {
    "proxy_log": {
        **_ECS_COMMON,
        "http.request.method": "method",
        "http.response.status_code": "response_code",
        "url.original": "path",
        "client.address": "remote_addr",
    },
    "analytics": {
        **_ECS_COMMON,
        "http.response.status_code": "response_code",
        "gen_ai.usage.input_tokens": "prompt_tokens",
        "gen_ai.usage.output_tokens": "response_tokens",
    },
    "budget": {
        **_ECS_COMMON,
        "gen_ai.usage.input_tokens": "prompt_tokens",
        "gen_ai.usage.output_tokens": "completion_tokens",
    },
}
"""Further name → the field it stands for."""


def properties(kind: Kind) -> dict[str, Mapping]:
    """The whole mapping of an event's documents."""
    found = {**COMMON, **OWN[kind]}
    for name, path in ECS[kind].items():
        _put(found, name.split("."), _alias(path))
    return found


def _put(target: dict[str, Any], path: list[str], mapping: Mapping) -> None:
    for name in path[:-1]:
        target = target.setdefault(name, {"properties": {}})["properties"]
    target[path[-1]] = mapping
