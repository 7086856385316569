"""Tests of ``gateway.upstreams.vendors.generic``: usage is found wherever it stands, and nowhere else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstreams.vendors.dialect import Answer
from gateway.upstreams.vendors.generic import GenericLines, GenericStream, answer_of_anything
from sluice.money.usage import Usage
from tests.gateway.upstreams.vendors.scanning_laws import every_cut_is_the_same, memory_is_flat, nothing_is_lost

SHAPES: dict[str, tuple[dict[str, Any], Usage]] = {
    "openai": (
        {"usage": {"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 1}}},
        Usage(3, 4, 1),
    ),
    "anthropic": (
        {"usage": {"input_tokens": 3, "output_tokens": 4, "cache_read_input_tokens": 5,
                   "cache_creation_input_tokens": 6}},
        Usage(14, 4, 5, 6),
    ),
    "anthropic, as it begins to stream": (
        {"type": "message_start", "message": {"usage": {"input_tokens": 3, "output_tokens": 1}}}, Usage(3, 1),
    ),
    "google": (
        {"usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 4, "thoughtsTokenCount": 2,
                           "cachedContentTokenCount": 5, "totalTokenCount": 15}},
        Usage(9, 6, 5, None, 2),
    ),
    "bedrock": ({"usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}}, Usage(3, 4)),
    "bedrock's metrics": (
        {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 3, "outputTokenCount": 4}}, Usage(3, 4),
    ),
    "titan": ({"inputTextTokenCount": 3, "results": []}, Usage(3)),
    "llama": ({"prompt_token_count": 3, "generation_token_count": 4}, Usage(3, 4)),
    "ollama": ({"prompt_eval_count": 3, "eval_count": 4, "response": "tokens"}, Usage(3, 4)),
    "cohere": ({"meta": {"billed_units": {"input_tokens": 3, "output_tokens": 4}, "tokens": {}}}, Usage(3, 4)),
    "responses": ({"response": {"usage": {"input_tokens": 3, "output_tokens": 4}}}, Usage(3, 4)),
    "groq": ({"x_groq": {"usage": {"prompt_tokens": 3, "completion_tokens": 4}}}, Usage(3, 4)),
    "total alone": ({"usage": {"total_tokens": 7}}, Usage(7)),
    "zeros": ({"usage": {"inputTokens": 0, "outputTokens": 0}}, Usage(0, 0)),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_of_vendors(shape: str) -> None:
    """Each count where it belongs; the model beside it."""
    body, usage = SHAPES[shape]
    answer = answer_of_anything(json.dumps({"model": "m", **body}).encode())
    assert (answer.usage, answer.model, answer.problem) == (usage, "m", "")
    assert answer.raw_usage


@pytest.mark.parametrize(
    "body",
    [
        b"", b"x", b"[]", b'"tokens"', b'[{"usage":{"input_tokens":1}}]', b"{", b'{"tokens":',
        b'{"text":"usage: {\\"input_tokens\\": 5}"}', b'{"tokens":[1,2,3]}', b'{"max_tokens":5,"token_count":1}',
        b'{"choices":[{"message":{"usage":{"input_tokens":5}}}]}', b"[" * 100_000 + b"token",
    ],
)  # fmt: skip
def test_what_counts_nothing_says_nothing(body: bytes) -> None:
    """Texts, lists, limits, broken bodies."""
    assert answer_of_anything(body) == Answer()


@pytest.mark.parametrize("count", ["5", -1, 1.5, True, None, 10**30, [], {}])
def test_counts_of_the_wrong_kind_are_a_problem(count: Any) -> None:
    """Named where nothing else is counted."""
    answer = answer_of_anything(json.dumps({"usageMetadata": {"promptTokenCount": count}}).encode())
    assert (answer.usage, answer.problem) == (None, "wrong_type")


def test_a_large_body_is_not_built() -> None:
    """Beyond its bound nothing is read."""
    body = json.dumps({"usage": {"input_tokens": 5}, "x": "y" * (5 << 20)}).encode()
    assert answer_of_anything(body) == Answer()


@given(st.recursive(st.none() | st.integers() | st.text(max_size=4), lambda inner: st.dictionaries(
    st.sampled_from(["usage", "message", "meta", "input_tokens", "eval_count", "totalTokens", "model",
                     "cacheReadInputTokens", "thoughtsTokenCount"]), inner, max_size=4), max_leaves=10))  # fmt: skip
def test_no_shape_breaks_the_reader(value: Any) -> None:
    """Whatever nests in whatever."""
    assert isinstance(answer_of_anything(json.dumps(value).encode()), Answer)


def sse(value: Any, event: str = "") -> bytes:
    """One frame."""
    return (f"event: {event}\n" if event else "").encode() + b"data: " + json.dumps(value).encode() + b"\n\n"


def test_a_stream_of_unknown_events() -> None:
    """The last of each count wins: nothing is added up; what ends it is held."""
    stream = (
        sse({"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 30, "output_tokens": 1}}})
        + sse({"delta": "é漢"}) * 3
        + sse({"type": "message_delta", "usage": {"output_tokens": 40}})
        + sse({"type": "message_delta", "usage": {"output_tokens": 50}})
        + sse({"type": "message_stop"}, "message_stop")
    )
    found = every_cut_is_the_same(GenericStream, stream)
    assert (found.answer.usage, found.answer.model, found.ended) == (Usage(30, 50), "m", True)
    nothing_is_lost(GenericStream, stream)
    memory_is_flat(GenericStream, [sse({"delta": "x"})], rounds=2_000)


def test_lines_of_unknown_meaning() -> None:
    """Read to their end, which is the stream's."""
    stream = b'{"response":"token"}\n' * 9 + b'{"done":true,"prompt_eval_count":3,"eval_count":4}\n'
    found = every_cut_is_the_same(GenericLines, stream)
    assert (found.answer.usage, found.out, found.held, found.ended) == (Usage(3, 4), stream, b"", False)
