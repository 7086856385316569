"""Views of entities: no field of an entity is forgotten, and no secret is shown."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from gateway.control.api.views import (
    AppView,
    LlmView,
    PluginView,
    PriceView,
    TokenView,
    key_source,
    token_price,
)
from gateway.control.entities import AppEntity, LlmEntity, PluginEntity, PriceEntity, TokenEntity

SHOWN_OTHERWISE = {
    LlmEntity: {"api_key": "api_key_set", "attachments": "plugin_ids"},
    TokenEntity: {"sha256": "prefix"},
    PriceEntity: {
        "prompt_nanos": "cpit",
        "response_nanos": "cpt",
        "cache_read_nanos": "cache_read_pt",
        "cache_write_nanos": "cache_write_pt",
        "cache_write_1h_nanos": "cache_write_1h_pt",
        "audio_prompt_nanos": "audio_prompt_pt",
        "audio_response_nanos": "audio_response_pt",
        "image_prompt_nanos": "image_prompt_pt",
        "image_response_nanos": "image_response_pt",
        "request_nanos": "request_price",
        "tool_request_nanos": "tool_request_price",
    },
}


@pytest.mark.parametrize(
    ("entity", "view"),
    [
        (LlmEntity, LlmView),
        (AppEntity, AppView),
        (TokenEntity, TokenView),
        (PriceEntity, PriceView),
        (PluginEntity, PluginView),
    ],
)
def test_every_field_of_an_entity_is_shown(entity: Any, view: Any) -> None:
    """Under its own name, or under the one that stands here; a new field must be thought of."""
    others = SHOWN_OTHERWISE.get(entity, {})
    shown = set(view.model_fields)
    assert {others.get(each.name, each.name) for each in fields(entity)} <= shown
    shown_tokens = {"token"} if view is PluginView else set()  # of which a plugin's says only where it is found
    assert shown & {"api_key", "sha256", "token"} == shown_tokens


@pytest.mark.parametrize(
    ("key", "source"),
    [("", None), ("sk-x", "stored"), ("env:KEY", "env:KEY"), ("file:/a/b", "file"), ("environment", "stored")],
)
def test_a_key_says_where_it_is_found(key: str, source: str | None) -> None:
    """Never what it is."""
    assert key_source(key) == source


@pytest.mark.parametrize(
    ("nanos", "shown"),
    [
        (0, "0"),
        (600_000_000, "0.0000006"),
        (1, "0.000000000000001"),
        (10**15, "1"),
        (15 * 10**14, "1.5"),
        (2**63 - 1, "9223.372036854775807"),
    ],
)
def test_a_price_is_of_one_token(nanos: int, shown: str) -> None:
    """Exactly, in the shortest plain decimal."""
    assert token_price(nanos) == shown
