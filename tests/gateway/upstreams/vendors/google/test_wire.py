"""Tests of ``gateway.upstreams.vendors.google.wire``: every kind of whole answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.upstreams.vendors.dialect import Answer
from gateway.upstreams.vendors.google.paths import place_of
from gateway.upstreams.vendors.google.wire import answer_of
from sluice.money.usage import Usage
from tests.gateway.upstreams.vendors.google.streams import (
    GENERATE,
    MODEL,
    SEARCH,
    USAGE,
    answer,
    call,
    candidate,
    counts,
)


def read(body: Any, path: str = GENERATE) -> Answer:
    """What a body says."""
    return answer_of(json.dumps(body).encode(), place_of(path))


def test_an_answer() -> None:
    """Usage, the model that answered, choices, calls of tools."""
    body = answer(candidate({"text": "x"}, call()), candidate(call(), index=1), usage=USAGE)
    usage = Usage(135, 70, 40, reasoning_tokens=40, audio_prompt_tokens=25)
    assert read(body) == Answer(usage, json.dumps(USAGE), MODEL, 2, 2)
    assert read({"usageMetadata": counts(1, 2)}).model == MODEL, "else the path's"


@pytest.mark.parametrize(
    ("version", "searches"), [("gemini-2.5-pro", 1), ("gemini-2.0-flash", 1), ("gemini-3-pro-preview", 2)]
)
def test_searches(version: str, searches: int) -> None:
    """Billed once for a prompt, or one by one; empty queries never."""
    found = read({**SEARCH[1], "modelVersion": version})
    assert found.usage is not None
    assert (found.usage.tool_requests, found.problem) == (searches, "")


def test_maps_have_no_price() -> None:
    """So the cost is an estimate."""
    chunks = {"groundingChunks": [{"maps": {"uri": "x"}}]}
    assert (
        read(answer(candidate({"text": "x"}, groundingMetadata=chunks), usage=counts(1, 1))).problem == "tool_uncounted"
    )
    chunks = {"groundingChunks": [{"web": {"uri": "x"}}]}
    assert read(answer(candidate({"text": "x"}, groundingMetadata=chunks), usage=counts(1, 1))).problem == ""


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/v1beta/models/g:countTokens", {"totalTokens": 31}, Answer(Usage(0, 0), '{"totalTokens": 31}', "g")),
        ("/v1beta/models/e:embedContent", {"embedding": {"values": [0.5]}, "usageMetadata": {"promptTokenCount": 4}},
         Answer(Usage(4, 0), '{"promptTokenCount": 4}', "e")),
        ("/v1/projects/p/locations/l/publishers/google/models/e:predict",
         {"predictions": [{"embeddings": {"statistics": {"token_count": 6}}},
                          {"embeddings": {"statistics": {"token_count": 4.0}}}]},
         Answer(Usage(10, 0), '{"token_count":10}', "e", 2)),
        ("/v1/projects/p/locations/l/publishers/google/models/imagen:predict",
         {"predictions": [{"bytesBase64Encoded": "AA=="}]}, Answer(model="imagen", choices=1)),
        ("/v1beta/cachedContents", {"name": "cachedContents/x", "usageMetadata": {"totalTokenCount": 5000}},
         Answer(Usage(5000, 0), '{"totalTokenCount": 5000}', problem="storage_uncounted")),
        ("/v1beta/cachedContents", {"usageMetadata": {"totalTokenCount": -5}},
         Answer(raw_usage='{"totalTokenCount": -5}', problem="negative_tokens")),
        (GENERATE, {"candidates": "none", "usageMetadata": counts(1, 2)},
         Answer(Usage(1, 2), json.dumps(counts(1, 2)), MODEL)),
    ],
)  # fmt: skip
def test_other_answers(path: str, body: Any, expected: Answer) -> None:
    """Counts are free, embeddings have no response, caches cost their time too."""
    assert read(body, path) == expected
