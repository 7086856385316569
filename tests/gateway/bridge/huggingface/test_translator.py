"""Hugging Face's servers: OpenAI's dialect, nearly."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.bridge.registry import translator_of
from gateway.upstreams.vendors.registry import dialect_of
from tests.gateway.bridge.telling import answered, asking, refused, sent, wanted_of

VENDOR, MODEL = "huggingface", "meta-llama/Llama-3.1-8B-Instruct"
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
USAGE = {"prompt_tokens": 39, "completion_tokens": 27, "total_tokens": 66}


def test_requests_go_as_they_are_in_words_that_these_servers_know() -> None:
    """Members pass; developers are systems; the maximum has its older name; what is for OpenAI's books stays here."""
    messages = [
        {"role": "developer", "content": "Be brief"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]},
        {"role": "assistant", "content": None, "annotations": [], "tool_calls": [
            {**CALL, "extra_content": {"google": {}}},
        ]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
    ]  # fmt: skip
    body = {
        "model": "m", "messages": messages, "max_completion_tokens": 5, "temperature": 0.5, "tool_choice": "auto",
        "user": "u", "seed": 3, "n": 1, "top_k": 4,
    }  # fmt: skip
    made = sent(VENDOR, MODEL, body)
    assert made == {
        "model": MODEL, "max_tokens": 5, "temperature": 0.5, "tool_choice": "auto", "seed": 3, "top_k": 4,
        "messages": [
            {"role": "system", "content": "Be brief"},
            messages[1],
            {"role": "assistant", "tool_calls": [
                CALL,
            ]},
            messages[3],
        ],
    }  # fmt: skip


def test_usage_of_streams_is_always_asked_for() -> None:
    """It is billed by; the client gets it where it asked."""
    made = sent(VENDOR, MODEL, asking(stream=True, stream_options={"include_usage": False}), is_stream=True)
    assert made["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("member", "param"),
    [
        ({"n": 2}, "n"),
        ({"logit_bias": {"1": 1}}, "logit_bias"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": ["Hi"]}, "messages"),
        ({"messages": []}, "messages"),
    ],
)
def test_what_these_servers_ignore_is_refused(member: dict[str, Any], param: str) -> None:
    """Nothing is dropped silently, by nobody behind us either as far as they say so."""
    assert refused(VENDOR, MODEL, asking() | member).param == param


def test_paths_are_openai_s_below_the_endpoint() -> None:
    """``/v1`` is not doubled."""
    translator = translator_of(dialect_of(VENDOR))
    for base, path in (
        ("", "/v1/chat/completions"),
        ("/v1", "/v1/chat/completions"),
        ("/hf/v1/", "/hf/v1/chat/completions"),
    ):
        assert translator.request(wanted_of(MODEL, base_path=base), asking()).path == path
    assert translator.request(wanted_of(MODEL, "embeddings"), {"input": "a"}).path == "/v1/embeddings"
    assert translator.request(wanted_of(MODEL, "completions"), {"prompt": "a"}).path == "/v1/completions"


def test_a_whole_answer_is_told_in_openai_s_words() -> None:
    """Arguments that are objects become text, calls get ids, ``stop`` after calls is ``tool_calls``."""
    calls = [{"id": "0", "type": "function", "function": {"name": "f", "arguments": {"a": 1}, "description": None}}]
    message = {"role": "assistant", "tool_calls": calls}
    body = {
        "object": "chat.completion", "id": "", "created": 1, "model": "tgi", "system_fingerprint": "3.0",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}], "usage": USAGE,
    }  # fmt: skip
    found = answered(VENDOR, MODEL, body)
    assert (found["id"], found["model"], found["created"]) == ("chatcmpl-1", MODEL, 1_700_000_000)
    choice = found["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == '{"a":1}'
    assert found["usage"] == USAGE


def test_embeddings_pass_as_they_come() -> None:
    """They are OpenAI's already."""
    body = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [1.0]}], "usage": USAGE}
    assert answered(VENDOR, MODEL, body, "embeddings") == body
    found = answered(VENDOR, MODEL, body, "embeddings", wants_base64=True)
    assert found["data"][0]["embedding"] == "AACAPw=="  # older servers know numbers alone
    assert answered(VENDOR, MODEL, found, "embeddings", wants_base64=True) == found


@pytest.mark.parametrize(
    ("status", "body", "message", "kind", "code"),
    [
        (422, b'{"error":"Too long","error_type":"validation"}', "Too long", "invalid_request_error", "validation"),
        (429, b'{"error":{"message":"Too many","code":"rate"}}', "Too many", "rate_limit_error", "rate"),
        (503, b"<html>", "<html>", "server_error", None),
        (500, b"", "the vendor refused with status 500 and said nothing", "server_error", None),
    ],
)  # fmt: skip
def test_errors_are_openai_s(status: int, body: bytes, message: str, kind: str, code: str | None) -> None:
    """Whatever the body is."""
    error = translator_of(dialect_of(VENDOR)).error(status, body)
    assert (error.message, error.type, error.code) == (message, kind, code)
