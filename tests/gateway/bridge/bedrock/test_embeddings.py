"""Embeddings by ``invoke``."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.bridge.interface import Unreadable
from gateway.bridge.registry import translator_of
from gateway.upstreams.vendors.registry import dialect_of
from tests.gateway.bridge.telling import answered, refused, sent, wanted_of

TITAN, OLD_TITAN = "amazon.titan-embed-text-v2:0", "amazon.titan-embed-text-v1"
COHERE, NEW_COHERE = "cohere.embed-multilingual-v3", "us.cohere.embed-v4:0"


def test_titan_takes_one_text() -> None:
    """With its size, where the model has several."""
    path = translator_of(dialect_of("bedrock")).request(wanted_of(TITAN, "embeddings"), {"input": "a"}).path
    assert path == "/model/amazon.titan-embed-text-v2%3A0/invoke"
    assert sent("bedrock", TITAN, {"input": ["a"], "dimensions": 256}, "embeddings") == {
        "inputText": "a",
        "dimensions": 256,
    }


def test_cohere_takes_many_and_is_told_what_for() -> None:
    """Documents, unless the client says something else."""
    assert sent("bedrock", COHERE, {"input": ["a", "b"]}, "embeddings") == {
        "texts": ["a", "b"],
        "input_type": "search_document",
        "embedding_types": ["float"],
    }
    made = sent("bedrock", NEW_COHERE, {"input": "a", "input_type": "search_query", "dimensions": 512}, "embeddings")
    assert (made["input_type"], made["output_dimension"]) == ("search_query", 512)


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (TITAN, {"embedding": [0.5, 1], "inputTextTokenCount": 3}),
        (COHERE, {"embeddings": {"float": [[0.5, 1]]}, "response_type": "embeddings_by_type"}),
        (COHERE, {"embeddings": [[0.5, 1]], "response_type": "embeddings_floats"}),
    ],
)
def test_vectors_are_openai_s(model: str, body: dict[str, Any]) -> None:
    """Of each form that they are published in."""
    assert answered("bedrock", model, body, "embeddings")["data"][0]["embedding"] == [0.5, 1]


def test_titan_s_count_is_the_usage() -> None:
    """As the dialect reads it."""
    found = answered("bedrock", TITAN, {"embedding": [0.5], "inputTextTokenCount": 3}, "embeddings")
    assert found["usage"] == {"prompt_tokens": 3, "total_tokens": 3}


@pytest.mark.parametrize("body", [{}, {"embedding": None}, {"embedding": "x"}, {"embeddings": {}}, {"embeddings": [5]}])
def test_garbage_cannot_be_translated(body: Any) -> None:
    """No vector is made up."""
    with pytest.raises(Unreadable):
        answered("bedrock", TITAN, body, "embeddings")


@pytest.mark.parametrize(
    ("model", "body", "param"),
    [
        (TITAN, {"input": ["a", "b"]}, "input"),
        (OLD_TITAN, {"input": "a", "dimensions": 256}, "dimensions"),
        (COHERE, {"input": "a", "dimensions": 256}, "dimensions"),
        (COHERE, {"input": ["a"] * 97}, "input"),
        (COHERE, {"input": "a", "input_type": "x"}, "input_type"),
        (TITAN, {"input": "a", "input_type": "search_query"}, "input_type"),
        ("amazon.nova-pro-v1:0", {"input": "a"}, "model"),
    ],
)
def test_what_a_model_lacks_is_refused(model: str, body: dict[str, Any], param: str) -> None:
    """By its member; models of other kinds by theirs."""
    assert refused("bedrock", model, body, "embeddings").param == param
