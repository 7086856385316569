"""One exchange as a person reads it: what happened when, what it was worth and why, what went over the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.events import KINDS, event_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gateway.console.parts import ConsoleParts
    from sluice.eventstore.queries import Document, Exchange
    from sluice.money.prices import Price

_BEFORE_UPSTREAM = frozenset({"pre_auth", "auth", "post_auth"})
"""Hooks that act before the vendor is called."""
_TOKENS_PER_PRICE = 1_000_000
_COMMON = (
    "exchange_id", "request_id", "occurred_at", "completed_at", "gateway_id", "worker", "boot_id", "app_id", "user_id",
    "llm_id", "llm_slug", "vendor", "outcome", "trace_id", "labels",
)  # fmt: skip
_WIRE = (
    "method", "path", "model_name", "is_stream", "response_code", "upstream_status", "request_body_bytes",
    "response_body_bytes", "request_content_type", "response_content_type", "chunk_count", "error_kind",
    "error_message", "remote_addr", "total_micros", "upstream_micros", "first_byte_micros", "partial",
)  # fmt: skip
_WORTH = (
    "model_name", "prompt_tokens", "response_tokens", "cache_write_prompt_tokens", "cache_read_prompt_tokens",
    "reasoning_tokens", "total_tokens", "raw_usage", "cost_nanos", "currency", "price_id", "price_version",
    "cost_status", "tool_calls", "choices", "attempts",
)  # fmt: skip
_CHARGED = ("event_id", "kind", "corrects", "cost_nanos", "currency", "price_version", "reserved_nanos", "charges")


def story_of(found: Exchange, parts: ConsoleParts, *, shows_bodies: bool) -> dict[str, Any]:
    """All of it; ``None`` stands for an event that the store does not have."""
    log, worth = found.proxy_log, found.analytics
    first = log or worth or found.budgets[0]
    app_id, llm_id = first.get("app_id"), first.get("llm_id")
    return {
        **_picked(first, _COMMON),
        "app": None if app_id is None else parts.names.app(app_id),
        "llm": None if llm_id is None else parts.names.llm(llm_id),
        "wire": None if log is None else _picked(log, _WIRE),
        "timeline": timeline_of(log, worth),
        "worth": None if worth is None else _picked(worth, _WORTH),
        "price": None if worth is None else price_of(worth, parts.price_of(worth.get("price_id") or "")),
        "budgets": [_picked(each, _CHARGED) for each in found.budgets],
        "bodies": _bodies(log) if log is not None and shows_bodies else None,
        "shows_bodies": shows_bodies,
        "events": _events(str(first["exchange_id"]), found),
    }


def timeline_of(log: Document | None, worth: Document | None) -> list[dict[str, Any]]:
    """Steps in order, with where each begins as far as that is known: hooks before the vendor stand at the start, one
    behind the other; attempts behind them; those on the answer up to the end. Gaps are not recorded."""
    if log is None:
        return []
    hooks = list(log.get("plugins") or [])
    before = [each for each in hooks if each["hook"] in _BEFORE_UPSTREAM]
    behind = [each for each in hooks if each["hook"] not in _BEFORE_UPSTREAM]
    steps, at = _hooks(before, 0)
    total, upstream = int(log.get("total_micros") or 0), log.get("upstream_micros")
    attempts = (worth or {}).get("attempts") or []
    if upstream is not None or attempts:
        steps += _upstream(log, attempts, at)
    late, _ = _hooks(behind, max(at, total - sum(int(each["micros"]) for each in behind)))
    return steps + late


def _hooks(found: Iterable[Mapping[str, Any]], at: int) -> tuple[list[dict[str, Any]], int]:
    steps = []
    for each in found:
        micros = int(each["micros"])
        steps.append(
            {
                "kind": "hook",
                "name": each["plugin"],
                "hook": each["hook"],
                "detail": each["decision"],
                "at": at,
                "micros": micros,
            }
        )
        at += micros
    return steps, at


def _upstream(log: Document, attempts: Iterable[Mapping[str, Any]], at: int) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = [
        {
            "kind": "upstream",
            "name": each["llm_slug"] or log.get("llm_slug") or "upstream",
            "hook": "upstream",
            "detail": each["error_kind"] or (f"status {each['status']}" if each["status"] else "no answer"),
            "micros": int(each["micros"]),
        }
        for each in attempts
    ]
    if not steps:
        status = log.get("upstream_status")
        detail = f"status {status}" if status else "no answer"
        name, micros = log.get("llm_slug") or "upstream", int(log.get("upstream_micros") or 0)
        steps = [{"kind": "upstream", "name": name, "hook": "upstream", "detail": detail, "micros": micros}]
    return _in_order(steps, at)


def _in_order(steps: list[dict[str, Any]], at: int) -> list[dict[str, Any]]:
    """Each begins where the one before it ended."""
    for step in steps:
        step["at"] = at
        at += int(step["micros"])
    return steps


def price_of(worth: Document, price: Price | None) -> dict[str, Any] | None:
    """How the cost came about: tokens of each class at its rate, as the price row says now; ``adds_up`` where these
    are all of it. What else may be in a price (tiers, sound, images, batches, tools) is named, not reckoned again."""
    if price is None or worth.get("cost_nanos") is None:
        return None
    prompt, response = worth.get("prompt_tokens") or 0, worth.get("response_tokens") or 0
    read = min(worth.get("cache_read_prompt_tokens") or 0, prompt)
    write = min(worth.get("cache_write_prompt_tokens") or 0, prompt - read)
    rates = price.rates_for(prompt)
    classes = (
        ("prompt", prompt - read - write, rates.prompt),
        ("cache read", read, rates.cache_read),
        ("cache write", write, rates.cache_write),
        ("response", response, rates.response),
    )
    lines = [
        {"what": what, "tokens": tokens, "nanos_per_million": rate, "nanos": tokens * rate / _TOKENS_PER_PRICE}
        for what, tokens, rate in classes
        if tokens
    ]
    parts = sum(tokens * rate for _, tokens, rate in classes) + price.request_nanos * _TOKENS_PER_PRICE
    adds_up = abs(parts - int(worth["cost_nanos"]) * _TOKENS_PER_PRICE) <= _TOKENS_PER_PRICE // 2
    return {"model": price.model, "lines": lines, "request_nanos": price.request_nanos, "adds_up": adds_up}


def _bodies(log: Document) -> dict[str, Any]:
    return {
        side: {
            "text": log.get(f"{side}_body"),
            "headers": log.get(f"{side}_headers") or [],
            "bytes": log.get(f"{side}_body_bytes") or 0,
            "truncated": bool(log.get(f"{side}_body_truncated")),
            "replaced": bool(log.get(f"{side}_body_replaced")),
            "content_type": log.get(f"{side}_content_type") or "",
        }
        for side in ("request", "response")
    }


def _events(exchange_id: str, found: Exchange) -> list[dict[str, Any]]:
    """Each event and whether this store has it; other sinks are asked by nobody here."""
    there = {"proxy_log": found.proxy_log, "analytics": found.analytics, "budget": next(iter(found.budgets), None)}
    return [
        {
            "kind": kind,
            "event_id": (there[kind] or {}).get("event_id") or event_id(exchange_id, kind),
            "is_there": there[kind] is not None,
            "sequence": (there[kind] or {}).get("sequence"),
        }
        for kind in KINDS
    ]


def _picked(document: Document, names: Iterable[str]) -> dict[str, Any]:
    return {name: document.get(name) for name in names}
