"""Tests of ``sluice.sdk.serving.descriptions``."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from sluice.sdk import BasePlugin, ConfigProvider
from sluice.sdk.serving.descriptions import manifest_text, schema_text
from tests.sluice.sdk.serving.everything import Everything, Nothing


class Config(BaseModel):
    size: int


class WithModel(BasePlugin[Config]):
    name = "with_model"


class WithText(BasePlugin, ConfigProvider):
    name = "with_text"

    def get_config_schema(self) -> Any:
        return '{"type":"object"}'


def test_a_model_is_a_schema() -> None:
    """An author writes it once."""
    assert json.loads(schema_text(WithModel()))["properties"]["size"]["type"] == "integer"


def test_a_plugin_s_own_schema_counts_before_its_model_s() -> None:
    """Bytes, or text where the author gave text."""
    assert "greeting" in schema_text(Everything())
    assert schema_text(WithText()) == '{"type":"object"}'


def test_without_either_any_object_is_right() -> None:
    """As the protocol's plugins have it."""
    assert json.loads(schema_text(Nothing()))["additionalProperties"] is True


def test_a_manifest_is_the_plugin_s_own_or_none() -> None:
    """None is made up."""
    assert manifest_text(Everything()) == '{"id":"everything"}'
    assert manifest_text(Nothing()) == ""
