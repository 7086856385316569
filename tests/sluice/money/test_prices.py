"""Tests of ``sluice.money.prices``."""

from __future__ import annotations

import pytest

from sluice.money.prices import Price, PriceTable


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
    """A price is zero or more."""
    with pytest.raises(ValueError, match="negative"):
        price("m", prompt_nanos=-1)
