"""Whatever stands anywhere in a request, an answer or a stream: it is translated or refused, nothing else happens."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from gateway.bridge.interface import Unreadable, Unsupported
from gateway.bridge.registry import translator_of
from gateway.upstreams.vendors.registry import dialect_of
from tests.gateway.bridge.bedrock.test_stream import STREAM as BEDROCK_STREAM
from tests.gateway.bridge.google.test_stream import STREAM as GOOGLE_STREAM
from tests.gateway.bridge.huggingface.test_stream import STREAM as HUGGINGFACE_STREAM
from tests.gateway.bridge.ollama.test_stream import STREAM as OLLAMA_STREAM
from tests.gateway.bridge.telling import answered, frames_of, told, wanted_of

WRONG: tuple[Any, ...] = (None, True, 5, -1.5, "x", "", [], {}, [5], ["x"], [{}], {"x": 5}, 2**63)
MODELS = {
    "google_ai": "gemini-2.5-flash",
    "vertex": "gemini-3-pro",
    "bedrock": "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "ollama": "qwen3",
    "huggingface": "llama",
}
STREAMS = {
    "google_ai": GOOGLE_STREAM,
    "bedrock": BEDROCK_STREAM,
    "ollama": OLLAMA_STREAM,
    "huggingface": HUGGINGFACE_STREAM,
}
FUNCTION = {"name": "f", "arguments": '{"a": 1}'}
EXTRA = {
    "google": {"thought_signature": "c2ln"},
    "bedrock": {"reasoning": [{"characters": 2, "signature": "s"}, {"redacted": "r"}]},
}
REQUEST: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "S"},
        {"role": "user", "content": [
            {"type": "text", "text": "T"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,YQ==", "detail": "auto"}},
        ]},
        {"role": "assistant", "content": "A", "refusal": "R", "reasoning_content": "Hm", "extra_content": EXTRA,
         "tool_calls": [{"id": "a", "type": "function", "function": FUNCTION, "extra_content": EXTRA}]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
    ],
    "temperature": 0.5, "top_p": 0.5, "max_completion_tokens": 20000, "stop": ["a"], "n": 1, "stream": False,
    "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}],
    "tool_choice": {"type": "allowed_tools", "allowed_tools": {
        "mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}],
    }},
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
    "stream_options": {"include_usage": True}, "reasoning_effort": "low", "service_tier": "auto",
}  # fmt: skip
ANSWERS: dict[str, Any] = {
    "google_ai": {
        "candidates": [{
            "content": {"parts": [
                {"text": "a", "thought": True}, {"text": "b", "thoughtSignature": "s"},
                {"functionCall": {"name": "f", "args": {"a": 1}, "id": "i"}},
                {"inlineData": {"mimeType": "image/png", "data": "YQ=="}},
            ], "role": "model"},
            "finishReason": "STOP", "index": 0,
            "logprobsResult": {
                "chosenCandidates": [{"token": "a", "logProbability": -1.0}],
                "topCandidates": [{"candidates": [{"token": "a", "logProbability": -1.0}]}],
            },
        }],
        "promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "m"},
        "usageMetadata": {"promptTokenCount": 5},
    },
    "bedrock": {
        "output": {"message": {"role": "assistant", "content": [
            {"reasoningContent": {"reasoningText": {"text": "a", "signature": "s"}}},
            {"reasoningContent": {"redactedContent": "r"}}, {"text": "b"},
            {"toolUse": {"toolUseId": "i", "name": "f", "input": {"a": 1}, "type": "x"}},
            {"citationsContent": {"content": [{"text": "c"}]}},
            {"image": {"format": "png", "source": {"bytes": "YQ=="}}},
        ]}},
        "stopReason": "tool_use", "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3},
    },
    "ollama": {
        "model": "m",
        "message": {"role": "assistant", "content": "a", "thinking": "b", "tool_calls": [
            {"id": "i", "function": {"name": "f", "arguments": {"a": 1}}},
        ]},
        "logprobs": [{"token": "a", "logprob": -1.0, "bytes": [97], "top_logprobs": []}],
        "done": True, "done_reason": "stop", "prompt_eval_count": 1, "eval_count": 2,
    },
    "huggingface": {
        "id": "", "choices": [{"index": 0, "message": {"role": "assistant", "content": "a", "tool_calls": [
            {"id": "", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}},
        ]}, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    },
}  # fmt: skip
EMBEDDED: dict[str, Any] = {
    "google_ai": {"embeddings": [{"values": [0.5]}]},
    "vertex": {"embedding": {"values": [0.5]}},
    "bedrock": {"embeddings": {"float": [[0.5]]}},
    "ollama": {"embeddings": [[0.5]]},
    "huggingface": {"data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]},
}
EMBEDDERS = MODELS | {"bedrock": "cohere.embed-v4:0", "vertex": "gemini-embedding-2"}


def spoiled(value: Any) -> Iterator[Any]:
    """The value with every wrong thing in every place of it, one at a time; and without each of its members."""
    for place in places(value):
        for wrong in WRONG:
            made = copy.deepcopy(value)
            holder, name = found(made, place)
            holder[name] = copy.deepcopy(wrong)
            yield made
        made = copy.deepcopy(value)
        holder, name = found(made, place)
        del holder[name]
        yield made


def places(value: Any) -> Iterator[tuple[Any, ...]]:
    """The ways to everything in it."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in entries:
        yield (name,)
        for rest in places(inner):
            yield (name, *rest)


