"""Embeddings on the Gemini API and on Vertex."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.bridge.interface import Unreadable
from gateway.bridge.registry import translator_of
from gateway.upstreams.vendors.registry import dialect_of
from tests.gateway.bridge.telling import answered, refused, wanted_of


def request(vendor: str, model: str, **body: Any) -> tuple[str, Any]:
    """Method and body."""
    made = translator_of(dialect_of(vendor)).request(wanted_of(model, "embeddings"), body)
    return made.path.rpartition(":")[2], orjson.loads(made.body)


def content(text: str) -> dict[str, Any]:
    """A text as Google has it."""
    return {"parts": [{"text": text}]}


def test_the_gemini_api_takes_batches() -> None:
    """One request for each text, each with the model and the size."""
    method, body = request(
        "google_ai", "gemini-embedding-001", input=["a", "b"], dimensions=64, encoding_format="float"
    )
    model = "models/gemini-embedding-001"
    assert method == "batchEmbedContents"
    assert body["requests"] == [{"model": model, "content": content(text), "outputDimensionality": 64} for text in "ab"]


def test_vertex_takes_each_model_s_own_way() -> None:
    """``predict`` of older ones; ``embedContent`` of Gemini's, ``batchEmbedContents`` of several texts."""
    method, body = request("vertex", "text-embedding-005", input=["a", "b"], dimensions=64)
    assert (method, body) == (
        "predict",
        {"instances": [{"content": "a"}, {"content": "b"}], "parameters": {"outputDimensionality": 64}},
    )
    method, body = request("vertex", "gemini-embedding-2", input="a", dimensions=64)
    assert (method, body) == (
        "embedContent",
        {"content": content("a"), "embedContentConfig": {"outputDimensionality": 64}},
    )
    method, body = request("vertex", "gemini-embedding-2", input=["a", "b"])
    assert (method, body) == (
        "batchEmbedContents",
        {"requests": [{"content": content("a")}, {"content": content("b")}]},
    )


@pytest.mark.parametrize(
    ("vendor", "body"),
    [
        ("google_ai", {"embeddings": [{"values": [0.5, -1]}, {"values": [0, 2.0]}]}),
        ("vertex", {"predictions": [{"embeddings": {"values": [0.5, -1]}}, {"embeddings": {"values": [0, 2.0]}}]}),
    ],
)
def test_vectors_come_in_their_order(vendor: str, body: Any) -> None:
    """As OpenAI's list."""
    found = answered(vendor, "text-embedding-005" if vendor == "vertex" else "gemini-embedding-001", body, "embeddings")
    assert [(entry["index"], entry["embedding"]) for entry in found["data"]] == [(0, [0.5, -1]), (1, [0, 2.0])]
    assert found["object"] == "list"


def test_one_vector_comes_alone() -> None:
    """As ``embedContent`` answers."""
    found = answered("vertex", "gemini-embedding-2", {"embedding": {"values": [1.5]}}, "embeddings")
    assert found["data"][0]["embedding"] == [1.5]


@pytest.mark.parametrize(
    "body", [{}, {"embeddings": []}, {"embeddings": 5}, {"predictions": [5]}, {"embedding": {"values": ["x"]}}]
)
def test_garbage_cannot_be_translated(body: Any) -> None:
    """No vector is made up."""
    with pytest.raises(Unreadable):
        answered("google_ai", "gemini-embedding-001", body, "embeddings")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"), ({"input": []}, "input"), ({"input": [1, 2]}, "input"), ({"input": [[1]]}, "input"),
        ({"input": ["a", 5]}, "input"), ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "encoding_format": "int8"}, "encoding_format"), ({"input": "a", "truncate": True}, "truncate"),
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(body: dict[str, Any], param: str) -> None:
    """By its member."""
    assert refused("google_ai", "gemini-embedding-001", body, "embeddings").param == param
