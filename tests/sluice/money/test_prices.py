"""Tests of ``sluice.money.prices``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.money.base_prices import read_base_prices
from sluice.money.prices import Price, PriceTable
from sluice.money.rates import CLASSES, Tier, rates_of


def price(model: str, *, vendor: str = "openai", valid_from: int = 0, prompt_nanos: int = 1) -> Price:
    """A price row named after its model and moment."""
    return Price(f"{model}@{valid_from}", "1", vendor, model, "USD", prompt_nanos, 2, 1, 1, valid_from)


def found(table: PriceTable, model: str, at_micros: int = 100) -> str | None:
    """The id of the row found."""
    row = table.find("openai", model, at_micros)
    return row.id if row else None


def test_the_exact_name_wins_then_the_longest_glob() -> None:
    """An exact row beats every glob, and a longer pattern a shorter one, whatever their order in the table."""
    table = PriceTable([price("*"), price("gpt-4o"), price("gpt-4o-*"), price("gpt-*")])
    assert found(table, "gpt-4o") == "gpt-4o@0"
    assert found(table, "gpt-4o-mini") == "gpt-4o-*@0"
    assert found(table, "gpt-5") == "gpt-*@0"
    assert found(table, "other") == "*@0"


def test_the_newest_row_that_was_valid_is_found() -> None:
    """A row holds from its moment on, that moment included, until the next one."""
    table = PriceTable([price("m", valid_from=10), price("m", valid_from=30), price("m", valid_from=20)])
    assert [found(table, "m", at) for at in (9, 10, 19, 20, 30, 99)] == [None, "m@10", "m@10", "m@20", "m@30", "m@30"]


def test_a_glob_holds_until_the_exact_row_does() -> None:
    """Before an exact row becomes valid, the glob that matches is the price."""
    table = PriceTable([price("m", valid_from=10), price("m*")])
    assert found(table, "m", 9) == "m*@0"
    assert found(table, "m", 10) == "m@10"


def test_vendors_do_not_share_prices() -> None:
    """A row is for one vendor, also where its pattern would match."""
    table = PriceTable([price("*", vendor="other")])
    assert found(table, "m") is None


def test_a_name_is_matched_whole_and_exactly() -> None:
    """A glob matches from the first to the last character, upper and lower case apart."""
    table = PriceTable([price("gpt-?")])
    assert found(table, "gpt-4") == "gpt-?@0"
    assert found(table, "gpt-4o") is None
    assert found(table, "GPT-4") is None
    assert found(table, "gpt-4\n") is None


def test_asking_again_gives_the_same_row() -> None:
    """What is remembered is what was found, also after more models were asked for than are remembered."""
    table = PriceTable([price("m*")])
    first = table.find("openai", "m1", 5)
    for number in range(3000):
        assert table.find("openai", f"m{number}", 5) is first
    assert table.find("openai", "m1", 5) is first
    assert len(table._remembered) <= 1024


def test_long_names_are_not_remembered() -> None:
    """A client cannot fill the memory with the names of models."""
    table = PriceTable([price("m*")])
    assert found(table, "m" * 10_000) == "m*@0"
    assert not table._remembered


def test_ambiguous_rows_are_refused() -> None:
    """Two rows for one name and one moment are refused, both named."""
    with pytest.raises(ValueError, match="'m@5' and 'm@5'"):
        PriceTable([price("m", valid_from=5), price("m", valid_from=5)])


def test_negative_prices_are_refused() -> None:
    """A price is zero or more, of whatever it is the price."""
    with pytest.raises(ValueError, match="negative"):
        price("m", prompt_nanos=-1)
    row = price("m")
    changes: list[Callable[[], Price]] = [
        lambda: replace(row, cache_write_1h_nanos=-1),
        lambda: replace(row, audio_prompt_nanos=-1),
        lambda: replace(row, image_response_nanos=-1),
        lambda: replace(row, request_nanos=-1),
        lambda: replace(row, tool_request_nanos=-1),
    ]
    for change in changes:
        with pytest.raises(ValueError, match="negative"):
            change()


@pytest.mark.parametrize("percent", [-1, 101])
def test_a_batch_pays_a_part(percent: int) -> None:
    """Of 0 to 100 percent."""
    with pytest.raises(ValueError, match="batch_percent"):
        replace(price("m"), batch_percent=percent)


def test_a_class_without_a_price_has_a_nearer_ones() -> None:
    """Never zero: an hour's write the write's, sound and images their side's."""
    rates = Price("p", "1", "openai", "m", "USD", 5, 9, 1, 6).rates
    assert (rates.cache_write_1h, rates.audio_prompt, rates.image_prompt) == (6, 5, 5)
    assert (rates.audio_response, rates.image_response) == (9, 9)
    assert (rates.dearest_prompt, rates.dearest_response) == (6, 9)


