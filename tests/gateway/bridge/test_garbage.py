"""Whatever a client sends and a vendor answers: translated, or refused as what it is; never a fault of ours."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.bridge.interface import Unreadable, Unsupported, Wanted
from gateway.bridge.registry import translator_of
from gateway.upstreams.vendors.dialect import Answer
from gateway.upstreams.vendors.registry import VENDORS, dialect_of
from tests.gateway.bridge.test_frames import wanted
from tests.gateway.upstreams.vendors.anthropic.streams import block, delta, end, message, start, text

READ = [vendor for vendor in VENDORS if dialect_of(vendor).family not in {"openai", "huggingface"}]
TRANSLATED = [vendor for vendor in VENDORS if dialect_of(vendor).family != "openai"]
MODELS = {"google_ai": "gemini-2.5-flash", "vertex": "gemini-2.5-flash", "bedrock": "anthropic.claude-sonnet-4-5-v1:0"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
CHAT: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": [{"type": "text", "text": "Look"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"a": "b"}'}}],
            "extra_content": {"anthropic": {"thinking_blocks": []}, "google": {"thought_signature": "x"}},
        },
        {"role": "tool", "tool_call_id": "a", "content": "sunny"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "max_completion_tokens": 5000,
    "temperature": 0.5,
    "top_p": 0.5,
    "stop": ["x"],
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
    "stream_options": {"include_usage": True},
    "reasoning_effort": "low",
}
EMBED: dict[str, Any] = {"model": "m", "input": ["a", "b"], "dimensions": 8, "encoding_format": "float"}
numbers = st.integers(-(1 << 63), (1 << 64) - 1) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | st.text(max_size=5) | st.just("data:,")
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)


def places_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something could be changed."""
    if isinstance(value, dict):
        inner = [place for key, each in value.items() for place in places_of(each, (*path, key))]
    elif isinstance(value, list):
        inner = [place for at, each in enumerate(value) for place in places_of(each, (*path, at))]
    else:
        inner = []
    return [path, *inner] if path else inner


def changed(document: Any, path: tuple[Any, ...], value: Any, name: str) -> Any:
    """The document with another value in this place, and a member that nobody knows beside it."""
    made = copy.deepcopy(document)
    holder = made
    for step in path[:-1]:
        holder = holder[step]
    if name and isinstance(holder, dict):
        holder[name] = value
    else:
        holder[path[-1]] = value
    return made


def asked(vendor: str, **members: Any) -> Wanted:
    """A request of this vendor's model."""
    return wanted(model=MODELS.get(vendor, "m"), vendor=vendor, max_tokens=4096, **members)


@pytest.mark.parametrize("vendor", READ)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), value=values, name=st.sampled_from(["", "", "brand_new", "type", "name", "id"]))
def test_a_request_is_translated_or_refused(vendor: str, data: st.DataObject, value: Any, name: str) -> None:
    """With a value of any kind in any place, known or not; what is refused has a message and a place."""
    translator = translator_of(dialect_of(vendor))
    is_chat = "embeddings" not in translator.operations or data.draw(st.integers(0, 4)) > 0
    document = CHAT if is_chat else EMBED
    body = changed(document, data.draw(st.sampled_from(places_of(document))), value, name)
    try:
        translated = translator.request(
            asked(vendor, is_stream=False, operation="chat" if is_chat else "embeddings"), body
        )
    except Unsupported as error:
        assert error.message  # noqa: PT017 - most are refused, some are not
    else:
        json.loads(translated.body)


@pytest.mark.parametrize("vendor", TRANSLATED)
@settings(max_examples=30, deadline=None)
@given(value=values)
def test_an_answer_is_translated_or_cannot_be_read(vendor: str, value: Any) -> None:
    """Any JSON, and what is none."""
    translator = translator_of(dialect_of(vendor))
    for body in (json.dumps(value).encode(), json.dumps({"content": value}).encode(), b"\xff", b""):
        try:
            translated = translator.answer(asked(vendor, is_stream=False), body, Answer())
        except Unreadable as error:
            assert str(error)  # noqa: PT017 - most cannot be read, some can
        else:
            json.loads(translated)
        assert translator.error(500, body).message


@settings(max_examples=100, deadline=None)
@given(data=st.data(), value=values)
def test_a_message_of_anthropics_is_translated_or_cannot_be_read(data: st.DataObject, value: Any) -> None:
    """With a value of any kind in any place."""
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    document = message([thought, {"type": "text", "text": "a"}, call])
    place = data.draw(st.sampled_from(places_of(document)))
    body = json.dumps(changed(document, place, value, "")).encode()
    try:
        translated = translator_of(dialect_of("anthropic")).answer(asked("anthropic"), body, Answer())
    except Unreadable as error:
        assert str(error)  # noqa: PT017
    else:
        json.loads(translated)


@settings(max_examples=100, deadline=None)
@given(data=st.data(), value=values)
def test_a_stream_of_anthropics_is_translated_or_cannot_be_read(data: st.DataObject, value: Any) -> None:
    """With a value of any kind in any place of any event."""
    frames = [start(), block("thinking", thinking=""), end(), block("tool_use", id="t", name="f", input={}), text("a")]
    frames += [end(), delta(output_tokens=3)]
    at = data.draw(st.integers(0, len(frames) - 1))
    head, _, raw = frames[at].partition(b"data: ")
    document = json.loads(raw)
    changed_event = changed(document, data.draw(st.sampled_from(places_of(document))), value, "")
    frames[at] = head + b"data: " + json.dumps(changed_event).encode() + b"\n\n"
    stream = translator_of(dialect_of("anthropic")).stream(asked("anthropic"))
    try:
        out = stream.feed(b"".join(frames))
    except Unreadable as error:
        assert str(error)  # noqa: PT017
    else:
        assert not out or out.endswith(b"\n\n")
        assert b"error" in stream.finish(Answer())
