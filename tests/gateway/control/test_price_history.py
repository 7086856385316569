"""Tests of ``gateway.control.price_history``."""

from __future__ import annotations

from pathlib import Path

from gateway.control.entities import Actor
from gateway.control.opening import open_control, prepare
from gateway.control.price_history import past_prices
from gateway.settings import Settings

ACTOR = Actor("test")
VALUES = {
    "vendor": "openai",
    "model_name": "m",
    "prompt_nanos": 1,
    "response_nanos": 2,
    "cache_read_nanos": 1,
    "cache_write_nanos": 1,
    "tiers": [{"above_prompt_tokens": 7, "prompt_nanos": 9}],
    "aliases": ["n"],
}


async def test_every_state_of_a_price_is_there(tmp_path: Path) -> None:
    """As it was made, before and after each change, and as it was when it was deleted; the same values as then."""
    settings = Settings.model_validate({"data_dir": tmp_path})
    await prepare(settings)
    async with open_control(settings) as control:
        made = await control.store.prices.create(VALUES, ACTOR)
        changed = await control.store.prices.update(made.id, {"prompt_nanos": 5, "price_version": "2"}, ACTOR)
        await control.store.prices.delete(made.id, ACTOR)
        found = await past_prices(control.store.database)
    assert found == [made, made, changed, changed]
    assert found[0].tiers == ({"above_prompt_tokens": 7, "prompt_nanos": 9},)
