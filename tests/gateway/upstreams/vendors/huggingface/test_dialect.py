"""Tests of ``gateway.upstreams.vendors.huggingface.dialect``: whose dialect is spoken where."""

from __future__ import annotations

import json

import pytest

from gateway.upstreams.vendors.dialect import Answer, Asked
from gateway.upstreams.vendors.huggingface import HuggingFace
from gateway.upstreams.vendors.huggingface.stream import HuggingFaceStream
from sluice.money.usage import Usage

DIALECT = HuggingFace()
GENERATE, ROUTER, MODEL = "/generate", "/v1/chat/completions", "/models/owner/name"
SERVED = "/models/owner/name/v1/chat/completions"
EVENTS = b"text/event-stream"


def test_keys_are_bearers_both_ways() -> None:
    """As its SDK sends them."""
    assert DIALECT.credential([(b"authorization", b"Bearer hf_x")]) == "hf_x"
    assert DIALECT.authorize("hf_y") == [(b"authorization", b"Bearer hf_y")]
    assert DIALECT.authorize("") == []
    assert (DIALECT.name, DIALECT.family) == ("huggingface", "huggingface")


def test_each_path_asks_in_its_own_dialect() -> None:
    """The router's models keep whom they are routed to; a model in the path is the one that answers."""
    body = b'{"model":"meta-llama/Llama-3.3-70B-Instruct:groq","stream":true,"max_tokens":7}'
    model = "meta-llama/Llama-3.3-70B-Instruct:groq"
    assert DIALECT.ask(body, ROUTER) == Asked(model, is_stream=True, max_response_tokens=7)
    assert DIALECT.ask(body, SERVED) == Asked("owner/name", is_stream=True, max_response_tokens=7)
    assert DIALECT.ask(b'{"inputs":"x"}', MODEL) == Asked("owner/name", wants_usage=True)
    assert b"include_usage" in (DIALECT.with_usage(body, ROUTER) or b"")
    assert DIALECT.with_usage(body, GENERATE) is None


def test_models_and_maxima_are_written_where_they_are_read() -> None:
    """By the name that each path has for it."""
    assert DIALECT.with_model(b"{}", ROUTER, "a/b:c") == (b'{"model":"a/b:c"}', ROUTER)
    assert DIALECT.with_model(b"{}", SERVED, "a/b") == (b"{}", "/models/a/b/v1/chat/completions")
    assert DIALECT.with_model(b"{}", MODEL, "a/b") == (b"{}", "/models/a/b")
    assert DIALECT.with_model(b"{}", GENERATE, "a/b") == (b"{}", GENERATE)
    assert DIALECT.with_maximum(b"{}", ROUTER, 5) == b'{"max_tokens":5}'
    assert DIALECT.with_maximum(b"{}", GENERATE, 5) == b'{"parameters":{"max_new_tokens":5}}'
    assert DIALECT.with_maximum(b"{}", MODEL, 5) is None


def test_each_path_answers_in_its_own_dialect() -> None:
    """Counting tokens is free; what speaks OpenAI's dialect on another path is understood; so is what counts at all."""
    generated = b'[{"generated_text":"x","details":{"generated_tokens":4,"input_length":3}}]'
    completed = b'{"choices":[{}],"usage":{"prompt_tokens":3,"completion_tokens":4}}'
    for path, body in ((MODEL, generated), ("/", generated), (ROUTER, completed), ("/invocations", completed)):
        assert DIALECT.answer(body, path).usage == Usage(3, 4), path
    assert DIALECT.answer(b'{"tokens":{"input_tokens":3,"output_tokens":4}}', "/x").usage == Usage(3, 4)
    assert DIALECT.answer(b'[{"id":1,"text":"x"}]', "/tokenize") == Answer(usage=Usage(0, 0))
    assert DIALECT.answer(b"", "/tokenize") == DIALECT.answer(b"", MODEL) == Answer()


@pytest.mark.parametrize(
    ("path", "content_type", "is_native"),
    [("/generate_stream", EVENTS, True), ("/", b"Text/Event-Stream; charset=utf-8", True), (ROUTER, EVENTS, False),
     (SERVED, EVENTS, False)],
)  # fmt: skip
def test_what_is_a_stream_is_said_by_path_and_type(path: str, content_type: bytes, is_native: bool) -> None:
    """Whole answers have no scanner."""
    assert isinstance(DIALECT.scanner(path, content_type, hide_usage=False), HuggingFaceStream) is is_native
    assert DIALECT.scanner(path, b"application/json", hide_usage=False) is None


def test_errors_are_those_of_the_path() -> None:
    """A text and its type on native paths."""
    assert json.loads(DIALECT.error_body(429, "slow", "rate_limited", MODEL))["error_type"] == "overloaded"
    assert json.loads(DIALECT.error_body(429, "slow", "rate_limited", ROUTER))["error"]["message"] == "slow"
    assert b'"error_type":"generation"' in DIALECT.stream_error(502, "x", "y", GENERATE)
    assert b'"type":"server_error"' in DIALECT.stream_error(502, "x", "y", ROUTER)
