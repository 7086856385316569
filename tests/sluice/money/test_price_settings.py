"""Tests of ``sluice.money.price_settings``: what the file says is what is charged."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.control.file_entities import _price as entity_of
from gateway.snapshot_builder import price_table
from sluice.money.price_settings import PriceSettings, price_of
from sluice.money.prices import PriceTable

ROWS: list[dict[str, Any]] = [
    {"id": "p", "model": "gpt-4o", "prompt": "2.5", "response": "10"},
    {"id": "p", "vendor": "anthropic", "model": "claude-*", "aliases": ["c", "d-*"], "currency": "EUR", "prompt": "3",
     "response": "15", "cache_read": "0", "cache_write": "3.75", "cache_write_1h": "6", "valid_from": "2026-11-01",
     "tiers": [{"above_prompt_tokens": 200_000, "prompt": "6"}], "batch_percent": 50, "per_request": "0.001",
     "per_tool_request": "0.01"},
    {"id": "p", "model": "voice", "prompt": "1", "response": "2", "audio_prompt": "9", "audio_response": "8",
     "image_prompt": "7", "image_response": "6", "tiers": [{"above_prompt_tokens": 9, "audio_prompt": "10"}]},
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_it_is_the_price_that_the_gateway_charges_by(row: dict[str, Any]) -> None:
    """Both ways from the file to a price end in the same one: through the control database, and for jobs."""
    settings = PriceSettings.model_validate(row)
    assert PriceTable([price_of(settings, "7")]).rows == price_table([entity_of(-1, settings, "7")]).rows


@pytest.mark.parametrize(
    "change",
    [{"prompt": "-1"}, {"prompt": 0.5}, {"id": "base:x"}, {"currency": "usd"}, {"tiers": [{"above_prompt_tokens": 1}]},
     {"batch_percent": 101}, {"unknown": 1}],
)  # fmt: skip
def test_what_is_no_price_is_refused(change: dict[str, Any]) -> None:
    """When it is read, not when it is charged."""
    with pytest.raises(ValidationError):
        PriceSettings.model_validate({**ROWS[0], **change})
