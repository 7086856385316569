"""Tests of ``gateway.upstreams.vendors.ollama.dialect``: whose dialect is spoken where."""

from __future__ import annotations

import json

import pytest

from gateway.upstreams.client import Headers
from gateway.upstreams.vendors.anthropic.stream import AnthropicStream
from gateway.upstreams.vendors.compatible import Compatible
from gateway.upstreams.vendors.dialect import Answer, Asked
from gateway.upstreams.vendors.generic import GenericLines, GenericStream
from gateway.upstreams.vendors.ollama import Ollama
from gateway.upstreams.vendors.ollama.stream import FreeLines, OllamaStream
from sluice.money.usage import Usage

DIALECT = Ollama()
CHAT, COMPATIBLE, MESSAGES = "/api/chat", "/v1/chat/completions", "/v1/messages"
LINES, EVENTS = b"application/x-ndjson", b"text/event-stream"


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ([(b"authorization", b"Bearer t")], "t"),
        ([(b"x-api-key", b"k")], "k"),
        ([(b"authorization", b"Bearer t"), (b"x-api-key", b"k")], "t"),
        ([(b"authorization", b"raw")], None),
        ([], None),
    ],
)
def test_a_client_s_key_is_where_its_sdk_puts_it(headers: Headers, token: str | None) -> None:
    """Those of OpenAI's and of Anthropic's too."""
    assert DIALECT.credential(headers) == token
    assert DIALECT.presented(headers)[0] == (token or "")


def test_ours_goes_out_as_it_is() -> None:
    """None by default; nothing is signed; no credential stays in a query."""
    assert DIALECT.authorize("Bearer x") == [(b"authorization", b"Bearer x")]
    assert DIALECT.authorize("") == []
    assert DIALECT.signer("x", "http://localhost") is None
    assert DIALECT.clean_query(b"key=s&a=1") == b"a=1"


def test_each_path_asks_in_its_own_dialect() -> None:
    """Native streams where it is not told not to, and gives usage unasked; OpenAI's has to be asked."""
    body = b'{"model":"m","max_tokens":7}'
    assert DIALECT.ask(body, CHAT) == Asked("m", is_stream=True, wants_usage=True)
    assert DIALECT.ask(body, COMPATIBLE) == Asked("m", max_response_tokens=7)
    assert DIALECT.ask(body, MESSAGES) == Asked("m", wants_usage=True, max_response_tokens=7)
    assert DIALECT.with_usage(body, CHAT) is None
    assert DIALECT.with_usage(body, MESSAGES) is None
    assert b"include_usage" in (DIALECT.with_usage(body, COMPATIBLE) or b"")


@pytest.mark.parametrize("path", [CHAT, COMPATIBLE, MESSAGES, "/api/show", "/v1/unknown"])
def test_no_path_takes_a_model_in_another_case(path: str) -> None:
    """All are served by one server, which does."""
    with pytest.raises(ValueError, match="'Model' must be written 'model'"):
        DIALECT.ask(b'{"model":"a","Model":"b"}', path)


def test_models_and_maxima_are_written_where_they_are_read() -> None:
    """In the body; by the name that each path has for it."""
    assert DIALECT.with_model(b'{"messages":[]}', CHAT, "m") == (b'{"messages":[],"model":"m"}', CHAT)
    assert DIALECT.with_maximum(b"{}", CHAT, 5) == b'{"options":{"num_predict":5}}'
    assert DIALECT.with_maximum(b"{}", COMPATIBLE, 5) == b'{"max_tokens":5}'
    assert DIALECT.with_maximum(b"{}", MESSAGES, 5) is None
    assert DIALECT.with_maximum(b"{}", "/api/embed", 5) is None


def test_each_path_answers_in_its_own_dialect() -> None:
    """Work on models is free; on native paths that we do not know, whatever counts something."""
    counted = {"model": "m", "response": "x", "prompt_eval_count": 3, "eval_count": 4}
    body = json.dumps(counted).encode()
    for path in ("/api/generate", "/api/next", COMPATIBLE, "/v1/unknown"):
        assert DIALECT.answer(body, path).usage == Usage(3, 4), path
    usage = b'{"usage":{"prompt_tokens":3,"completion_tokens":4}}'
    assert DIALECT.answer(usage, COMPATIBLE).usage == Usage(3, 4)
    message = b'{"type":"message","usage":{"input_tokens":3,"output_tokens":4}}'
    assert DIALECT.answer(message, MESSAGES).usage == Usage(3, 4)
    for path in ("/api/show", "/api/tags", "/api/pull"):
        assert DIALECT.answer(body, path) == Answer(usage=Usage(0, 0))
        assert DIALECT.answer(b"", path) == Answer()


@pytest.mark.parametrize(
    ("path", "content_type", "kind"),
    [
        (CHAT, LINES, OllamaStream),
        ("/api/generate", b"Application/X-NDJSON; charset=utf-8", OllamaStream),
        (CHAT, b"application/json; charset=utf-8", type(None)),
        (CHAT, EVENTS, GenericStream),
        ("/api/pull", LINES, FreeLines),
        ("/api/next", LINES, GenericLines),
        (COMPATIBLE, EVENTS, type(Compatible().scanner(COMPATIBLE, EVENTS, hide_usage=False))),
        (COMPATIBLE, LINES, GenericLines),
        (MESSAGES, EVENTS, AnthropicStream),
    ],
)
def test_what_is_a_stream_is_said_by_path_and_type(path: str, content_type: bytes, kind: type) -> None:
    """A native answer that is whole is JSON."""
    assert type(DIALECT.scanner(path, content_type, hide_usage=False)) is kind


def test_errors_are_those_of_the_path() -> None:
    """A text on native paths."""
    assert json.loads(DIALECT.error_body(429, "slow", "rate_limited", CHAT))["error"] == "slow"
    assert json.loads(DIALECT.error_body(429, "slow", "rate_limited", COMPATIBLE))["error"]["message"] == "slow"
    assert json.loads(DIALECT.error_body(429, "slow", "rate_limited", MESSAGES))["type"] == "error"
    assert DIALECT.stream_error(502, "x", "y", CHAT) == b'{"error":"x","code":"y"}\n'
    assert DIALECT.stream_error(502, "x", "y", COMPATIBLE).startswith(b"data: ")
    assert DIALECT.stream_error(502, "x", "y", MESSAGES).startswith(b"event: error")
