"""One exchange as its three events tell it: the examples of the event reference."""

from __future__ import annotations

from schemas.events import AnalyticsFields, BudgetFields, Common, Kind, Micros, ProxyLogFields

_ADMITTED = Micros(1_793_712_600_123_456)
COMMON: Common = {
    "exchange_id": "01a1a19a-343b-7c31-9a54-0f1d2c3b4a59",
    "request_id": "req-8841",
    "occurred_at": _ADMITTED,
    "completed_at": Micros(_ADMITTED + 842_117),
    "gateway_id": "gateway-1",
    "worker": "0",
    "boot_id": "5f0c9c1e",
    "app_id": 7,
    "user_id": 12,
    "llm_id": 1,
    "llm_slug": "gpt",
    "vendor": "openai",
    "outcome": "ok",
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "labels": ["team:search"],
}
PROXY_LOG: ProxyLogFields = {
    "method": "POST",
    "path": "chat/completions",
    "model_name": "gpt-4o-mini",
    "is_stream": False,
    "response_code": 200,
    "upstream_status": 200,
    "request_headers": ["authorization: ***", "content-type: application/json"],
    "response_headers": ["content-type: application/json"],
    "request_body": b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hello"}]}',
    "request_body_bytes": 70,
    "request_body_truncated": False,
    "request_content_type": "application/json",
    "response_body": b'{"choices":[{"message":{"content":"Hello!"}}]}',
    "response_body_bytes": 46,
    "response_body_truncated": False,
    "response_content_type": "application/json",
    "chunk_count": 1,
    "error_kind": "",
    "error_message": "",
    "remote_addr": "192.0.2.7",
    "total_micros": 842_117,
    "upstream_micros": 840_902,
    "first_byte_micros": 839_555,
    "plugins": [{"plugin": "prompt_size_limit", "hook": "post_auth", "micros": 4, "decision": "allow"}],
    "partial": False,
}
ANALYTICS: AnalyticsFields = {
    "model_name": "gpt-4o-mini-2024-07-18",
    "prompt_tokens": 1_200,
    "response_tokens": 300,
    "cache_write_prompt_tokens": 0,
    "cache_read_prompt_tokens": 1_000,
    "reasoning_tokens": 0,
    "total_tokens": 1_500,
    "raw_usage": '{"prompt_tokens":1200,"completion_tokens":300,"prompt_tokens_details":{"cached_tokens":1000}}',
    "cost_nanos": 285_000,
    "currency": "USD",
    "price_id": "mini",
    "price_version": "2026-11",
    "cost_status": "exact",
    "tool_calls": 0,
    "choices": 1,
    "response_code": 200,
    "is_stream": False,
    "partial": False,
    "total_micros": 842_117,
    "upstream_micros": 840_902,
    "first_byte_micros": 839_555,
    "attempts": [
        {"llm_id": 1, "llm_slug": "gpt", "status": 200, "error_kind": "", "may_be_billed": True, "micros": 840_902}
    ],
}
BUDGET: BudgetFields = {
    "kind": "usage",
    "corrects": None,
    "model_name": "gpt-4o-mini-2024-07-18",
    "tokens_used": 1_500,
    "prompt_tokens": 1_200,
    "completion_tokens": 300,
    "cost_nanos": 285_000,
    "currency": "USD",
    "price_version": "2026-11",
    "requests_count": 1,
    "reserved_nanos": 2_637_600,
    "charges": [
        {
            "scope": "app",
            "scope_id": "7",
            "period_id": "2026-11-01",
            "period_start": Micros(1_793_491_200_000_000),
            "period_end": Micros(1_796_083_200_000_000),
        }
    ],
}
SEQUENCE = 48_213
"""Of each of the three: the types count for themselves."""


def example(kind: Kind) -> dict[str, object]:
    """The whole event of a kind, but for its ``event_id`` and ``sequence``."""
    own = {"proxy_log": PROXY_LOG, "analytics": ANALYTICS, "budget": BUDGET}[kind]
    return {**COMMON, **own}