@given(st.lists(st.none() | st.integers(0, 9), min_size=9, max_size=9))
def test_a_rows_rates_are_those_of_its_classes(nanos: list[int | None]) -> None:
    """The same fallback, written twice for speed."""
    prompt, response, read, write, write_1h, audio, audio_out, image, image_out = nanos
    row = Price("p", "1", "openai", "m", "USD", prompt or 0, response or 0, read or 0, write or 0, 0,
                write_1h, audio, audio_out, image, image_out)  # fmt: skip
    given = {name: value or 0 if at < 4 else value for at, (name, value) in enumerate(zip(CLASSES, nanos, strict=True))}
    assert row.rates == rates_of(given)


def test_tiers_are_in_order_of_size() -> None:
    """However they were given; each begins above its size."""
    low, high = Tier(10, rates_of({"prompt": 2})), Tier(20, rates_of({"prompt": 3}))
    row = replace(price("m"), tiers=(high, low))
    assert [row.rates_for(tokens).prompt for tokens in (0, 10, 11, 20, 21)] == [1, 1, 2, 2, 3]


@pytest.mark.parametrize(
    ("hours", "seconds"),
    [((3600, 7200), {3599: False, 3600: True, 7199: True, 7200: False}),
     ((79_200, 3600), {79_199: False, 79_200: True, 0: True, 3599: True, 3600: False})],
)  # fmt: skip
def test_a_price_may_hold_for_hours(hours: tuple[int, int], seconds: dict[int, bool]) -> None:
    """Of each day in UTC, also across midnight."""
    row = replace(price("m"), hours=hours)
    day = 86_400 * 20_000
    assert {second: row.holds_at((day + second) * 1_000_000) for second in seconds} == seconds


def test_an_alias_is_a_name() -> None:
    """Exact or a glob; the newest that names a model holds, and of one moment its own row before another's alias."""
    other = replace(price("other"), aliases=("m", "deployment-*"))
    table = PriceTable([other, price("*")])
    assert found(table, "m") == found(table, "deployment-7") == found(table, "other") == "other@0"
    assert found(table, "n") == "*@0"
    assert found(PriceTable([other, price("m")]), "m") == "m@0"
    assert found(PriceTable([replace(other, valid_from=7), price("m")]), "m") == "other@0"


def test_own_rows_lie_over_the_base_table() -> None:
    """A glob of one's own too; where none has begun the base table's holds."""
    base = read_base_prices()
    at = 1_760_000_000_000_000
    found_base = base.find("openai", "gpt-4o")[-1]
    assert PriceTable([], base).find("openai", "gpt-4o", at) is found_base
    own = price("gpt-*")
    assert PriceTable([own], base).find("openai", "gpt-4o", at) is own
    assert PriceTable([replace(own, valid_from=at + 1)], base).find("openai", "gpt-4o", at) is found_base
    table = PriceTable([own], base)
    assert table.candidates("openai", "gpt-4o")[0] is own
    assert table.by_id("base:openai/gpt-4o") in base.find("openai", "gpt-4o")
    assert table.by_id("gpt-*@0") is own
    assert PriceTable([own]).by_id("base:openai/gpt-4o") is None