def found(value: Any, place: tuple[Any, ...]) -> tuple[Any, Any]:
    """What holds the thing, and by which name."""
    for name in place[:-1]:
        value = value[name]
    return value, place[-1]


@pytest.mark.parametrize("vendor", [*MODELS])
def test_requests(vendor: str) -> None:
    """Each is translated to JSON, or refused with the path of a member; the client's body stays as it was."""
    translator = translator_of(dialect_of(vendor))
    refusals: list[Unsupported] = []
    for body in spoiled(REQUEST):
        before = copy.deepcopy(body)
        try:
            orjson.loads(translator.request(wanted_of(MODELS[vendor], vendor=vendor), body).body)
        except Unsupported as error:
            refusals.append(error)
        assert body == before
    assert all(error.param and error.message for error in refusals)
    assert len(refusals) > (100 if vendor != "huggingface" else 5)


@pytest.mark.parametrize("vendor", [*ANSWERS])
def test_answers(vendor: str) -> None:
    """Each is translated, or unreadable: what a vendor writes cannot break us."""
    count = 0
    for body in spoiled(ANSWERS[vendor]):
        try:
            answer = answered(vendor, MODELS[vendor], body)
        except Unreadable:
            count += 1
        else:
            assert answer["object"] == "chat.completion"
            assert answer["choices"]
    assert count


@pytest.mark.parametrize("vendor", [*EMBEDDED])
@pytest.mark.parametrize("wants_base64", [False, True])
def test_embeddings(vendor: str, wants_base64: bool) -> None:
    """The same of vectors."""
    for body in spoiled(EMBEDDED[vendor]):
        try:
            answered(vendor, EMBEDDERS[vendor], body, "embeddings", wants_base64=wants_base64)
        except Unreadable:
            continue


@pytest.mark.parametrize("vendor", [*STREAMS])
def test_streams(vendor: str) -> None:
    """A byte that is another, or lost, anywhere: frames that can be read, and one end: ``[DONE]``, or an error."""
    stream = STREAMS[vendor]
    for place in range(len(stream)):
        before, after = stream[:place], stream[place + 1 :]
        for spoilt in (before + b"\x00" + after, before + after, before):
            frames = frames_of(told(vendor, [spoilt], wanted_of(MODELS[vendor], is_stream=True)))
            ends = [frame for frame in frames if frame == "[DONE]" or "error" in frame]
            assert len(ends) == 1
            assert frames[-1] is ends[0]


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[", b"[]", b"5", b"null", b'"x"', b"{}", b'{"error": null}', b"<html>"]
)
@pytest.mark.parametrize("vendor", [*MODELS])
def test_errors(vendor: str, body: bytes) -> None:
    """Whatever the body of a refusal is, there is a message."""
    error = translator_of(dialect_of(vendor)).error(502, body)
    assert error.message
    assert error.type == "server_error"


@pytest.mark.parametrize("vendor", [vendor for vendor in ANSWERS if vendor != "huggingface"])
def test_errors_of_any_type(vendor: str) -> None:
    """Nor does a member of another type break it."""
    known: dict[str, Any] = {
        "google_ai": {"error": {"code": 429, "message": "m", "status": "S"}},
        "bedrock": {"__type": "a#T", "message": "m"},
        "ollama": {"error": "m"},
    }
    for body in spoiled(known[vendor]):
        assert translator_of(dialect_of(vendor)).error(429, orjson.dumps(body)).message
