"""A gateway in this process before a scripted vendor that speaks every format, for the vendors' own SDKs as clients;
and what all three events of an exchange must say, computed from the vendor's log."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from schemas.events import KINDS, Kind
from sluice.dev.vendor import MockVendor, Served
from tests.gateway.flow import STRANGER, TOKEN, Flow, running

POOR, SLOW = "poor-token", "slow-token"
"""Tokens of an app without money, and of one that may ask once a minute."""
USER_ID = 7
PRICES = {"prompt": 3_000, "response": 15_000, "cache_read": 300, "cache_write": 3_750, "cache_write_1h": 6_000}
"""Nanos a token."""
AUDIO_PROMPT, IMAGE_RESPONSE = 9_000, 40_000
KEYS = {
    "anthropic": "vendor-key",
    "bedrock": "AKIDEXAMPLE00000:vendor-secret@eu-west-1",
    "google_ai": "vendor-key",
    "huggingface": "vendor-key",
    "ollama": "",
    "openai": "vendor-key",
    **dict.fromkeys(("azure", "mistral", "groq", "deepseek", "openrouter", "xai", "compatible", "mock"), "vendor-key"),
}
MAX_RESPONSE_BYTES = 300_000
"""Of the LLMs ``bounded-…``."""
PATIENCE_SECONDS = 1.0
"""Until the first byte, of the LLMs ``impatient-…``."""
KEPT = 65_536
"""Bytes of a body that the proxy log keeps by default."""
VENDORS = tuple(KEYS)
"""The slug of each one's LLM is its name; ``narrow-…`` of one that allows no model, ``bounded-…`` of one whose answers
have a bound, ``impatient-…`` of one that does not wait."""
_ABSENT_ZEROS = {"google": ("cached", "reasoning"), "openai": ("cache_write",), "anthropic": ("reasoning",)}
"""Counts that a format leaves out where they are zero."""
_NEVER = {
    "google": ("cache_write",),
    "bedrock": ("reasoning",),
    "ollama": ("cached", "cache_write", "reasoning"),
    "huggingface": ("cached", "cache_write", "reasoning"),
}
"""Counts that a format has no place for."""


@dataclass(slots=True)
class Bench:
    """A running gateway and the vendor behind it."""

    flow: Flow
    vendor: MockVendor
    _before: int = 0
    """Exchanges of earlier tests."""

    def begin(self) -> Bench:
        """For the next test: as if nothing had been served or recorded."""
        self._before = len(self.flow.log.exchanges)
        self.vendor.served.clear()
        self.vendor.requests.clear()
        return self

    def url(self, slug: str, route: str = "call") -> str:
        """What an SDK has as its base URL."""
        return f"{self.flow.url}/llm/{route}/{slug}"

    @property
    def served(self) -> Served:
        """What the vendor served last."""
        return self.vendor.served[-1]

    async def events(self, count: int = 1) -> dict[Kind, dict[str, Any]]:
        """Those of the last of so many exchanges."""
        return await self.flow.recorded(self._before + count)

    @property
    def analytics(self) -> list[dict[str, Any]]:
        """The analytics events of all exchanges of this test that are recorded."""
        return [events["analytics"] for events in self.flow.log.exchanges[self._before :] if "analytics" in events]


def settings_of(url: str, **changes: Any) -> dict[str, Any]:
    """The configuration: an LLM for each vendor, one more for each that allows nothing, five apps."""
    bases = {"openai": f"{url}/v1"}
    llms: list[dict[str, Any]] = []
    for number, vendor in enumerate(VENDORS, 1):
        llm = {"vendor": vendor, "base_url": bases.get(vendor, url), "api_key": KEYS[vendor], "max_tokens": 100}
        llm["default_model"] = f"mock-{vendor}"
        llms.append({"id": number, "slug": vendor.replace("_", "-"), **llm})
        name = vendor.replace("_", "-")
        llms.append({"id": 100 + number, "slug": f"narrow-{name}", "allowed_models": ["no"], **llm})
        llms.append({"id": 300 + number, "slug": f"impatient-{name}", "timeout_seconds": PATIENCE_SECONDS, **llm})
        llms.append({"id": 200 + number, "slug": f"bounded-{name}", "max_response_bytes": MAX_RESPONSE_BYTES, **llm})
    slugs = [llm["slug"] for llm in llms]
    apps: list[dict[str, Any]] = [
        {"id": 1, "name": "tests", "user_id": USER_ID, "llms": slugs},
        {"id": 2, "name": "stranger"},
        {"id": 3, "name": "poor", "llms": slugs, "monthly_budget": "0.000000001"},
        {"id": 4, "name": "slow", "llms": slugs, "rate_limit_rpm": 1},
    ]
    tokens = {TOKEN: 1, STRANGER: 2, POOR: 3, SLOW: 4}
    price = {name: _amount(nanos) for name, nanos in PRICES.items()}
    price |= {"audio_prompt": _amount(AUDIO_PROMPT), "image_response": _amount(IMAGE_RESPONSE)}
    return {
        "llms": llms,
        "apps": apps,
        "tokens": [{"app": app, "sha256": hashlib.sha256(token.encode()).hexdigest()} for token, app in tokens.items()],
        "prices": [{"id": f"mock-{vendor}", "vendor": vendor, "model": "*mock*", **price} for vendor in VENDORS],
        "plugins": [],
        "gateway": {"drain_timeout_seconds": 0.3},
        **changes,
    }


def _amount(nanos_a_token: int) -> str:
    return str(Fraction(nanos_a_token, 1000).limit_denominator(1000).__float__())


@contextlib.asynccontextmanager
async def open_bench(folder: Path, **changes: Any) -> AsyncIterator[Bench]:
    """Both, until the test is over."""
    vendor = MockVendor()
    await vendor.start()
    try:
        async with running(folder, vendor.url, **settings_of(vendor.origin, **changes)) as flow:
            yield Bench(flow, vendor)
    finally:
        await vendor.close()


def script(text: str) -> dict[str, str]:
    """The header that carries a script, which the gateway passes on."""
    return {"x-mock": text}


@dataclass(slots=True)
class Expected:
    """What must be known beside the vendor's log to say what the events say."""

    vendor: str
    path: str
    """The client's, below the LLM, with its query."""
    choices: int = 1
    status: int = 200
    outcome: str = "ok"
    cost_status: str = "exact"
    labels: list[str] = field(default_factory=list)
    model: str = ""
    """The one that answered, where it is not the one that was asked for."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Figures of the analytics event that the log does not tell."""
    written_1h: int = 0
    is_partial: bool = False
    asks: bool = True
    """Whether the vendor gets the request's bytes as the client sent them."""
    method: str = "POST"


