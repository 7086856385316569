"""Tests of ``sluice.money.base_source``: the library's data, as the base table reads it."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from genai_prices import Usage as LibraryUsage
from genai_prices.data import providers
from genai_prices.types import ModelInfo, Provider
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.clock import micros_of
from sluice.money.base_prices import PACKAGED, BasePrices, BasePricesError
from sluice.money.base_source import file_lines, packaged_lines, write_packaged
from sluice.money.cost import cost_nanos
from sluice.money.prices import PriceTable
from sluice.money.usage import Usage

ROOT = PACKAGED.parents[2]
DAY = "2026-11-26"
TABLE = PriceTable([], BasePrices(packaged_lines(DAY)))
MOMENTS = [datetime(2025, 1, 15, 12, tzinfo=UTC), datetime(2026, 11, 20, 3, 30, tzinfo=UTC)]
COUNTS = [(1_000_000, 0, 0), (0, 1_000_000, 0), (300_000, 2_000, 100_000), (1_001, 7, 1_000)]


def document(**prices: Any) -> list[dict[str, Any]]:
    """A data file with one model."""
    found = {"id": "m", "match": {"equals": "m"}, "prices": prices or {"input_mtok": 1.5, "output_mtok": 3}}
    return [{"id": "openai", "name": "OpenAI", "api_pattern": "https://api", "models": [found]}]


def converted(raw: object) -> BasePrices:
    """The table of a data file."""
    return BasePrices(file_lines(json.dumps(raw).encode(), DAY))


def test_the_packaged_file_is_what_the_library_says(tmp_path: Path) -> None:
    """But for the day; where this fails, `make prices` makes it anew."""
    copy = tmp_path / "prices"
    copy.write_text(PACKAGED.read_text())
    assert write_packaged(DAY, copy) == "nothing changed"
    copy.write_text("old")
    assert write_packaged(DAY, copy) == str(copy)
    assert copy.read_text().splitlines()[1:] == PACKAGED.read_text().splitlines()[1:]


def test_only_one_module_imports_the_library() -> None:
    """Another one would load 20 MiB into every gateway."""
    found = {
        str(path.relative_to(ROOT))
        for folder in ("sluice", "gateway", "collectors", "schemas")
        for path in (ROOT / folder).rglob("*.py")
        if "genai_prices" in path.read_text()
    }
    assert found == {"sluice/money/base_source.py"}


def known(provider: Provider) -> list[ModelInfo]:
    """Models whose prices have classes of tokens alone."""
    classes = {"input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok"}
    found = []
    for model in provider.models:
        keys = {key for at in MOMENTS for key, value in vars(model.get_prices(at)).items() if value is not None}
        if {"input_mtok", "output_mtok"} <= keys <= classes:
            found.append(model)
    return found


@pytest.mark.parametrize("provider", providers, ids=lambda provider: provider.id)
def test_costs_are_those_of_the_library(provider: Provider) -> None:
    """Of every model that is priced by classes of tokens alone, at several moments, to the nano."""
    for model in known(provider):
        for at in MOMENTS:
            rows = next((rows for rows in _rows(provider) if rows[0].model == model.id), ())
            price = next(row for row in rows if row.holds_at(micros_of(at)))
            for prompt, response, read in COUNTS:
                theirs = model.calc_price(
                    LibraryUsage(input_tokens=prompt, output_tokens=response, cache_read_tokens=read),
                    provider,
                    genai_request_timestamp=at,
                ).total_price
                ours = cost_nanos(price, Usage(prompt, response, read))
                assert abs(Decimal(ours) - theirs * 10**9) <= Decimal("0.5"), (model.id, at)


def _rows(provider: Provider) -> list[tuple[Any, ...]]:
    base = TABLE.base
    assert base is not None
    section = base._section(provider.id)
    return [] if section is None else list(section.models())


def test_a_data_file_is_a_table() -> None:
    """With a version of its own, made of what is in it and of the day."""
    found = converted(document())
    assert found.version.startswith("genai-prices-file-")
    assert found.version.endswith(DAY)
    (price,) = found.find("openai", "m")
    assert (price.prompt_nanos, price.response_nanos) == (1_500_000_000, 3_000_000_000)
    assert converted(document(input_mtok=2)).version != found.version


@pytest.mark.parametrize(
    ("prices", "found"),
    [
        ({"input_mtok": 1}, (10**9, 10**9, 0, 0)),
        ({"input_mtok": 0, "output_mtok": 0}, (0, 0, 0, 0)),
        ({"input_mtok": 1, "output_mtok": 2, "requests_kcount": 5}, (10**9, 2 * 10**9, 5_000_000, 0)),
        ({"input_mtok": 1, "output_mtok": 2, "web_searches_kcount": 14}, (10**9, 2 * 10**9, 0, 14_000_000)),
        ({"input_mtok": 1, "output_mtok": 2, "audio_hours": 9}, (10**9, 2 * 10**9, 0, 0)),
    ],
)
def test_prices_are_nanos(prices: dict[str, Any], found: tuple[int, ...]) -> None:
    """A response without a price costs what the prompt does; what our usage has no count for is left out."""
    (price,) = converted(document(**prices)).find("openai", "m")
    assert (price.prompt_nanos, price.response_nanos, price.request_nanos, price.tool_request_nanos) == found


def test_what_is_priced_by_other_units_alone_has_no_price() -> None:
    """It is not free: nobody knows what it costs here."""
    raw = document(audio_hours=1)
    raw[0]["models"].append({"id": "n", "match": {"equals": "n"}, "prices": {"input_mtok": 1}})
    raw[0]["models"].append({"id": "empty", "match": {"equals": "empty"}, "prices": {}})
    raw[0]["models"].append({"id": "e:free", "match": {"equals": "e:free"}, "prices": {}})
    found = converted(raw)
    assert [bool(found.find("openai", name)) for name in ("m", "n", "empty", "e:free")] == [False, True, False, True]
    assert found.find("openai", "e:free")[0].rates.dearest_prompt == 0


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b"null", b"7", b"[7]", b'[{"id": "openai"}]', b"\xff", b"[" * 100_000,
     json.dumps(document(input_mtok=-1)).encode(), json.dumps(document(input_mtok="free")).encode(),
     json.dumps(document(input_mtok=10**12)).encode(), b'[{"id":"o","name":"o","api_pattern":"x","models":[]}]',
     json.dumps(document(input_mtok={"base": 1, "tiers": [{"start": -5, "price": 2}]})).encode(),
     json.dumps(document()).replace('"equals"', '"regex"').replace('"m"}', '"("}').encode()],
    ids=range(16),
)  # fmt: skip
def test_a_bad_file_is_refused(content: bytes) -> None:
    """Whatever is wrong with it, in a line that says so."""
    with pytest.raises(BasePricesError) as refused:
        file_lines(content, DAY)
    assert "\n" not in str(refused.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300)
@given(st.lists(st.integers(0, 5), max_size=7), st.integers(0, 9), JSON)
def test_whatever_a_file_says_it_is_a_table_or_refused(path: list[int], at: int, value: Any) -> None:
    """Anything in the place of anything; no other error comes of it."""
    raw: Any = document()
    raw[0]["models"][0]["prices"] = [
        {"prices": {"input_mtok": {"base": 1, "tiers": [{"start": 5, "price": 2}]}, "output_mtok": 3}},
        {"constraint": {"start_date": "2026-01-01"}, "prices": {"input_mtok": 2}},
        {"constraint": {"start_time": "01:00:00", "end_time": "03:00:00"}, "prices": {"input_mtok": 2}},
    ]
    place = raw
    for step in path:
        inner = [
            each for each in (place.values() if isinstance(place, dict) else place) if isinstance(each, dict | list)
        ]
        place = inner[step % len(inner)] if inner else place
    keys = list(place) if isinstance(place, dict) else list(range(len(place)))
    place[keys[at % len(keys)]] = value
    with suppress(BasePricesError):
        assert BasePrices(file_lines(json.dumps(raw).encode(), DAY)).check()
