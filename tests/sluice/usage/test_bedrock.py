"""Tests of ``sluice.usage.bedrock``: counts of every kind, and what is wrong with them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.upstreams.client import Headers
from sluice.money.usage import Usage
from sluice.usage.bedrock import (
    other_price,
    other_price_of,
    usage_of_body,
    usage_of_converse,
    usage_of_headers,
)
from tests.gateway.upstreams.vendors.bedrock.streams import METRICS, USAGE, dumps


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        # 12 + 1000 + 400
        (USAGE, Usage(1412, 30, 1000, 400, cache_write_1h_prompt_tokens=150)),
        # 7 + 14486 + 2238
        (METRICS, Usage(16731, 126, 14486, 2238)),
        ({"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}, Usage(3, 4)),
        ({"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}, Usage(0, 0)),
        # Nova's own body
        ({"inputTokens": 5, "outputTokens": 6, "cacheReadInputTokenCount": 2, "cacheWriteInputTokenCount": 0},
         Usage(7, 6, 2, 0)),
        ({"inputTokens": 5, "outputTokens": 6, "cacheReadInputTokens": None, "cacheDetails": []}, Usage(5, 6)),
        ({"inputTokens": 1, "outputTokens": 1, "cacheWriteInputTokens": 9,
          "cacheDetails": [{"ttl": "5m", "inputTokens": 9}]}, Usage(10, 1, None, 9)),
        ({"inputTokens": 1, "outputTokens": 1, "cacheWriteInputTokens": 9,
          "cacheDetails": [{"ttl": "1h", "inputTokens": 4}, {"ttl": "1h", "inputTokens": 5}]},
         Usage(10, 1, None, 9, None, 9)),
    ],
)  # fmt: skip
def test_all_prompt_tokens_are_plain_read_and_written(counts: dict[str, Any], usage: Usage) -> None:
    """Zero is a value; what is kept for an hour is a part of what was written; unknown fields stay in the text."""
    raw = dumps({**counts, "unheardOf": {"x": 1}})
    found = usage_of_converse(raw)
    assert (found.usage, found.problem, found.text) == (usage, "", raw.decode())
    assert usage.contradictions() == ()


WRONG = [
    ({"inputTokens": "12", "outputTokens": 1}, None, "wrong_type"),
    ({"inputTokens": 1.5, "outputTokens": 1}, None, "wrong_type"),
    ({"inputTokens": True, "outputTokens": 1}, None, "wrong_type"),
    ({"inputTokens": [1], "outputTokens": 1}, None, "wrong_type"),
    ({"inputTokens": -1, "outputTokens": 1}, None, "negative_tokens"),
    ({"inputTokens": 1, "outputTokens": 10**30}, None, "absurd_tokens"),
    ({"inputTokens": 1, "outputTokens": 1, "cacheReadInputTokens": -5}, None, "negative_tokens"),
    ({"inputTokens": 1}, None, "missing"),
    ({}, None, "missing"),
    ({"inputTokens": 1, "outputTokens": 2, "cacheReadInputTokens": "9"}, Usage(1, 2), "wrong_type"),
    ({"inputTokens": 1, "outputTokens": 2, "cacheDetails": 5}, Usage(1, 2), "wrong_type"),
    ({"inputTokens": 1, "outputTokens": 2, "cacheDetails": [5, {"ttl": 1}]}, Usage(1, 2), ""),
]


@pytest.mark.parametrize(("counts", "usage", "problem"), WRONG)
def test_counts_that_cannot_be_true_are_none(counts: dict[str, Any], usage: Usage | None, problem: str) -> None:
    """With the reason; a part that cannot be read costs the others nothing."""
    found = usage_of_converse(json.dumps(counts).encode())
    assert (found.usage, found.problem) == (usage, problem)


@pytest.mark.parametrize("raw", [b"[]", b"5", b'"x"', b"{", b"true"])
def test_what_is_no_object_counts_nothing(raw: bytes) -> None:
    """And says so."""
    assert usage_of_converse(raw) == (None, raw.decode(), "wrong_type")


def test_nothing_is_nothing() -> None:
    """Absent or null."""
    for raw in (b"", b"null"):
        assert usage_of_converse(raw) == usage_of_body(raw) == (None, None, "")


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        (b'{"inputTokens":1,"outputTokens":2}', Usage(1, 2)),
        (b'{"input_tokens":1,"output_tokens":2,"cache_read_input_tokens":5}', Usage(6, 2, 5)),
        (b'{"prompt_tokens":6,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":5}}', Usage(6, 2, 5)),
    ],
)
def test_a_body_s_usage_is_in_its_family_s_way(raw: bytes, usage: Usage) -> None:
    """Only OpenAI's counts what was cached among the prompt."""
    assert usage_of_body(raw).usage == usage


@pytest.mark.parametrize(
    ("headers", "usage", "problem"),
    [
        ([(b"x-amzn-bedrock-input-token-count", b"10"), (b"x-amzn-bedrock-output-token-count", b"91")],
         Usage(10, 91), ""),
        ([(b"x-amzn-bedrock-input-token-count", b"10"), (b"x-amzn-bedrock-output-token-count", b"91"),
          (b"x-amzn-bedrock-cache-read-input-token-count", b"5"),
          (b"x-amzn-bedrock-cache-write-input-token-count", b"7")], Usage(22, 91, 5, 7), ""),
        ([(b"x-amzn-bedrock-input-token-count", b"8")], Usage(8, 0), ""),
        ([(b"x-amzn-bedrock-input-token-count", b"-1")], None, "wrong_type"),
        ([(b"x-amzn-bedrock-input-token-count", b"ten")], None, "wrong_type"),
        ([(b"x-amzn-bedrock-input-token-count", b"9" * 31)], None, "absurd_tokens"),
        ([(b"x-amzn-bedrock-input-token-count", b"9" * 5000)], None, "wrong_type"),
        ([(b"x-amzn-bedrock-output-token-count", b"3")], None, "missing"),
        ([(b"x-amzn-requestid", b"1")], None, ""),
    ],
)  # fmt: skip
def test_headers_count_what_bodies_do_not(headers: Headers, usage: Usage | None, problem: str) -> None:
    """Embeddings have no response."""
    found = usage_of_headers(headers)
    assert (found.usage, found.problem) == (usage, problem)


def test_other_tiers_have_other_prices() -> None:
    """The usual one and standard latency are the model's price."""
    for tier in ("flex", "priority", "reserved"):
        assert other_price([(b"x-amzn-bedrock-service-tier", tier.encode())]) == "service_tier"
        assert other_price_of({"type": tier}, None) == "service_tier"
    assert other_price([(b"x-amzn-bedrock-performanceconfig-latency", b"optimized")]) == "service_tier"
    assert other_price_of(None, {"latency": "optimized"}) == "service_tier"
    assert other_price([(b"x-amzn-bedrock-service-tier", b"default")]) == ""
    assert other_price_of({"type": "default"}, {"latency": "standard"}) == other_price_of(5, []) == ""
