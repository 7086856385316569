"""Tests of ``sluice.money.rates``."""

from __future__ import annotations

import pytest

from sluice.money.rates import CLASSES, NEARER, rates_of, tier_rates


def test_every_class_falls_back_to_one_before_it() -> None:
    """In the end to the prompt's price; so that a class that nobody priced is not free."""
    for name, nearer in NEARER.items():
        assert CLASSES.index(nearer) < CLASSES.index(name)
    assert {getattr(rates_of({"prompt": 7}), name) for name in CLASSES} == {7}


@pytest.mark.parametrize("name", CLASSES)
def test_zero_is_a_price(name: str) -> None:
    """What is given holds, and zero is given."""
    assert getattr(rates_of({**dict.fromkeys(CLASSES, 5), name: 0}), name) == 0


@pytest.mark.parametrize("name", CLASSES)
def test_below_zero_is_none(name: str) -> None:
    """Of any class."""
    with pytest.raises(ValueError, match="negative"):
        rates_of({**dict.fromkeys(CLASSES, 5), name: -1})


def test_a_tier_keeps_what_it_does_not_name() -> None:
    """But what cost as much as the prompt does so in the tier too."""
    row = {"prompt": 10, "response": 10, "cache_read": 10, "cache_write": 12, "cache_write_1h": None}
    rates = tier_rates(row, {"prompt": 20})
    assert (rates.prompt, rates.response, rates.cache_read, rates.cache_write) == (20, 10, 20, 12)
    assert (rates.cache_write_1h, rates.audio_prompt, rates.audio_response) == (12, 20, 10)
    assert tier_rates(row, {"response": 99}).prompt == 10