def check(bench: Bench, events: Mapping[Kind, dict[str, Any]], expected: Expected) -> None:
    """Every figure of every event."""
    served = bench.served
    figures = _figures(served, expected)
    assert set(events) == ({*KINDS} if figures["cost_nanos"] else {"proxy_log", "analytics"})
    for event in events.values():
        _check_common(event, served, expected)
    _check_analytics(events["analytics"], served, expected, figures)
    _check_proxy_log(events["proxy_log"], bench, expected)
    if "budget" in events:
        _check_budget(events["budget"], figures)


def cost_of(figures: Mapping[str, Any], written_1h: int = 0) -> int:
    """Nanos, in arithmetic of this test's own."""
    read, written = figures["cache_read_prompt_tokens"] or 0, figures["cache_write_prompt_tokens"] or 0
    plain = (figures["prompt_tokens"] or 0) - read - written
    return (
        plain * PRICES["prompt"]
        + read * PRICES["cache_read"]
        + (written - written_1h) * PRICES["cache_write"]
        + written_1h * PRICES["cache_write_1h"]
        + (figures["response_tokens"] or 0) * PRICES["response"]
    )


def _figures(served: Served, expected: Expected) -> dict[str, Any]:
    counts = {name: getattr(served, name) for name in ("cached", "cache_write", "reasoning")}
    for name in _NEVER.get(served.format, ()):
        counts[name] = None
    for name in _ABSENT_ZEROS.get(served.format, ()):
        counts[name] = counts[name] or None
    prompt, response = served.prompt_tokens, served.response_tokens
    figures = {
        "model_name": expected.model or served.model or f"mock-{expected.vendor}",
        "prompt_tokens": prompt,
        "response_tokens": response,
        "cache_read_prompt_tokens": counts["cached"],
        "cache_write_prompt_tokens": counts["cache_write"],
        "reasoning_tokens": counts["reasoning"],
        "raw_usage": json.loads(served.raw_usage or "null"),
        "tool_calls": served.tool_calls,
        "choices": expected.choices,
        **expected.changes,
    }
    figures.setdefault("total_tokens", (figures["prompt_tokens"] or 0) + (figures["response_tokens"] or 0))
    figures.setdefault("cost_nanos", cost_of(figures, expected.written_1h))
    return figures


