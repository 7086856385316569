"""Tests of ``gateway.upstreams.vendors.anthropic.dialect``: what the flow asks, path by path."""

from __future__ import annotations

import json

import pytest

from gateway.upstreams.client import Headers
from gateway.upstreams.vendors.anthropic import Anthropic
from gateway.upstreams.vendors.anthropic.stream import AnthropicStream
from gateway.upstreams.vendors.dialect import Answer
from gateway.upstreams.vendors.generic import GenericLines, GenericStream
from sluice.money.usage import Usage
from tests.gateway.upstreams.vendors.anthropic.streams import PLAIN, message

DIALECT = Anthropic()
PATH = "/v1/messages"
BOTH: Headers = [(b"authorization", b"Bearer token"), (b"x-api-key", b"key")]


@pytest.mark.parametrize(
    ("headers", "credential", "presented"),
    [
        ([(b"x-api-key", b"key")], "key", ("key", "api_key")),
        ([(b"authorization", b"Bearer token")], "token", ("token", "bearer")),
        (BOTH, "key", ("key", "api_key")),
        ([(b"authorization", b"Basic x"), (b"api-key", b"azure")], None, ("", "")),
        ([(b"x-api-key", b"")], None, ("", "")),
    ],
)
def test_clients_present_a_key_or_a_bearer(
    headers: Headers, credential: str | None, presented: tuple[str, str]
) -> None:
    """As the vendor's SDKs do; of both the key."""
    assert DIALECT.credential(headers, b"key=x") == credential
    assert DIALECT.presented(headers, b"key=x") == presented


def test_credentials_in_queries_stay_here() -> None:
    """What else is in a query is the client's own."""
    assert DIALECT.clean_query(b"beta=true&key=secret&limit=20") == b"beta=true&limit=20"


def test_our_key_is_enough() -> None:
    """Nothing is signed."""
    assert DIALECT.authorize("sk-ant") == [(b"x-api-key", b"sk-ant")]
    assert DIALECT.signer("sk-ant", "https://api.anthropic.com") is None


def test_requests_stay_as_they_are_but_for_a_missing_model() -> None:
    """Usage comes unasked; a maximum is required of the client."""
    body = b'{"messages":[],"stream":true}'
    assert DIALECT.with_usage(body, PATH) is None
    assert DIALECT.with_maximum(body, PATH, 100) is None
    assert DIALECT.with_model(body, PATH, "c") == (b'{"messages":[],"stream":true,"model":"c"}', PATH)


def test_whole_answers_by_path() -> None:
    """Messages count; counts of tokens and batches do not; what is unknown is looked through."""
    body = json.dumps(message()).encode()
    assert DIALECT.answer(body, PATH).usage == Usage(2095, 503)
    assert DIALECT.answer(body, "/v1/skills/run").usage == Usage(2095, 503)
    assert DIALECT.answer(b'{"input_tokens":2095}', PATH + "/count_tokens").usage == Usage(0, 0)
    assert DIALECT.answer(b'{"id":"msgbatch_1","type":"message_batch"}', PATH + "/batches") == Answer()
    line = json.dumps({"result": {"message": message()}}).encode()
    assert DIALECT.answer(line, PATH + "/batches/msgbatch_1/results").usage == Usage(2095, 503)
    assert DIALECT.answer(b'{"data":[{"id":"claude"}]}', "/v1/models").usage is None


def test_the_vendor_s_other_dialect_counts_too() -> None:
    """It has a path that speaks as OpenAI does."""
    body = b'{"model":"c","usage":{"prompt_tokens":3,"completion_tokens":4}}'
    assert DIALECT.answer(body, "/v1/chat/completions").usage == Usage(3, 4)


@pytest.mark.parametrize("path", [PATH, PATH + "/count_tokens", PATH + "/batches/1/results", "/v1/models", ""])
@pytest.mark.parametrize("body", [b"", b"garbage", b"[]", b'"x"', b"\xff", b"[" * 5_000, b'{"usage":7}'])
def test_garbage_never_raises(path: str, body: bytes) -> None:
    """It says nothing of its worth."""
    found = DIALECT.answer(body, path).usage
    assert found is None or found == Usage(0, 0)


def test_streams_by_path_and_type() -> None:
    """Messages have a scanner of their own; unknown streams have one that looks for counts; results are no stream."""
    events, lines = b"Text/Event-Stream; charset=utf-8", b"application/x-ndjson"
    assert isinstance(DIALECT.scanner(PATH, events, hide_usage=False), AnthropicStream)
    assert isinstance(DIALECT.scanner("/v1/complete", events, hide_usage=False), GenericStream)
    assert isinstance(DIALECT.scanner("/v1/other", lines, hide_usage=False), GenericLines)
    assert DIALECT.scanner(PATH + "/batches/1/results", lines, hide_usage=False) is None
    assert DIALECT.scanner(PATH, b"application/json", hide_usage=False) is None


def test_usage_is_never_hidden() -> None:
    """Nobody asked for it."""
    scanner = DIALECT.scanner(PATH, b"text/event-stream", hide_usage=True)
    assert scanner is not None
    assert scanner.feed(PLAIN) + scanner.finish() == PLAIN
