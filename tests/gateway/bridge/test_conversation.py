"""OpenAI's messages, read once for all vendors."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.bridge.conversation import Media, Text, extra_of, turns_of
from gateway.bridge.interface import Invalid, Unsupported
from gateway.bridge.taking import Taking

PNG = "iVBORw0KGgo="
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def turns(*messages: Any) -> Any:
    """These messages, read."""
    return turns_of(Taking({"messages": list(messages)}, "Vendor"))


def user(*parts: Any) -> dict[str, Any]:
    """A user's message of these parts."""
    return {"role": "user", "content": list(parts)}


def assistant(**members: Any) -> dict[str, Any]:
    """An assistant's message."""
    return {"role": "assistant", **members}


def test_every_role_and_part_is_read() -> None:
    """Texts, media, calls, results, thoughts, refusals."""
    found = turns(
        {"role": "developer", "content": "A"},
        user(
            {"type": "text", "text": "B"},
            {"type": "image_url", "image_url": {"url": f"data:IMAGE/PNG;charset=x;base64,{PNG}", "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "https://x/y"}},
            {"type": "input_audio", "input_audio": {"data": PNG, "format": "mp3"}},
            {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PNG}", "filename": "n"}},
        ),
        assistant(content=[{"type": "refusal", "refusal": "C"}], refusal="D", tool_calls=[CALL], reasoning_content="E"),
        {
            "role": "tool",
            "tool_call_id": "a",
            "content": [{"type": "text", "text": "F"}, {"type": "text", "text": "G"}],
        },
    )
    assert [turn.role for turn in found] == ["system", "user", "assistant", "tool"]
    path = "messages.1.content"
    assert found[1].parts == (
        Text("B"),
        Media("image", f"{path}.1", "image/png", PNG, detail="low"),
        Media("image", f"{path}.2", url="https://x/y"),
        Media("audio", f"{path}.3", "audio/mp3", PNG),
        Media("file", f"{path}.4", "application/pdf", PNG, name="n"),
    )
    assert (found[2].text, found[2].reasoning, found[2].calls[0].arguments) == ("C\nD", "E", {})
    assert (found[3].text, found[3].call_id, found[3].call_name) == ("F\nG", "a", "f")


def test_a_result_s_function_is_known_by_the_call_before_it() -> None:
    """Or by its own name, as some clients send it; by neither it is unknown."""
    result = {"role": "tool", "tool_call_id": "a", "content": "1"}
    assert turns(assistant(tool_calls=[CALL]), result)[1].call_name == "f"
    assert turns({**result, "name": "g"})[0].call_name == "g"
    assert turns(result)[0].call_name == ""


def test_other_vendors_extras_are_read_by_their_vendor_alone() -> None:
    """What is no object of that vendor's says nothing."""
    turn = turns(assistant(content="a", extra_content={"google": {"x": 1}, "bedrock": 5}))[0]
    assert extra_of(turn.extra, "google") == {"x": 1}
    assert extra_of(turn.extra, "bedrock") == extra_of(turn.extra, "none") == {}


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("Hi", "messages.0"),
        ({"content": "Hi"}, "messages.0.role"),
        ({"role": "owner", "content": "Hi"}, "messages.0.role"),
        ({"role": 5, "content": "Hi"}, "messages.0.role"),
        ({"role": "user"}, "messages.0.content"),
        ({"role": "user", "content": []}, "messages.0.content"),
        ({"role": "user", "content": 5}, "messages.0.content"),
        (user("Hi"), "messages.0.content.0"),
        (user({"text": "Hi"}), "messages.0.content.0.type"),
        (user({"type": "text"}), "messages.0.content.0.text"),
        (user({"type": "text", "text": 5}), "messages.0.content.0.text"),
        (user({"type": "image_url", "image_url": "https://x"}), "messages.0.content.0.image_url"),
        (user({"type": "image_url", "image_url": {"url": "ftp://x"}}), "messages.0.content.0.image_url.url"),
        (user({"type": "image_url", "image_url": {"url": "data:image/png,x"}}), "messages.0.content.0.image_url.url"),
        (user({"type": "image_url", "image_url": {"url": "data:;base64,YQ=="}}), "messages.0.content.0.image_url.url"),
        (user({"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}),
         "messages.0.content.0.image_url.url"),
        (user({"type": "image_url", "image_url": {"url": "data:image/png;base64,ü"}}),
         "messages.0.content.0.image_url.url"),
        (user({"type": "image_url", "image_url": {"url": "data:image/png;base64,YQ"}}),
         "messages.0.content.0.image_url.url"),
        (user({"type": "image_url", "image_url": {"url": "data:image/png;base64,Y==="}}),
         "messages.0.content.0.image_url.url"),
        (user({"type": "image_url", "image_url": {"url": "data:image/png;base64,YQ==YQ=="}}),
         "messages.0.content.0.image_url.url"),
        (user({"type": "input_audio", "input_audio": {"data": "YQ==", "format": "ogg"}}),
         "messages.0.content.0.input_audio.format"),
        (user({"type": "input_audio", "input_audio": {"data": "?", "format": "wav"}}),
         "messages.0.content.0.input_audio.data"),
        (assistant(), "messages.0.content"),
        (assistant(tool_calls=[{**CALL, "id": None}]), "messages.0.tool_calls.0.id"),
        (assistant(tool_calls=[{"id": "a"}]), "messages.0.tool_calls.0.function"),
        (assistant(tool_calls=[{**CALL, "function": {"name": "f"}}]), "messages.0.tool_calls.0.function.arguments"),
        (assistant(tool_calls=[{**CALL, "function": {"name": "f", "arguments": "[1]"}}]),
         "messages.0.tool_calls.0.function.arguments"),
        (assistant(tool_calls=[{**CALL, "function": {"name": "f", "arguments": "{x"}}]),
         "messages.0.tool_calls.0.function.arguments"),
        (assistant(content="a", extra_content="x"), "messages.0.extra_content"),
        ({"role": "tool", "content": "1"}, "messages.0.tool_call_id"),
        ({"role": "tool", "tool_call_id": "a"}, "messages.0.content"),
    ],
)  # fmt: skip
def test_what_is_no_message_is_invalid_by_its_path(message: Any, param: str) -> None:
    """A wrong type, something missing."""
    with pytest.raises(Invalid) as caught:
        turns(message)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "function", "name": "f", "content": "1"}, "messages.0.role"),
        ({"role": "user", "content": "Hi", "mood": "good"}, "messages.0.mood"),
        (user({"type": "video", "video": {}}), "messages.0.content.0.type"),
        (user({"type": "text", "text": "Hi", "prompt_cache_breakpoint": {}}),
         "messages.0.content.0.prompt_cache_breakpoint"),
        (user({"type": "file", "file": {"file_id": "f"}}), "messages.0.content.0.file.file_id"),
        (assistant(content="a", audio={"id": "x"}), "messages.0.audio"),
        (assistant(content="a", function_call={"name": "f"}), "messages.0.function_call"),
        (assistant(tool_calls=[{"id": "a", "type": "custom", "custom": {}}]), "messages.0.tool_calls.0.type"),
        ({"role": "system", "content": [{"type": "image_url", "image_url": {"url": "https://x"}}]},
         "messages.0.content.0.type"),
        ({"role": "tool", "tool_call_id": "a", "content": [{"type": "image_url", "image_url": {"url": "https://x"}}]},
         "messages.0.content.0.type"),
    ],
)  # fmt: skip
def test_what_no_vendor_has_is_refused_by_its_path(message: Any, param: str) -> None:
    """Never dropped."""
    with pytest.raises(Unsupported) as caught:
        turns(message)
    assert caught.value.param == param
    assert not isinstance(caught.value, Invalid)


@pytest.mark.parametrize("messages", [None, [], {}, "Hi"])
def test_a_conversation_has_messages(messages: Any) -> None:
    """At least one."""
    with pytest.raises(Invalid) as caught:
        turns_of(Taking({"messages": messages}, "Vendor"))
    assert caught.value.param == "messages"
