"""Embeddings as OpenAI's clients want them."""

from __future__ import annotations

import base64
import struct
from typing import Any

import orjson
import pytest

from gateway.bridge.interface import Unreadable
from gateway.bridge.vectors import embeddings_of
from gateway.upstreams.vendors.dialect import Answer
from sluice.money.usage import Usage
from tests.gateway.bridge.telling import wanted_of


def made(vectors: Any, *, wants_base64: bool = False) -> Any:
    """OpenAI's list of these vectors."""
    answer = Answer(usage=Usage(prompt_tokens=3))
    return orjson.loads(embeddings_of(wanted_of("m", "embeddings", wants_base64=wants_base64), vectors, answer))


def test_numbers_are_numbers_and_base64_is_their_32_bits() -> None:
    """The least byte first, as OpenAI's own SDK reads them."""
    assert [entry["embedding"] for entry in made([[0.5, -1]])["data"]] == [[0.5, -1]]
    found = made([[0.5, -1]], wants_base64=True)["data"][0]["embedding"]
    assert base64.b64decode(found) == struct.pack("<ff", 0.5, -1)
    assert made([[1]])["usage"] == {"prompt_tokens": 3, "total_tokens": 3}


@pytest.mark.parametrize("vectors", [[], [None], ["x"], [[True]], [["1"]], [[None]]])
def test_what_is_no_vector_cannot_be_translated(vectors: Any) -> None:
    """Nothing is made up."""
    with pytest.raises(Unreadable):
        made(vectors)


def test_numbers_that_do_not_fit_are_said_so() -> None:
    """Not cut silently to infinity."""
    with pytest.raises(Unreadable):
        made([[10**400]], wants_base64=True)
