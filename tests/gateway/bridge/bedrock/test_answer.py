"""Bedrock's whole answers as ``chat.completion``."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.bridge.interface import Unreadable
from tests.gateway.bridge.telling import answered, sent
from tests.gateway.upstreams.vendors.bedrock.streams import USAGE

MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"


def body(*blocks: Any, reason: str = "end_turn") -> dict[str, Any]:
    """An answer, as published."""
    message = {"role": "assistant", "content": list(blocks)}
    return {"output": {"message": message}, "stopReason": reason, "usage": USAGE, "metrics": {"latencyMs": 5}}


def choice(*blocks: Any, reason: str = "end_turn") -> Any:
    """Its only choice, in OpenAI's words."""
    return answered("bedrock", MODEL, body(*blocks, reason=reason))["choices"][0]


def test_text_and_usage() -> None:
    """The prompt is all that went in, what was cached too."""
    found = answered("bedrock", MODEL, body({"text": "Hello "}, {"text": "there"}))
    assert found["choices"][0]["message"] == {"role": "assistant", "content": "Hello there", "refusal": None}
    assert found["choices"][0]["finish_reason"] == "stop"
    assert (found["object"], found["model"]) == ("chat.completion", MODEL)
    assert found["usage"] == {
        "prompt_tokens": 1412,
        "completion_tokens": 30,
        "total_tokens": 1442,
        "prompt_tokens_details": {"cached_tokens": 1000},
    }


def test_calls_have_the_vendor_s_ids() -> None:
    """Those that the vendor makes itself are no calls of the client's."""
    use = {"toolUseId": "tooluse_1", "name": "weather", "input": {"city": "Paris"}}
    server = {"toolUseId": "s", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}
    found = choice({"toolUse": use}, {"toolUse": server}, reason="tool_use")
    assert (found["message"]["content"], found["finish_reason"]) == (None, "tool_calls")
    assert found["message"]["tool_calls"] == [
        {"id": "tooluse_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}
    ]


def test_reasoning_makes_the_round_trip() -> None:
    """What a client gets of it and sends back is what the vendor said, signatures and all."""
    blocks = (
        {"reasoningContent": {"reasoningText": {"text": "Hm. ", "signature": "s1"}}},
        {"reasoningContent": {"redactedContent": "ZW5j"}},
        {"reasoningContent": {"reasoningText": {"text": "Öhm.", "signature": "s2"}}},
        {"text": "Yes"},
    )
    message = choice(*blocks)["message"]
    assert message["reasoning_content"] == "Hm. Öhm."
    user = {"role": "user", "content": "Hi"}
    made = sent("bedrock", MODEL, {"messages": [user, message, user]})
    assert made["messages"][1]["content"] == list(blocks)


def test_reasoning_that_nobody_signed_is_text_alone() -> None:
    """There is nothing to send back."""
    message = choice({"reasoningContent": {"reasoningText": {"text": "Hm. "}}}, {"text": "Yes"})["message"]
    assert message["reasoning_content"] == "Hm. "
    assert "extra_content" not in message


def test_cited_texts_and_images_are_not_lost() -> None:
    """Texts with the others, images beside them."""
    image = {"format": "png", "source": {"bytes": "YQ=="}}
    found = choice(
        {"text": "A "}, {"citationsContent": {"content": [{"text": "B"}], "citations": []}}, {"image": image}
    )
    assert found["message"]["content"] == "A B"
    assert found["message"]["images"][0]["image_url"]["url"] == "data:image/png;base64,YQ=="


def test_a_guardrail_s_answer_is_filtered() -> None:
    """Its text comes as the vendor wrote it."""
    found = choice({"text": "Sorry."}, reason="guardrail_intervened")
    assert (found["message"]["content"], found["finish_reason"]) == ("Sorry.", "content_filter")


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"<html>", b"[]", b"{}", b'{"output": 5}', b'{"output": {"message": {"content": "x"}}}',
        orjson.dumps(body("x")), orjson.dumps(body({"toolUse": {"name": "f"}})), orjson.dumps(body({"toolUse": 5})),
        orjson.dumps(body({"reasoningContent": {"reasoningText": 5}})),
    ],
)  # fmt: skip
def test_garbage_cannot_be_translated(raw: bytes) -> None:
    """It is said so, and nothing is made up."""
    with pytest.raises(Unreadable):
        answered("bedrock", MODEL, raw)
