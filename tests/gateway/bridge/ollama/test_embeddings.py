"""Embeddings by ``/api/embed``."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.bridge.interface import Unreadable
from tests.gateway.bridge.telling import answered, refused, sent

MODEL = "all-minilm"


def test_texts_are_never_cut() -> None:
    """Ollama would, silently: it is told not to."""
    assert sent("ollama", MODEL, {"input": ["a", "b"], "dimensions": 5}, "embeddings") == {
        "model": MODEL,
        "input": ["a", "b"],
        "truncate": False,
        "dimensions": 5,
    }


def test_vectors_and_their_count() -> None:
    """As OpenAI's list."""
    body = {"model": MODEL, "embeddings": [[0.5], [1]], "total_duration": 5, "prompt_eval_count": 8}
    found = answered("ollama", MODEL, body, "embeddings")
    assert [entry["embedding"] for entry in found["data"]] == [[0.5], [1]]
    assert found["usage"] == {"prompt_tokens": 8, "total_tokens": 8}


@pytest.mark.parametrize("body", [{}, {"embeddings": []}, {"embeddings": [1.0]}, {"embeddings": [["x"]]}])
def test_garbage_cannot_be_translated(body: Any) -> None:
    """No vector is made up."""
    with pytest.raises(Unreadable):
        answered("ollama", MODEL, body, "embeddings")


def test_what_ollama_lacks_is_refused() -> None:
    """By its member."""
    assert refused("ollama", MODEL, {"input": "a", "keep_alive": 5}, "embeddings").param == "keep_alive"
