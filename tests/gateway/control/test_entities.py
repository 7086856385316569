"""Entities as values: what every kind has, and what never shows."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest

from gateway.control.entities import Changes, Entities, LlmEntity, Page, TokenEntity
from gateway.control.specs import SPECS


def test_secrets_do_not_show() -> None:
    """Neither a vendor key nor a token's hash is in the text of an entity, so no log can have it by accident."""
    llm = LlmEntity(id=1, slug="a", name="a", vendor="openai", endpoint="https://host/v1", api_key="hush")
    token = TokenEntity(id=1, app_id=1, sha256="hush")
    assert "hush" not in f"{llm!r}{token!r}{Entities(llms={1: llm}, tokens={1: token})!r}"


def test_entities_do_not_change() -> None:
    """What a snapshot shares with the store cannot be assigned to."""
    with pytest.raises(FrozenInstanceError):
        TokenEntity(id=1, app_id=1, sha256="x").name = "y"  # type: ignore[misc]


def test_there_is_a_field_for_every_kind() -> None:
    """``Entities`` and ``Changes`` have the generation and one field for each kind, and are empty by default."""
    for whole in (Entities, Changes):
        names = {field.name for field in fields(whole)}
        assert names == {"generation", *(spec.plural for spec in SPECS.values())}
    assert (Entities().generation, Page([1], 2).items) == (0, [1])
