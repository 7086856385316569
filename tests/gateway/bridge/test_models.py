"""The list of models: what a client may ask for, as far as the configuration names it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.bridge.errors import ModelUnknown
from gateway.bridge.models import list_body, model_body, models_of
from tests.gateway.test_exchange import a_snapshot


def known(**llm: Any) -> list[str]:
    """The models of an LLM that is configured so."""
    prices = [
        {"id": "1", "model": "gpt-4o", "prompt": "1", "response": "1"},
        {"id": "2", "model": "gpt-5*", "prompt": "1", "response": "1"},
        {"id": "3", "model": "o3", "aliases": ["o3-x"], "prompt": "1", "response": "1"},
        {"id": "4", "vendor": "anthropic", "model": "claude", "prompt": "1", "response": "1"},
    ]
    snapshot, found = a_snapshot(
        llms=[{"id": 1, "slug": "demo", "base_url": "http://x", **llm}],
        apps=[{"id": 1, "name": "t"}, {"id": 2, "name": "s"}],
        plugins=[],
        prices=prices,
    )
    return models_of(found, snapshot)


def test_without_an_allow_list_the_price_list_names_them() -> None:
    """Those of the vendor alone; patterns name nothing. The default is the first."""
    assert known() == ["gpt-4o", "o3", "o3-x"]
    assert known(default_model="o3") == ["o3", "gpt-4o", "o3-x"]
    assert known(default_model="own") == ["own", "gpt-4o", "o3", "o3-x"]


def test_an_allow_list_is_kept_to() -> None:
    """Names in it are listed, also with their points; patterns let the price list through."""
    assert known(allowed_models=["gpt-.*"]) == ["gpt-4o"]
    assert known(allowed_models=["gpt-4.1", "^a\\.b-c$", "meta/llama-3.3:x", "o[13]", "x.*"]) == [
        "a.b-c",
        "gpt-4.1",
        "meta/llama-3.3:x",
        "o3",
    ]
    assert known(allowed_models=["gpt-.*"], default_model="o3") == ["gpt-4o"]


def test_a_list_and_a_model_are_openais() -> None:
    """A model is found that is listed, or that a pattern stands for; no other."""
    snapshot, llm = a_snapshot()
    listed = json.loads(list_body(llm, snapshot))
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == ["gpt-4o-mini"]
    assert json.loads(model_body("gpt-anything", llm, snapshot)) == {
        "id": "gpt-anything",
        "object": "model",
        "created": 0,
        "owned_by": llm.vendor,
    }
    with pytest.raises(ModelUnknown):
        model_body("claude", llm, snapshot)
