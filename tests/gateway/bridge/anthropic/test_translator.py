"""Anthropic's translator: chat alone, by its parts."""

from __future__ import annotations

import json

from gateway.bridge.anthropic import AnthropicTranslator
from gateway.bridge.anthropic.stream import AnthropicFrames
from gateway.upstreams.vendors.dialect import Answer
from gateway.upstreams.vendors.registry import dialect_of
from tests.gateway.bridge.test_frames import wanted
from tests.gateway.upstreams.vendors.anthropic.streams import message


def test_it_does_what_its_parts_do() -> None:
    """Requests, answers, streams, errors; it has no embeddings."""
    translator = AnthropicTranslator(dialect_of("anthropic"))
    assert translator.operations == {"chat"}
    asked = wanted(vendor="anthropic", max_tokens=5)
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    assert json.loads(translator.request(asked, body).body)["max_tokens"] == 5
    whole = translator.answer(asked, json.dumps(message()).encode(), Answer())
    assert json.loads(whole)["choices"][0]["message"]["content"] == "Hi!"
    assert isinstance(translator.stream(asked), AnthropicFrames)
    assert translator.error(401, b"").type == "authentication_error"
