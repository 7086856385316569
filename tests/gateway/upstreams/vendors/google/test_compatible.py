"""Tests of ``gateway.upstreams.vendors.google.compatible``: OpenAI's shape with Google's counts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.upstreams.vendors.google.compatible import GoogleCompatible
from sluice.money.usage import Usage
from tests.gateway.upstreams.vendors.scanning_laws import every_cut_is_the_same

CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 10, "total_tokens": 500}, Usage(7, 493, reasoning_tokens=483)),
        ({"prompt_tokens": 7, "completion_tokens": 10, "total_tokens": 17}, Usage(7, 10)),
        ({"prompt_tokens": 7, "completion_tokens": 10}, Usage(7, 10)),
        ({"prompt_tokens": 21, "completion_tokens": 0, "total_tokens": 81,
          "completion_tokens_details": {"reasoning_tokens": 60}}, Usage(21, 60, reasoning_tokens=60)),
        ({"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 7}, Usage(7, 0)),
    ],
)  # fmt: skip
def test_thoughts_are_in_the_total_alone(counts: dict[str, Any], usage: Usage) -> None:
    """Whole and streamed; what is counted as it should be stays."""
    dialect = GoogleCompatible()
    body = {"model": "google/gemini-2.5-pro", "choices": [{"index": 0, "message": {}}], "usage": counts}
    found = dialect.answer(json.dumps(body).encode(), CHAT)
    assert (found.usage, found.model, found.choices) == (usage, "gemini-2.5-pro", 1)
    body["choices"] = []
    stream = b"data: " + json.dumps(body).encode() + b"\n\ndata: [DONE]\n\n"

    def make() -> Any:
        return dialect.scanner(CHAT, b"text/event-stream", hide_usage=True)

    scanned = every_cut_is_the_same(make, stream)
    assert (scanned.answer.usage, scanned.held) == (usage, b"data: [DONE]\n\n")


def test_models_have_one_name() -> None:
    """By which they are allowed and priced; one that we fill in has its publisher where Vertex wants it."""
    for name in (b"gemini-x", b"models/gemini-x", b"google/gemini-x"):
        assert GoogleCompatible().ask(b'{"model":"%s"}' % name, CHAT).model == "gemini-x"
    assert GoogleCompatible("google/").with_model(b"{}", CHAT, "g")[0] == b'{"model":"google/g"}'
    assert GoogleCompatible("google/").with_model(b"{}", CHAT, "meta/l")[0] == b'{"model":"meta/l"}'
