"""Embeddings: ``batchEmbedContents`` on the Gemini API; on Vertex ``embedContent``, or ``predict`` of older models."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.bridge.google.places import path_of
from gateway.bridge.interface import Translated, Unreadable, Wanted
from gateway.bridge.parameters import Wish, embedding_wish
from gateway.bridge.reading import decoded
from gateway.bridge.taking import Taking
from gateway.bridge.vectors import embeddings_of
from gateway.upstreams.vendors.dialect import Answer


def request_of(wanted: Wanted, body: dict[str, Any], *, is_vertex: bool) -> Translated:
    """The vendor's request; raises ``Unsupported`` or ``Invalid``."""
    wish = embedding_wish(Taking(body, wanted.vendor or "Google"), wanted.model)
    if not is_vertex:
        method, made = "batchEmbedContents", _batch_of(wish)
    elif "gemini" not in wish.model:
        method, made = "predict", _instances_of(wish)
    elif len(wish.texts) == 1:
        method, made = "embedContent", _content_of(wish, wish.texts[0])
    else:
        method, made = "batchEmbedContents", {"requests": [_content_of(wish, text) for text in wish.texts]}
    return Translated(path_of(wanted, method, is_vertex=is_vertex), orjson.dumps(made))


def answer_of(wanted: Wanted, body: bytes, answer: Answer) -> bytes:
    """OpenAI's list; raises ``Unreadable``."""
    response = decoded(body)
    if "embedding" in response:
        found = [response["embedding"]]
    elif "predictions" in response:
        found = [_inner(prediction, "embeddings") for prediction in _list_of(response["predictions"])]
    else:
        found = _list_of(response.get("embeddings", []))
    return embeddings_of(wanted, [_inner(entry, "values") for entry in found], answer)


def _batch_of(wish: Wish) -> dict[str, Any]:
    """Each request names the model again."""
    model = wish.model if "/" in wish.model else f"models/{wish.model}"
    limits = {} if wish.dimensions is None else {"outputDimensionality": wish.dimensions}
    return {"requests": [{"model": model, "content": {"parts": [{"text": text}]}, **limits} for text in wish.texts]}


def _content_of(wish: Wish, text: str) -> dict[str, Any]:
    made: dict[str, Any] = {"content": {"parts": [{"text": text}]}}
    if wish.dimensions is not None:
        made["embedContentConfig"] = {"outputDimensionality": wish.dimensions}
    return made


def _instances_of(wish: Wish) -> dict[str, Any]:
    made: dict[str, Any] = {"instances": [{"content": text} for text in wish.texts]}
    if wish.dimensions is not None:
        made["parameters"] = {"outputDimensionality": wish.dimensions}
    return made


def _list_of(value: Any) -> list[Any]:
    if not isinstance(value, list):
        message = "the embeddings are no list"
        raise Unreadable(message)
    return value


def _inner(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