def _check_common(event: dict[str, Any], served: Served, expected: Expected) -> None:
    assert event["exchange_id"] == served.exchange_id
    assert event["occurred_at"] <= event["completed_at"]
    assert {name: event[name] for name in ("app_id", "user_id", "vendor", "llm_slug", "outcome", "labels")} == {
        "app_id": 1, "user_id": USER_ID, "vendor": expected.vendor, "llm_slug": expected.vendor.replace("_", "-"),
        "outcome": expected.outcome, "labels": expected.labels,
    }  # fmt: skip
    assert event["llm_id"] == VENDORS.index(expected.vendor) + 1
    assert (event["gateway_id"], event["worker"], event["boot_id"]) == ("gateway-1", "w0", "boot-1")


def _check_analytics(event: dict[str, Any], served: Served, expected: Expected, figures: dict[str, Any]) -> None:
    found = {name: event[name] for name in figures if name != "raw_usage"}
    assert found == {name: value for name, value in figures.items() if name != "raw_usage"}
    assert json.loads(event["raw_usage"] or "null") == figures["raw_usage"]
    assert (event["currency"], event["price_id"], event["cost_status"], event["price_version"]) == (
        "USD", f"mock-{expected.vendor}", expected.cost_status, "1",
    )  # fmt: skip
    assert (event["response_code"], event["is_stream"], event["partial"]) == (
        expected.status, served.is_stream, expected.is_partial,
    )  # fmt: skip
    assert event["total_micros"] >= event["first_byte_micros"] > 0
    assert event["total_micros"] >= event["upstream_micros"] > 0
    (attempt,) = event["attempts"]
    assert attempt["micros"] > 0
    assert attempt == {
        "llm_id": event["llm_id"], "llm_slug": event["llm_slug"], "status": served.status, "error_kind": "",
        "may_be_billed": True, "micros": attempt["micros"],
    }  # fmt: skip


def _check_proxy_log(event: dict[str, Any], bench: Bench, expected: Expected) -> None:
    served, seen = bench.served, bench.vendor.requests[-1]
    assert (event["method"], event["path"], event["is_stream"], event["partial"]) == (
        expected.method, expected.path, served.is_stream, expected.is_partial,
    )  # fmt: skip
    assert (event["response_code"], event["upstream_status"]) == (expected.status, served.status)
    assert (event["error_kind"], event["error_message"], event["plugins"]) == ("", "", [])
    assert event["model_name"] == (served.model or f"mock-{expected.vendor}")
    assert event["remote_addr"].startswith("127.0.0.1")
    if expected.asks:
        assert event["request_body"] == seen.body
    assert (event["request_body_bytes"], event["request_body_truncated"]) == (len(event["request_body"]), False)
    assert event["request_content_type"].split(";")[0] in {"application/json", "multipart/form-data"}
    if served.body_bytes is not None:
        assert event["response_body_bytes"] == served.body_bytes
    size = event["response_body_bytes"]
    assert (len(event["response_body"]), event["response_body_truncated"]) == (min(size, KEPT), size > KEPT)
    assert event["chunk_count"] > 0
    assert f"x-sluice-exchange-id: {served.exchange_id}" in event["response_headers"]
    for secret in (TOKEN, "vendor-key", "vendor-secret"):
        assert secret not in str(event)
        assert secret == "vendor-key" or secret.encode() not in seen.head


def _check_budget(event: dict[str, Any], figures: dict[str, Any]) -> None:
    prompt, response = figures["prompt_tokens"] or 0, figures["response_tokens"] or 0
    assert {name: event[name] for name in ("kind", "corrects", "currency", "price_version", "requests_count")} == {
        "kind": "usage", "corrects": None, "currency": "USD", "price_version": "1", "requests_count": 1,
    }  # fmt: skip
    assert (event["tokens_used"], event["prompt_tokens"], event["completion_tokens"]) == (
        figures["total_tokens"], prompt, response,
    )  # fmt: skip
    assert (event["model_name"], event["cost_nanos"]) == (figures["model_name"], figures["cost_nanos"])
    assert event["reserved_nanos"] >= 0
    llm_id, month = event["llm_id"], event["occurred_at"].strftime("%Y-%m-01")
    assert [(charge["scope"], charge["scope_id"], charge["period_id"]) for charge in event["charges"]] == [
        ("app", "1", month), ("llm", str(llm_id), month), ("app_llm", f"1:{llm_id}", month),
    ]  # fmt: skip
    for charge in event["charges"]:
        assert charge["period_start"] <= event["occurred_at"] < charge["period_end"]
