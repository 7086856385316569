"""Embeddings by ``invoke``: Titan's one text at a time, Cohere's lists of them."""

from __future__ import annotations

from typing import Any, Final

import orjson

from gateway.bridge.bedrock.request import model_path
from gateway.bridge.interface import Translated, Wanted
from gateway.bridge.parameters import embedding_wish
from gateway.bridge.reading import decoded
from gateway.bridge.taking import Taking
from gateway.bridge.vectors import embeddings_of
from gateway.upstreams.vendors.dialect import Answer

_MAX_TEXTS: Final = 96
_PURPOSES: Final = ("search_document", "search_query", "classification", "clustering")


def request_of(wanted: Wanted, body: dict[str, Any]) -> Translated:
    """The vendor's request; raises ``Unsupported`` or ``Invalid``."""
    taking = Taking(body, wanted.vendor or "Bedrock")
    if "amazon.titan-embed-text" in wanted.model:
        made = _titan(taking, wanted.model)
    elif "cohere.embed" in wanted.model:
        made = _cohere(taking, wanted.model)
    else:
        taking.refuse("model", f"embeddings of {wanted.model!r}", "ask amazon.titan-embed-text or cohere.embed")
    return Translated(model_path(wanted.model, "invoke"), orjson.dumps(made))


def _titan(taking: Taking, model: str) -> dict[str, Any]:
    wish = embedding_wish(taking, model)
    if len(wish.texts) > 1:
        taking.refuse("input", "request with more than one text to this model", "send one text in each request")
    made: dict[str, Any] = {"inputText": wish.texts[0]}
    if wish.dimensions is not None:
        if "-v2" not in model:
            taking.refuse("dimensions", f"choice of dimensions in {model}")
        made["dimensions"] = wish.dimensions
    return made


def _cohere(taking: Taking, model: str) -> dict[str, Any]:
    """Cohere wants to know what the vectors are for, which OpenAI never asks: documents, unless ``input_type`` says."""
    purpose = taking.text("input_type") or _PURPOSES[0]
    if purpose not in _PURPOSES:
        taking.fail("input_type", "one of " + ", ".join(_PURPOSES))
    wish = embedding_wish(taking, model)
    if len(wish.texts) > _MAX_TEXTS:
        taking.refuse("input", f"request with more than {_MAX_TEXTS} texts", "send fewer in each request")
    made: dict[str, Any] = {"texts": wish.texts, "input_type": purpose, "embedding_types": ["float"]}
    if wish.dimensions is not None:
        if "embed-v4" not in model:
            taking.refuse("dimensions", f"choice of dimensions in {model}")
        made["output_dimension"] = wish.dimensions
    return made


def answer_of(wanted: Wanted, body: bytes, answer: Answer) -> bytes:
    """OpenAI's list; raises ``Unreadable``."""
    response = decoded(body)
    found = [response["embedding"]] if "embedding" in response else response.get("embeddings")
    if isinstance(found, dict):
        found = found.get("float")
    return embeddings_of(wanted, found if isinstance(found, list) else [], answer)
