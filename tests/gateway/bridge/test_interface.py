"""What the bridge asks of translators: all of them keep to it."""

from __future__ import annotations

import inspect

import pytest

from gateway.bridge.interface import Invalid, OpenAiError, StreamTranslator, Translator, Unsupported
from gateway.bridge.registry import translator_of
from gateway.upstreams.vendors.dialect import Answer
from gateway.upstreams.vendors.registry import VENDORS, dialect_of
from tests.gateway.bridge.test_frames import wanted

TRANSLATED = [vendor for vendor in VENDORS if dialect_of(vendor).family != "openai"]
READ = [vendor for vendor in TRANSLATED if vendor != "huggingface"]
"""Hugging Face's own server takes OpenAI's bodies, and judges them."""


@pytest.mark.parametrize("vendor", TRANSLATED)
def test_a_translator_takes_what_the_interface_gives(vendor: str) -> None:
    """The same places for the same things."""
    translator = translator_of(dialect_of(vendor))
    for name in ("request", "answer", "stream", "error"):
        own = inspect.signature(getattr(translator, name))
        assert len(own.parameters) == len(inspect.signature(getattr(Translator, name)).parameters) - 1


@pytest.mark.parametrize("vendor", READ)
def test_what_nobody_has_heard_of_is_refused(vendor: str) -> None:
    """By name: never dropped silently, not even inside a message or a tool."""
    translator = translator_of(dialect_of(vendor))
    plain = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    asked = wanted(is_stream=False, vendor=vendor, max_tokens=64)
    with pytest.raises(Unsupported) as caught:
        translator.request(asked, {**plain, "brand_new": 1})
    assert caught.value.param == "brand_new"
    with pytest.raises(Unsupported) as caught:
        translator.request(asked, {**plain, "messages": [{"role": "user", "content": "hi", "mood": "good"}]})
    assert caught.value.param == "messages.0.mood"


@pytest.mark.parametrize("vendor", READ)
@pytest.mark.parametrize("messages", [None, [], "hi", [1], [{}], [{"role": "king", "content": "hi"}]])
def test_messages_that_are_none_are_refused(vendor: str, messages: object) -> None:
    """As invalid, or as nothing the vendor has; never with another error."""
    translator = translator_of(dialect_of(vendor))
    with pytest.raises(Unsupported):
        translator.request(wanted(is_stream=False, vendor=vendor), {"model": "m", "messages": messages})


@pytest.mark.parametrize("vendor", TRANSLATED)
@pytest.mark.parametrize("body", [b"", b"<html>oops</html>", b"[]", b"{}", b'{"error": 1}', b'{"error": {}}', b"\xff"])
def test_any_error_can_be_read(vendor: str, body: bytes) -> None:
    """Something is always said, of the kind that its status is."""
    error = translator_of(dialect_of(vendor)).error(503, body)
    assert isinstance(error, OpenAiError)
    assert error.message
    assert error.type == "server_error"


@pytest.mark.parametrize("vendor", TRANSLATED)
def test_a_stream_that_said_nothing_ends_in_an_error(vendor: str) -> None:
    """Nobody must believe that the answer is complete."""
    stream: StreamTranslator = translator_of(dialect_of(vendor)).stream(wanted(vendor=vendor))
    out = stream.finish(Answer())
    assert b'"error"' in out
    assert b"[DONE]" not in out


def test_what_is_invalid_is_refused_as_what_is_unsupported_is() -> None:
    """With a code of its own."""
    assert issubclass(Invalid, Unsupported)
    assert (Invalid("a", "b").code, Unsupported("a", "b").code) == ("invalid_value", "unsupported_parameter")
