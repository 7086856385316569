"""Tests of ``gateway.upstreams.vendors.openai.dialect``: which answers are streams, and paths nobody knows."""

from __future__ import annotations

import json

import pytest

from gateway.upstreams.vendors.generic import GenericLines, GenericStream
from gateway.upstreams.vendors.openai import OpenAi
from gateway.upstreams.vendors.openai.stream import AudioStream, OpenAiStream
from sluice.money.usage import Usage

DIALECT = OpenAi()


@pytest.mark.parametrize(
    ("path", "content_type", "kind"),
    [
        ("/v1/chat/completions", b"text/event-stream", OpenAiStream),
        ("/chat/completions?x=y", b"Text/Event-Stream; charset=utf-8", OpenAiStream),
        ("/openai/deployments/d/chat/completions", b"text/event-stream", OpenAiStream),
        ("/v1/responses/", b"text/event-stream", OpenAiStream),
        ("/v1/audio/transcriptions", b"text/event-stream", AudioStream),
        ("/v1/messages", b"text/event-stream", GenericStream),
        ("/api/chat", b"application/x-ndjson", GenericLines),
        ("/v1/chat/completions", b"application/json", type(None)),
        ("/v1/audio/speech", b"audio/mpeg", type(None)),
    ],
)
def test_streams_are_known_by_their_type_and_path(path: str, content_type: bytes, kind: type) -> None:
    """Of paths that are not the dialect's, whatever counts something is read."""
    assert type(DIALECT.scanner(path, content_type, hide_usage=False)) is kind


def test_usage_of_any_shape_is_found_on_any_path() -> None:
    """Nothing is free by accident: another vendor's shape on a path of a compatible server counts too."""
    body = {"model": "m", "usage": {"input_tokens": 3, "cache_read_input_tokens": 5, "output_tokens": 2}}
    answer = DIALECT.answer(json.dumps(body).encode(), "/v1/messages")
    assert (answer.usage, answer.model) == (Usage(8, 2, 5), "m")
    google = {"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4}}
    assert DIALECT.answer(json.dumps(google).encode(), "/v1/chat/completions").usage == Usage(3, 4)


def test_a_known_shape_is_read_as_such_on_a_known_path() -> None:
    """Choices and calls are counted, and a text that speaks of tokens is none."""
    body = {"choices": [{"message": {"content": '"eval_count":7 tokens', "tool_calls": [{}]}}], "usage": None}
    answer = DIALECT.answer(json.dumps(body).encode(), "/v1/chat/completions")
    assert (answer.usage, answer.choices, answer.tool_calls, answer.problem) == (None, 1, 1, "")


def test_nothing_signs() -> None:
    """A key is enough; queries lose what may be one."""
    assert DIALECT.signer("k", "https://api.openai.com/v1") is None
    assert DIALECT.clean_query(b"limit=5&key=secret&after=x") == b"limit=5&after=x"
