"""OpenAI's messages as Google's contents."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.bridge.telling import refused, sent

OLD, NEW = "gemini-2.5-flash", "gemini-3-pro-preview"
PNG = "iVBORw0KGgo="
USER = {"role": "user", "content": "Hi"}


def call(
    call_id: str = "call_1", name: str = "weather", arguments: str = '{"city":"Paris"}', **members: Any
) -> dict[str, Any]:
    """A call of an assistant's."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}, **members}


def assistant(*calls: dict[str, Any], **members: Any) -> dict[str, Any]:
    """A message that calls."""
    return {"role": "assistant", "content": None, "tool_calls": list(calls), **members}


def result(call_id: str = "call_1", content: Any = "20 degrees", **members: Any) -> dict[str, Any]:
    """A call's result."""
    return {"role": "tool", "tool_call_id": call_id, "content": content, **members}


def made(*messages: dict[str, Any], model: str = OLD) -> Any:
    """What these messages become."""
    return sent("google_ai", model, {"messages": list(messages)})


def image(url: str, **members: Any) -> dict[str, Any]:
    """A user's image."""
    return {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url, **members}}]}


def test_system_and_developer_messages_are_the_instruction() -> None:
    """In their order."""
    body = made(
        {"role": "system", "content": "A"}, {"role": "developer", "content": [{"type": "text", "text": "B"}]}, USER
    )
    assert body["systemInstruction"] == {"parts": [{"text": "A"}, {"text": "B"}]}
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Hi"}]}]


def test_turns_of_one_role_are_one_content() -> None:
    """Roles take turns, and an assistant is a model."""
    body = made(USER, USER, {"role": "assistant", "content": "Yes"}, USER)
    assert [(content["role"], len(content["parts"])) for content in body["contents"]] == [
        ("user", 2),
        ("model", 1),
        ("user", 1),
    ]


def test_calls_and_their_results_find_each_other_by_name() -> None:
    """Google has no ids for most: a result is of the function whose call had its id; a JSON object stays one."""
    body = made(
        USER,
        assistant(call(), call("call_2", "now", "")),
        result(content='{"degrees": 20}'),
        result("call_2", [{"type": "text", "text": "noon"}]),
    )
    assert body["contents"][1:] == [
        {
            "role": "model",
            "parts": [
                {"functionCall": {"name": "weather", "args": {"city": "Paris"}}},
                {"functionCall": {"name": "now", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "weather", "response": {"degrees": 20}}},
                {"functionResponse": {"name": "now", "response": {"output": "noon"}}},
            ],
        },
    ]


def test_google_s_own_ids_go_back_to_it() -> None:
    """Those that we made up, or OpenAI, do not: nobody there knows them."""
    parts = made(USER, assistant(call("8f2b1a3c")), result("8f2b1a3c"))["contents"]
    assert parts[1]["parts"][0]["functionCall"]["id"] == "8f2b1a3c"
    assert parts[2]["parts"][0]["functionResponse"]["id"] == "8f2b1a3c"


def test_signatures_come_back_with_their_calls_and_texts() -> None:
    """As they were given, in ``extra_content``; another vendor's say nothing here."""
    signed: dict[str, Any] = {"extra_content": {"google": {"thought_signature": "c2ln"}, "bedrock": {"reasoning": []}}}
    parts = made(USER, assistant(call(**signed), call("call_2")), result(), result("call_2"), model=NEW)["contents"][1][
        "parts"
    ]
    assert [part.get("thoughtSignature") for part in parts] == ["c2ln", None]
    parts = made(USER, {"role": "assistant", "content": "Yes", **signed}, USER)["contents"][1]["parts"]
    assert parts == [{"text": "Yes", "thoughtSignature": "c2ln"}]
    parts = made(USER, assistant(call(), **signed), result(), model=OLD)["contents"][1]["parts"]
    assert parts[0] == {"text": "", "thoughtSignature": "c2ln"}


@pytest.mark.parametrize(("model", "signature"), [(NEW, "skip_thought_signature_validator"), (OLD, None)])
def test_a_lost_signature_has_its_documented_substitute(model: str, signature: str | None) -> None:
    """Models that demand one would refuse a conversation that another vendor began."""
    parts = made(USER, assistant(call(), call("call_2")), result(), result("call_2"), model=model)["contents"][1][
        "parts"
    ]
    assert [part.get("thoughtSignature") for part in parts] == [signature, None]


def test_media_are_inline_data_or_files_by_their_url() -> None:
    """Images, sounds and files as data; images at a URL whose type can be seen."""
    content = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a/b.jpg?x=1", "detail": "auto"}},
        {"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}},
        {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PNG}", "filename": "a.pdf"}},
    ]
    assert made({"role": "user", "content": content})["contents"][0]["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": PNG}},
        {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://example.com/a/b.jpg?x=1"}},
        {"inlineData": {"mimeType": "audio/wav", "data": PNG}},
        {"inlineData": {"mimeType": "application/pdf", "data": PNG}},
    ]


def test_detail_is_one_resolution_for_all() -> None:
    """Google has one for a request; several of them are refused."""
    url = f"data:image/png;base64,{PNG}"
    assert made(image(url, detail="low"))["generationConfig"] == {"mediaResolution": "MEDIA_RESOLUTION_LOW"}
    assert made(image(url, detail="high"))["generationConfig"] == {"mediaResolution": "MEDIA_RESOLUTION_HIGH"}
    body = {"messages": [image(url, detail="low"), image(url)]}
    assert refused("google_ai", OLD, body).param == "messages.0.content.0.image_url.detail"
    body = {"messages": [image(url, detail="original")]}
    assert refused("google_ai", OLD, body).param == "messages.0.content.0.image_url.detail"


def test_a_whole_message_of_an_answer_can_come_back() -> None:
    """What clients send back of it that says nothing to Google is no reason to refuse."""
    message: dict[str, Any] = {
        "role": "assistant", "content": "Yes", "refusal": None, "annotations": [], "audio": None, "function_call": None,
        "tool_calls": None, "reasoning_content": "I thought",
    }  # fmt: skip
    assert made(USER, message, USER)["contents"][1] == {"role": "model", "parts": [{"text": "Yes"}]}


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([USER, {"role": "system", "content": "late"}], "messages.1.role"),
        ([{"role": "system", "content": "alone"}], "messages"),
        ([USER, result("unknown")], "messages.1.tool_call_id"),
        ([image("https://example.com/picture")], "messages.0.content.0.image_url.url"),
        ([image("s3://bucket/a.png")], "messages.0.content.0.image_url.url"),
        ([{**USER, "name": "Ann"}], "messages.0.name"),
    ],
)
def test_what_google_has_no_place_for_is_refused(messages: list[Any], param: str) -> None:
    """By its path."""
    assert refused("google_ai", OLD, {"messages": messages}).param == param
