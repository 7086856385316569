"""The bodies that models have of their own behind Bedrock's ``invoke``."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from sluice.dev.vendor.formats import bedrock
from sluice.dev.vendor.formats.bedrock_families import family_of, vectors_of
from sluice.dev.vendor.script import Script, parse_script
from sluice.dev.vendor.wire import Request
from tests.sluice.dev.vendor.formats.test_event_stream import read

COUNTS = parse_script("chunks=2;prompt_tokens=20;response_tokens=9", Script())
MODELS = {
    "anthropic.claude": "anthropic",
    "amazon.nova-pro": "nova",
    "amazon.titan-text": "titan",
    "meta.llama3": "llama",
    "amazon.titan-embed-text": "titan-embed",
    "cohere.embed-english": "cohere-embed",
    "anything": "anthropic",
}


def asked_of(model: str, operation: str, body: bytes = b"{}") -> Any:
    """A request to invoke a model."""
    request = Request(b"POST", b"", {b"authorization": b"Bearer k"}, b"", body)
    return bedrock.ask(f"/model/{model}/{operation}", "", request)


def test_a_model_s_name_says_whose_body_it_wants() -> None:
    """Anthropic's where it says nothing else."""
    assert {model: family_of(model) for model in MODELS} == MODELS


@pytest.mark.parametrize(
    ("model", "counted"),
    [
        ("anthropic.claude", {"input_tokens": 20, "output_tokens": 9}),
        ("amazon.nova-pro", {"inputTokens": 20, "outputTokens": 9}),
        ("amazon.titan-text", {"inputTextTokenCount": 20}),
        ("meta.llama3", {"prompt_token_count": 20, "generation_token_count": 9}),
        ("amazon.titan-embed-text", {"inputTextTokenCount": 20}),
        ("cohere.embed-english", {}),
    ],
)
def test_plain_answers_count_in_their_own_way(model: str, counted: dict[str, int]) -> None:
    """And in the headers, whatever the body says."""
    asked = asked_of(model, "invoke")
    body = json.loads(bedrock.whole_body(asked, COUNTS))
    found = body.get("usage", body)
    assert {name: found[name] for name in counted} == counted
    assert ("x-amzn-bedrock-input-token-count", "20") in bedrock.headers(asked, COUNTS)


@pytest.mark.parametrize("model", ["anthropic.claude", "amazon.nova-pro", "amazon.titan-text", "meta.llama3"])
def test_the_last_chunk_of_a_stream_has_what_bedrock_bills(model: str) -> None:
    """And no other chunk."""
    pieces = bedrock.stream_pieces(asked_of(model, "invoke-with-response-stream"), COUNTS)
    chunks = [json.loads(base64.b64decode(json.loads(payload)["bytes"])) for _, payload in read(b"".join(pieces))]
    *others, last = chunks
    assert last[bedrock.METRICS] | {"invocationLatency": 0, "firstByteLatency": 0} == {
        "inputTokenCount": 20, "outputTokenCount": 9, "invocationLatency": 0, "firstByteLatency": 0,
    }  # fmt: skip
    assert not any(bedrock.METRICS in chunk for chunk in others)


def test_vectors_have_a_bound() -> None:
    """One for each text; a body without texts wants one."""
    assert (vectors_of({"texts": ["a", "b"]}), vectors_of({}), vectors_of({"texts": ["a"] * 10_000})) == (2, 1, 128)
