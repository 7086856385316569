"""Vendors that speak OpenAI's dialect: where each has what OpenAI has at ``/v1``."""

from __future__ import annotations

import json

import pytest

from gateway.bridge.passing import Passing
from gateway.upstreams.caller import target_of
from gateway.upstreams.vendors.registry import dialect_of
from tests.gateway.bridge.test_frames import wanted


@pytest.mark.parametrize(
    ("vendor", "base", "target"),
    [
        ("openai", "", "/v1/chat/completions"),
        ("openai", "/v1", "/v1/chat/completions"),
        ("openai", "/v1/", "/v1/chat/completions"),
        ("mistral", "/v1", "/v1/chat/completions"),
        ("groq", "", "/openai/v1/chat/completions"),
        ("groq", "/openai/v1", "/openai/v1/chat/completions"),
        ("groq", "/openai", "/openai/v1/chat/completions"),
        ("openrouter", "", "/api/v1/chat/completions"),
        ("openrouter", "/api/v1", "/api/v1/chat/completions"),
        ("deepseek", "", "/v1/chat/completions"),
        ("xai", "/v1", "/v1/chat/completions"),
        ("compatible", "/serving/v3", "/serving/v3/chat/completions"),
        ("compatible", "/serving", "/serving/v1/chat/completions"),
        ("compatible", "/v1beta", "/v1beta/chat/completions"),
        ("mock", "/v1", "/v1/chat/completions"),
        ("azure", "", "/openai/deployments/a%2Fb/chat/completions"),
        ("azure", "/openai", "/openai/deployments/a%2Fb/chat/completions"),
        ("azure", "/openai/v1", "/openai/v1/chat/completions"),
    ],
)
def test_the_path_is_the_vendors(vendor: str, base: str, target: str) -> None:
    """Whatever stands in the endpoint already."""
    asked = wanted(model="a/b", base_path=base, is_stream=False)
    translated = Passing(dialect_of(vendor)).pass_on(asked, b"{ }")
    assert target_of(base.rstrip("/"), translated.path, b"") == target.encode()
    assert translated.body == b"{ }"
    assert bool(translated.query) == ("/deployments/" in target)


def test_every_operation_has_its_path() -> None:
    """But models, which nobody is asked for."""
    passing = Passing(dialect_of("openai"))
    paths = {passing.path(wanted(operation=operation))[0] for operation in passing.operations}
    assert paths == {"/v1/chat/completions", "/v1/completions", "/v1/embeddings"}


@pytest.mark.parametrize(("vendor", "asks"), [("openai", True), ("mistral", False)])
def test_usage_of_streams_is_asked_for_and_hidden_again(vendor: str, asks: bool) -> None:
    """Unless the client asked, or the vendor gives it anyway and refuses to be asked."""
    passing = Passing(dialect_of(vendor))
    body = b'{"stream":true}'
    translated = passing.pass_on(wanted(), body)
    assert translated.hides_usage == asks
    assert ("stream_options" in json.loads(translated.body)) == asks
    for own in (wanted(wants_usage=True), wanted(is_stream=False)):
        assert passing.pass_on(own, body).body == body


def test_a_body_that_was_made_anew_passes_too() -> None:
    """And what the vendor says of an error; its streams are never translated."""
    passing = Passing(dialect_of("openai"))
    assert json.loads(passing.request(wanted(is_stream=False), {"a": 1}).body) == {"a": 1}
    assert passing.error(400, b"\xff what").message.endswith("what")
    with pytest.raises(TypeError):
        passing.stream(wanted())
