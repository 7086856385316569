"""Tests of ``sluice.usage.google``: hand-checked counts, and counts that cannot be true."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from sluice.money.usage import Usage
from sluice.usage.google import usage_of
from tests.gateway.upstreams.vendors.google.streams import USAGE, counts


def read(counted: Any) -> tuple[Usage | None, str]:
    """Usage and problem."""
    raw = counted if isinstance(counted, bytes) else json.dumps(counted).encode()
    found = usage_of(msgspec.Raw(raw))
    assert found.text == raw.decode()
    return found.usage, found.problem


def modality(kind: str, tokens: int) -> list[dict[str, Any]]:
    """A detail."""
    return [{"modality": kind, "tokenCount": tokens}]


@pytest.mark.parametrize(
    ("counted", "usage", "problem"),
    [
        (USAGE, Usage(135, 70, 40, reasoning_tokens=40, audio_prompt_tokens=25), ""),
        (counts(8, 7), Usage(8, 7), ""),
        ({"promptTokenCount": 6, "totalTokenCount": 6}, Usage(6, 0), ""),
        ({"promptTokenCount": 0, "candidatesTokenCount": 0}, Usage(0, 0), ""),
        ({"promptTokenCount": 6, "thoughtsTokenCount": 9, "totalTokenCount": 15}, Usage(6, 9, reasoning_tokens=9), ""),
        ({"promptTokenCount": 6, "candidatesTokenCount": 20, "thoughtsTokenCount": 9, "totalTokenCount": 26},
         Usage(6, 20, reasoning_tokens=9), ""),
        ({**counts(9, 8), "candidatesTokensDetails": modality("AUDIO", 8)}, Usage(9, 8, audio_response_tokens=8), ""),
        ({**counts(9, 1290), "candidatesTokensDetails": modality("IMAGE", 1290)},
         Usage(9, 1290, image_response_tokens=1290), ""),
        ({**counts(300, 1), "promptTokensDetails": modality("IMAGE", 258)}, Usage(300, 1, image_prompt_tokens=258), ""),
        ({**counts(100, 1), "cachedContentTokenCount": 60, "promptTokensDetails": modality("AUDIO", 90),
          "cacheTokensDetails": modality("AUDIO", 60)}, Usage(100, 1, 60, audio_prompt_tokens=30), "cached_audio"),
        ({**counts(1, 2), "trafficType": "ON_DEMAND"}, Usage(1, 2), ""),
        ({**counts(1, 2), "trafficType": "PROVISIONED_THROUGHPUT"}, Usage(1, 2), "service_tier"),
        ({**counts(1, 2), "serviceTier": "flex"}, Usage(1, 2), "service_tier"),
        ({**counts(1, 2), "serviceTier": "standard"}, Usage(1, 2), ""),
        ({**counts(1, 2), "serviceTier": "SERVICE_TIER_OF_TOMORROW"}, Usage(1, 2), "service_tier"),
        ({**counts(1, 2), "serviceTier": "batch"}, Usage(1, 2), "batch_tier"),
        ({**counts(1, 2), "new": {"x": 1}}, Usage(1, 2), ""),
        ({**counts(1, 2), "promptTokensDetails": "none"}, Usage(1, 2), "wrong_type"),
        ({"promptTokenCount": "1"}, None, "wrong_type"),
        ({"promptTokenCount": True}, None, "wrong_type"),
        ([1], None, "wrong_type"),
        ({"promptTokenCount": -1, "candidatesTokenCount": 2}, None, "negative_tokens"),
        ({"promptTokenCount": 1, "candidatesTokenCount": -1, "thoughtsTokenCount": 5}, None, "negative_tokens"),
        ({"promptTokenCount": 10**30}, None, "absurd_tokens"),
        ({"totalTokenCount": 5}, None, ""),
        ({}, None, ""),
    ],
)  # fmt: skip
def test_counts(counted: Any, usage: Usage | None, problem: str) -> None:
    """Tools' tokens belong to the prompt, thoughts to the response, cached sound to neither sound nor text."""
    assert read(counted) == (usage, problem)


def test_absent_is_nothing() -> None:
    """Neither usage nor a text of it."""
    for raw in (b"", b"null"):
        assert usage_of(msgspec.Raw(raw)) == (None, None, "")
