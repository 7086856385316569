"""Ollama's whole answers as ``chat.completion``."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.bridge.interface import Unreadable
from tests.gateway.bridge.telling import answered

MODEL = "qwen3"


def body(reason: str = "stop", /, **message: Any) -> dict[str, Any]:
    """As published; counts of zero are left out."""
    return {
        "model": MODEL, "created_at": "2026-01-01T00:00:00Z", "message": {"role": "assistant", **message}, "done": True,
        "done_reason": reason, "total_duration": 5, "prompt_eval_count": 26, "eval_count": 298,
    }  # fmt: skip


def test_text_thoughts_and_usage() -> None:
    """Thinking is ``reasoning_content``."""
    found = answered("ollama", MODEL, body(content="Hello", thinking="Hm"))
    assert found["choices"][0]["message"] == {
        "role": "assistant",
        "content": "Hello",
        "refusal": None,
        "reasoning_content": "Hm",
    }
    assert found["choices"][0]["finish_reason"] == "stop"
    assert found["usage"] == {"prompt_tokens": 26, "completion_tokens": 298, "total_tokens": 324}


def test_calls_finish_with_calls() -> None:
    """Whatever the server says; ids are its own, or made and always the same."""
    calls = [
        {"function": {"name": "weather", "arguments": {"city": "Paris"}}},
        {"id": "own", "function": {"name": "now"}},
    ]
    one, other = (answered("ollama", MODEL, body(content="", tool_calls=calls))["choices"][0] for _ in range(2))
    assert one == other
    assert (one["finish_reason"], one["message"]["content"]) == ("tool_calls", None)
    first, second = one["message"]["tool_calls"]
    assert (first["id"][:5], first["function"]) == ("call_", {"name": "weather", "arguments": '{"city":"Paris"}'})
    assert (second["id"], second["function"]["arguments"]) == ("own", "{}")


def test_a_maximum_that_was_reached_is_a_length() -> None:
    """As OpenAI says it."""
    assert answered("ollama", MODEL, body("length", content="a"))["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"[]", b"{}", b'{"message": 5}', orjson.dumps(body(tool_calls=5)), orjson.dumps(body(tool_calls=[5])),
        orjson.dumps(body(tool_calls=[{"function": {"name": "f", "arguments": "{}"}}])),
        orjson.dumps(body() | {"logprobs": 5}),
    ],
)  # fmt: skip
def test_garbage_cannot_be_translated(raw: bytes) -> None:
    """It is said so, and nothing is made up."""
    with pytest.raises(Unreadable):
        answered("ollama", MODEL, raw)
