"""OpenAI's messages as Bedrock's."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.bridge.telling import refused, sent

MODEL = "amazon.nova-pro-v1:0"
PNG = "iVBORw0KGgo="
USER = {"role": "user", "content": "Hi"}


def made(*messages: dict[str, Any]) -> Any:
    """What these messages become."""
    return sent("bedrock", MODEL, {"messages": list(messages)})


def part(kind: str, **members: Any) -> dict[str, Any]:
    """A user's message of one part."""
    return {"role": "user", "content": [{"type": kind, kind: members}]}


def call(call_id: str, arguments: str = '{"city":"Paris"}') -> dict[str, Any]:
    """A call of an assistant's."""
    return {"id": call_id, "type": "function", "function": {"name": "weather", "arguments": arguments}}


def test_system_messages_stand_in_front_and_roles_take_turns() -> None:
    """Empty texts, which Bedrock refuses, are left out beside others."""
    body = made({"role": "developer", "content": "A"}, USER, {"role": "user", "content": [
        {"type": "text", "text": ""}, {"type": "text", "text": "there"},
    ]}, {"role": "assistant", "content": "Yes"}, USER)  # fmt: skip
    assert body["system"] == [{"text": "A"}]
    assert body["messages"] == [
        {"role": "user", "content": [{"text": "Hi"}, {"text": "there"}]},
        {"role": "assistant", "content": [{"text": "Yes"}]},
        {"role": "user", "content": [{"text": "Hi"}]},
    ]


def test_calls_and_results_are_blocks() -> None:
    """Results of parallel calls stand in one message; objects are JSON, texts are texts, nothing is an empty output."""
    body = made(
        USER,
        {"role": "assistant", "content": "", "tool_calls": [call("a"), call("b", ""), call("c")]},
        {"role": "tool", "tool_call_id": "a", "content": '{"degrees": 20}'},
        {"role": "tool", "tool_call_id": "b", "content": "[1]"},
        {"role": "tool", "tool_call_id": "c", "content": ""},
    )
    uses, results = body["messages"][1]["content"], body["messages"][2]["content"]
    assert uses[0] == {"toolUse": {"toolUseId": "a", "name": "weather", "input": {"city": "Paris"}}}
    assert uses[1]["toolUse"]["input"] == {}
    assert [result["toolResult"]["content"] for result in results] == [
        [{"json": {"degrees": 20}}],
        [{"text": "[1]"}],
        [{"json": {"output": ""}}],
    ]


def test_ids_that_bedrock_would_refuse_become_others_the_same_for_both() -> None:
    """Another vendor's may be longer, or have other characters."""
    foreign = "call|" + "x" * 80
    body = made(
        USER,
        {"role": "assistant", "tool_calls": [call(foreign)]},
        {"role": "tool", "tool_call_id": foreign, "content": "1"},
    )
    use = body["messages"][1]["content"][0]["toolUse"]["toolUseId"]
    assert use == body["messages"][2]["content"][0]["toolResult"]["toolUseId"]
    assert len(use) <= 64
    assert "|" not in use


def test_media_are_blocks_with_a_format() -> None:
    """Images, sounds and documents; a document's name has no other characters than Bedrock takes."""
    content = [
        {"type": "image_url", "image_url": {"url": f"data:image/jpg;base64,{PNG}"}},
        {"type": "image_url", "image_url": {"url": "s3://bucket/a.webp"}},
        {"type": "input_audio", "input_audio": {"data": PNG, "format": "mp3"}},
        {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PNG}", "filename": "my_file.v2.pdf"}},
        {"type": "file", "file": {"file_data": f"data:text/plain;base64,{PNG}"}},
    ]
    assert made({"role": "user", "content": content})["messages"][0]["content"] == [
        {"image": {"format": "jpeg", "source": {"bytes": PNG}}},
        {"image": {"format": "webp", "source": {"s3Location": {"uri": "s3://bucket/a.webp"}}}},
        {"audio": {"format": "mp3", "source": {"bytes": PNG}}},
        {"document": {"format": "pdf", "name": "my file v2", "source": {"bytes": PNG}}},
        {"document": {"format": "txt", "name": "document", "source": {"bytes": PNG}}},
    ]


@pytest.mark.parametrize(
    ("message", "param"),
    [
        (part("image_url", url="https://example.com/a.png"), "messages.0.content.0.image_url.url"),
        (part("image_url", url="s3://bucket/a.bmp"), "messages.0.content.0.image_url.url"),
        (part("image_url", url=f"data:image/bmp;base64,{PNG}"), "messages.0.content.0"),
        (part("image_url", url=f"data:image/png;base64,{PNG}", detail="low"), "messages.0.content.0.image_url.detail"),
        (part("file", file_data=f"data:application/zip;base64,{PNG}"), "messages.0.content.0"),
        ({"role": "system", "content": "alone"}, "messages"),
        ({**USER, "name": "Ann"}, "messages.0.name"),
    ],
)
def test_what_bedrock_has_no_place_for_is_refused(message: dict[str, Any], param: str) -> None:
    """By its path."""
    assert refused("bedrock", MODEL, {"messages": [message]}).param == param


def test_system_messages_behind_others_are_refused() -> None:
    """They would be moved to the front, which is something else."""
    body = {"messages": [USER, {"role": "system", "content": "late"}]}
    assert refused("bedrock", MODEL, body).param == "messages.1.role"
