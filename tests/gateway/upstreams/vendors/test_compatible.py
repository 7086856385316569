"""Tests of ``gateway.upstreams.vendors.compatible``: vendors that differ from OpenAI's dialect in a little."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.upstreams.client import Headers
from gateway.upstreams.vendors.compatible import compatible_with_openai
from gateway.upstreams.vendors.openai import OpenAi
from sluice.money.usage import Usage

CHAT = "/v1/chat/completions"
NAMES = ("compatible", "mistral", "groq", "deepseek", "openrouter", "xai", "mock")
HELLO = {"choices": [{"index": 0, "delta": {"content": "hi"}}]}
LAST = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


@pytest.mark.parametrize("name", NAMES)
def test_all_are_of_one_family(name: str) -> None:
    """One can take over from another; a maximum has the name that all of them know."""
    dialect = compatible_with_openai(name)
    assert (dialect.name, dialect.family) == (name, OpenAi.family)
    assert dialect.with_maximum(b"{}", CHAT, 7) == b'{"max_tokens":7}'
    assert dialect.with_maximum(b"{}", "/v1/responses", 7) == b'{"max_output_tokens":7}'


def test_who_gives_usage_anyway_is_not_asked() -> None:
    """Mistral refuses members it does not know."""
    assert compatible_with_openai("mistral").with_usage(b"{}", CHAT) is None
    assert compatible_with_openai("groq").with_usage(b"{}", CHAT) is not None


STREAMS: dict[str, tuple[list[dict[str, Any]], Usage]] = {
    "mistral": ([{**LAST, "usage": {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11}}], Usage(5, 6)),
    "groq": ([{**LAST, "x_groq": {"id": "r", "usage": {"prompt_tokens": 5, "completion_tokens": 6}}}], Usage(5, 6)),
    "deepseek": (
        [{**LAST, "usage": {"prompt_tokens": 5, "completion_tokens": 6, "prompt_cache_hit_tokens": 4}}], Usage(5, 6, 4),
    ),
    "openrouter": (
        [LAST, {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 6, "cost": 0.00014}}], Usage(5, 6),
    ),
    "xai": (
        [{**HELLO, "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 9,
                             "completion_tokens_details": {"reasoning_tokens": 3}}},
         {**LAST, "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 12,
                            "completion_tokens_details": {"reasoning_tokens": 5}}}],
        Usage(5, 7, None, None, 5),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STREAMS)
def test_streams_as_they_are_published(name: str) -> None:
    """Usage is read from whatever frame carries it, the last where it counts up; only a frame of nothing else is
    hidden."""
    frames, usage = STREAMS[name]
    chunks = [b"data: " + json.dumps({"model": "m", **frame}).encode() + b"\n\n" for frame in [HELLO, *frames]]
    scanner = compatible_with_openai(name).scanner(CHAT, b"text/event-stream", hide_usage=True)
    assert scanner is not None
    out = [scanner.feed(chunk) for chunk in [b": OPENROUTER PROCESSING\n\n", *chunks, b"data: [DONE]\n\n"]]
    hidden = [chunk for chunk in chunks if b'"choices": []' in chunk]
    assert [chunk for chunk in out if chunk][1:] == [chunk for chunk in chunks if chunk not in hidden]
    assert (scanner.answer.usage, scanner.answer.problem, scanner.ended) == (usage, "", True)


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ([(b"authorization", b"raw")], "raw"),
        ([(b"authorization", b"Bearer t")], "t"),
        ([(b"authorization", b"Basic t")], None),
        ([(b"authorization", b" ")], None),
        ([], None),
    ],
)
def test_a_bare_token_is_enough_for_the_mock(headers: Headers, token: str | None) -> None:
    """As its clients present it."""
    assert compatible_with_openai("mock").credential(headers) == token
