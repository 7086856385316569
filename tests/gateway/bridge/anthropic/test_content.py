"""Conversations as Anthropic has them."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.bridge.anthropic.content import conversation_of
from gateway.bridge.conversation import turns_of
from gateway.bridge.interface import Unsupported
from gateway.bridge.taking import Taking

PNG = "data:image/png;base64,iVBORw0KGgo="


def made(*messages: dict[str, Any]) -> dict[str, Any]:
    """What Anthropic gets of these messages."""
    taking = Taking({"messages": list(messages)}, "anthropic")
    return conversation_of(taking, turns_of(taking))


def user(content: Any) -> dict[str, Any]:
    """A user's message."""
    return {"role": "user", "content": content}


def call(call_id: str, arguments: str = "{}") -> dict[str, Any]:
    """A call of a tool."""
    return {"id": call_id, "type": "function", "function": {"name": "f", "arguments": arguments}}


def text(words: str) -> dict[str, Any]:
    """A block of text."""
    return {"type": "text", "text": words}


def test_system_messages_stand_apart() -> None:
    """All of those at the beginning, also a developer's; parts stay parts."""
    found = made(
        {"role": "system", "content": "be kind"},
        {"role": "developer", "content": [text("and"), text("short")]},
        user("Hi"),
    )
    assert found["system"] == [text("be kind"), text("and"), text("short")]
    assert found["messages"] == [{"role": "user", "content": [text("Hi")]}]


def test_a_system_message_behind_others_is_refused() -> None:
    """It would say something else at the beginning."""
    with pytest.raises(Unsupported) as caught:
        made(user("Hi"), {"role": "system", "content": "be rude"})
    assert caught.value.param == "messages.1.role"
    with pytest.raises(Unsupported):
        made({"role": "system", "content": "alone"})


def test_calls_and_their_results() -> None:
    """Results of one turn stand in one message of the user's, before what the user says next; empty texts are none."""
    found = made(
        user("Weather?"),
        {"role": "assistant", "content": "", "tool_calls": [call("a", '{"x": 1}'), call("b", "")]},
        {"role": "tool", "tool_call_id": "a", "content": "sunny"},
        {"role": "tool", "tool_call_id": "b", "content": [text("wet"), text("cold")]},
        user("Thanks"),
    )
    assert [message["role"] for message in found["messages"]] == ["user", "assistant", "user"]
    assert found["messages"][1]["content"] == [
        {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
        {"type": "tool_use", "id": "b", "name": "f", "input": {}},
    ]
    assert found["messages"][2]["content"] == [
        {"type": "tool_result", "tool_use_id": "a", "content": [text("sunny")]},
        {"type": "tool_result", "tool_use_id": "b", "content": [text("wet"), text("cold")]},
        text("Thanks"),
    ]


def test_an_answer_comes_back_as_the_sdk_dumps_it() -> None:
    """With members that are null, annotations, unsigned thoughts."""
    message: dict[str, Any] = {
        "role": "assistant", "content": "Hi", "refusal": None, "audio": None, "function_call": None,
        "tool_calls": None, "annotations": [], "reasoning_content": "hm",
    }  # fmt: skip
    assert made(user("Hi"), message, user("So?"))["messages"][1] == {"role": "assistant", "content": [text("Hi")]}


@pytest.mark.parametrize("arguments", ["{", "[]", "7", "null"])
def test_arguments_that_are_no_object_are_invalid(arguments: str) -> None:
    """With their path."""
    with pytest.raises(Unsupported) as caught:
        made(user("Hi"), {"role": "assistant", "tool_calls": [call("a"), call("b", arguments)]})
    assert caught.value.param == "messages.1.tool_calls.1.function.arguments"


def test_images() -> None:
    """By data URL and by URL; detail that changes nothing passes."""
    found = made(
        user(
            [
                text("Look"),
                {"type": "image_url", "image_url": {"url": PNG, "detail": "high"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
            ]
        )
    )
    assert found["messages"][0]["content"] == [
        text("Look"),
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
    ]


def test_documents() -> None:
    """PDFs, with their names."""
    file = {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}
    messages: list[dict[str, Any]] = made(user([{"type": "file", "file": file}]))["messages"]
    assert messages[0]["content"] == [
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
            "title": "a.pdf",
        }
    ]


@pytest.mark.parametrize(
    ("part", "path"),
    [
        ({"type": "image_url", "image_url": {"url": PNG, "detail": "low"}}, "image_url.detail"),
        ({"type": "image_url", "image_url": {"url": "data:image/tiff;base64,AAAA"}}, "image_url.url"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,???"}}, "image_url.url"),
        ({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}, "image_url.url"),
        ({"type": "image_url", "image_url": {"url": "gs://bucket/a.png"}}, "image_url.url"),
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}, "type"),
        ({"type": "file", "file": {"file_id": "file-1"}}, "file.file_id"),
        ({"type": "file", "file": {"file_data": "data:text/csv;base64,YSxi"}}, "file.file_data"),
        ({"type": "video_url"}, "type"),
        ({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}, "cache_control"),
    ],
)
def test_parts_that_anthropic_has_not_are_refused(part: dict[str, Any], path: str) -> None:
    """By their whole path."""
    with pytest.raises(Unsupported) as caught:
        made(user("Hi"), user([text("x"), part]))
    assert caught.value.param == f"messages.1.content.1.{path}"


def test_a_name_is_refused() -> None:
    """Anthropic's messages have none."""
    with pytest.raises(Unsupported) as caught:
        made({"role": "user", "content": "Hi", "name": "ann"})
    assert caught.value.param == "messages.0.name"
