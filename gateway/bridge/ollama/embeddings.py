"""Embeddings by ``/api/embed``."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.bridge.interface import Translated, Wanted
from gateway.bridge.parameters import embedding_wish
from gateway.bridge.reading import decoded
from gateway.bridge.taking import Taking
from gateway.bridge.vectors import embeddings_of
from gateway.upstreams.vendors.dialect import Answer


def request_of(wanted: Wanted, body: dict[str, Any]) -> Translated:
    """The vendor's request; a text that is too long is refused as OpenAI does, not cut. Raises ``Unsupported`` or
    ``Invalid``."""
    wish = embedding_wish(Taking(body, wanted.vendor or "Ollama"), wanted.model)
    made: dict[str, Any] = {"model": wish.model, "input": wish.texts, "truncate": False}
    if wish.dimensions is not None:
        made["dimensions"] = wish.dimensions
    return Translated("/api/embed", orjson.dumps(made))


def answer_of(wanted: Wanted, body: bytes, answer: Answer) -> bytes:
    """OpenAI's list; raises ``Unreadable``."""
    found = decoded(body).get("embeddings")
    return embeddings_of(wanted, found if isinstance(found, list) else [], answer)
