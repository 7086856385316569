"""Tests of ``gateway.control.admin.price_rows``."""

from __future__ import annotations

from dataclasses import replace

from gateway.control.admin.price_rows import differences, explain, holding, price_row
from sluice.money.base_prices import read_base_prices
from sluice.money.prices import Price, PriceTable
from sluice.money.rates import Tier, rates_of

NOW = 1_780_000_000_000_000


def price(model: str, *, at: int = 0, prompt: int = 2_500_000_000) -> Price:
    """Named after its model and moment."""
    return Price(f"{model}@{at}", "1", "openai", model, "USD", prompt, 10_000_000_000, prompt, prompt, at)


def test_a_row_shows_what_it_says_of_its_own() -> None:
    """Decimal text for a million tokens; not what only repeats a nearer class's price."""
    plain = price_row(price("m"))
    assert plain == {
        "source": "own", "id": "m@0", "price_version": "1", "vendor": "openai", "model": "m", "currency": "USD",
        "prompt": "2.5", "response": "10", "valid_from": "1970-01-01T00:00:00.000000Z",
    }  # fmt: skip
    rich = replace(
        price("m"), cache_read_nanos=0, cache_write_1h_nanos=1, request_nanos=5_000_000, tool_request_nanos=10**7,
        tiers=(Tier(200, rates_of({"prompt": 10**9})),), batch_percent=50, aliases=("n",), hours=(1800, 59_400),
    )  # fmt: skip
    assert {name: value for name, value in price_row(rich).items() if name not in plain} == {
        "cache_read": "0", "cache_write_1h": "0.000000001", "per_request": "0.005", "per_tool_request": "0.01",
        "tiers": [{"above_prompt_tokens": 200, "prompt": "1", "response": "1"}], "batch_percent": 50,
        "aliases": ["n"], "hours": "00:30 to 16:30 UTC",
    }  # fmt: skip
    batch = price_row(replace(price("m"), batch=price("m", prompt=1)))["batch"]
    assert batch == {"prompt": "0.000000001", "response": "10"}


def test_each_row_has_its_reason() -> None:
    """The one that holds first, then why the others do not."""
    base = read_base_prices()
    alias = replace(price("other"), aliases=("gpt-4o",), id="alias")
    rows = [price("gpt-4o", at=5), price("gpt-4o"), price("gpt-4o", at=NOW + 1), price("gpt-*"), price("*"), alias]
    found = explain(PriceTable(rows, base), "openai", "gpt-4o", NOW)
    assert [row["holds"] for row in found] == [True, *[False] * (len(found) - 1)]
    reasons = {row["id"]: row["why"] for row in found}
    assert reasons["gpt-4o@5"] == "it names the model, and it is the newest that has begun"
    assert reasons["gpt-4o@0"] == reasons["alias"] == "began before gpt-4o@5"
    assert reasons[f"gpt-4o@{NOW + 1}"].startswith("begins at 2026-")
    assert reasons["gpt-*@0"] == "is a glob, and gpt-4o@5 names the model"
    assert reasons["base:openai/gpt-4o"] == "is of the base table, and gpt-4o@5 is a row of your own"


def test_who_holds_says_why() -> None:
    """A glob, an alias, the base table, some hours."""
    base = read_base_prices()

    def why(rows: list[Price], vendor: str, model: str) -> list[str]:
        return [row["why"] for row in explain(PriceTable(rows, base), vendor, model, NOW)]

    globs = why([price("gpt-*"), price("*")], "openai", "gpt-x")
    assert globs[0].startswith("its glob 'gpt-*' matches")
    assert globs[1] == "is a shorter glob than gpt-*@0's"
    aliased = why([replace(price("o"), aliases=("m",))], "openai", "m")
    assert aliased[0].startswith("the model is one of its aliases")
    hourly = why([], "deepseek", "deepseek-chat")
    assert hourly[0] == "no row of your own holds, and the base table knows the model"
    assert " only" in hourly[1]
    assert why([], "azure", "gpt-4o")[0] == hourly[0]
    assert why([], "openai", "of-nobody") == []


def test_one_row_of_each_name_holds() -> None:
    """The newest that has begun, also of a glob."""
    rows = [price("m"), price("m", at=5), price("m", at=NOW + 1), price("m*"), price("m*", at=5)]
    table = PriceTable(rows)
    assert {row["id"]: row["holds"] for row in holding(table, table.rows, NOW)} == {
        "m@0": False, "m@5": True, f"m@{NOW + 1}": False, "m*@0": False, "m*@5": True,
    }  # fmt: skip


def test_two_lists_differ_by_id() -> None:
    """Added, removed, changed field by field; a version alone is no difference."""
    before = [price("a"), price("b"), price("c")]
    after = [replace(price("a"), version="2"), replace(price("b"), prompt_nanos=10**9), price("d")]
    changed, removed, added = differences(before, after)
    assert (changed["id"], changed["change"]) == ("b@0", "changed")
    assert changed["fields"]["prompt"] == {"from": "2.5", "to": "1"}
    assert (removed["id"], removed["change"], removed["prompt"]) == ("c@0", "removed", "2.5")
    assert (added["id"], added["change"]) == ("d@0", "added")
    assert differences(before, before) == []
