"""Anthropic's messages as whole chat completions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion

from gateway.bridge.anthropic.answer import completion_of_anthropic, reason_of
from gateway.bridge.interface import Unreadable
from gateway.upstreams.vendors.dialect import Answer
from sluice.money.usage import Usage
from tests.gateway.bridge.test_frames import wanted
from tests.gateway.upstreams.vendors.anthropic.streams import message

COUNTED = Answer(usage=Usage(prompt_tokens=9, response_tokens=4, cache_read_prompt_tokens=2))


def completed(*blocks: dict[str, Any], **fields: Any) -> Any:
    """The completion of a message with these blocks, checked by OpenAI's own model."""
    body = completion_of_anthropic(wanted(), json.dumps(message(list(blocks), **fields)).encode(), COUNTED)
    ChatCompletion.model_validate_json(body)
    return json.loads(body)


def test_text_thoughts_and_calls() -> None:
    """Texts are one; thoughts are beside them, and signed for the next request; arguments are JSON text."""
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    found = completed(
        thought,
        {"type": "redacted_thinking", "data": "d"},
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b", "citations": []},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": [1, "é"]}},
        {"type": "something_new"},
        stop_reason="tool_use",
    )
    (choice,) = found["choices"]
    said = choice["message"]
    assert (said["content"], said["reasoning_content"]) == ("ab", "hm")
    assert [block["type"] for block in said["extra_content"]["anthropic"]["thinking_blocks"]] == [
        "thinking",
        "redacted_thinking",
    ]
    assert json.loads(said["tool_calls"][0]["function"]["arguments"]) == {"x": [1, "é"]}
    assert (choice["finish_reason"], choice["native_finish_reason"]) == ("tool_calls", "tool_use")
    assert found["model"] == "claude-sonnet-4-5-20250929"
    assert found["usage"]["total_tokens"] == 13


def test_an_answer_that_only_calls_has_no_content() -> None:
    """And one that says nothing has an empty one."""
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    assert completed(call)["choices"][0]["message"]["content"] is None
    assert completed()["choices"][0]["message"]["content"] == ""


@pytest.mark.parametrize(
    ("native", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("something_new", "stop"),
        ("", "stop"),
    ],
)
def test_every_stop_reason_has_a_finish_reason(native: str, reason: str) -> None:
    """New ones are a stop, and say themselves."""
    assert reason_of(native) == reason
    assert completed(stop_reason=native)["choices"][0]["native_finish_reason"] == native


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"null", b"{", b"{}", b'{"content": "x"}', b'{"content": [1]}', b'{"content": null}',
        b'{"content": [{"type": "tool_use", "id": "a", "name": "f", "input": []}]}',
        b'{"content": [{"type": "tool_use", "name": "f", "input": {}}]}',
        b'{"content": [{"type": "tool_use", "id": "a", "name": 7, "input": {}}]}',
    ],
)  # fmt: skip
def test_what_is_no_message_cannot_be_read(body: bytes) -> None:
    """And is never taken for an empty answer."""
    with pytest.raises(Unreadable):
        completion_of_anthropic(wanted(), body, Answer())
