"""Tests of ``collectors.jobs.reprice.prices``: by which list, and of which version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from collectors.jobs.interface import UsageError
from collectors.jobs.reprice.prices import Prices, load_prices, rows_of_answer
from collectors.settings import ControlSettings, HostSettings
from gateway.control.api.views import PriceView
from gateway.control.entities import PriceEntity
from gateway.snapshot_builder import price_table
from sluice.money.base_prices import read_base_prices
from sluice.money.prices import PriceTable
from tests.integration.stack import write_yaml

ROW: dict[str, Any] = {"id": "p", "model": "gpt-4o", "prompt": "2.5", "response": "10"}


async def load(folder: Path, wanted: str, version: str) -> Prices:
    """With the settings of a folder."""
    host = HostSettings(data_dir=folder)
    return await load_prices(wanted, version, folder / "sluice.yaml", host, ControlSettings())


async def test_the_rows_of_a_file_stand_above_the_base_table(tmp_path: Path) -> None:
    """As in the gateway; unless the file wants none."""
    path = write_yaml(tmp_path / "sluice.yaml", {"price_version": "9", "prices": [ROW], "gateway": {"id": "x"}})
    table = (await load(tmp_path, str(path), "9")).table
    found = [table.find("openai", model, 1) for model in ("gpt-4o", "gpt-4o-mini")]
    assert [price.id if price else None for price in found] == ["p", "base:openai/gpt-4o-mini"]
    path = write_yaml(tmp_path / "sluice.yaml", {"price_version": "9", "prices": [ROW], "prices_base": "none"})
    assert (await load(tmp_path, str(path), "9")).table.find("openai", "gpt-4o-mini", 1) is None


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"price_version": "8", "prices": [ROW]}, "has price_version '8'"),
        ({"price_version": "9", "prices": [ROW, ROW]}, "from the same moment"),
        ({"price_version": "9", "prices": [{**ROW, "prompt": "-1"}]}, "below zero"),
        ({"price_version": "9", "prices": [{"id": "p"}]}, "model"),
    ],
)
async def test_a_file_of_another_version_or_without_sense_is_refused(
    tmp_path: Path, document: dict[str, Any], says: str
) -> None:
    """By name, before anything is read."""
    path = write_yaml(tmp_path / "sluice.yaml", document)
    with pytest.raises(UsageError, match=says):
        await load(tmp_path, str(path), "9")


async def test_the_base_table_is_asked_for_by_its_version(tmp_path: Path) -> None:
    """The host's, or a file; one that is damaged is refused."""
    version = read_base_prices().version
    assert (await load(tmp_path, "base", version)).table.find("openai", "gpt-4o", 1) is not None
    assert (await load(tmp_path, "base", "")).version == version, "it has one of its own, so none need be named"
    with pytest.raises(UsageError, match="ask for what it is"):
        await load(tmp_path, "base", "1")
    (tmp_path / "table.jsonl").write_text("{}")
    with pytest.raises(UsageError, match="no table of base prices"):
        await load(tmp_path, str(tmp_path / "table.jsonl"), "1")


async def test_without_a_control_api_there_is_nothing_to_ask(tmp_path: Path) -> None:
    """The message says which key is missing."""
    with pytest.raises(UsageError, match=r"control\.url"):
        await load(tmp_path, "control", "1")


def test_rows_of_the_api_are_the_prices_that_the_gateway_has() -> None:
    """Exactly, through decimal text of one token."""
    entity = PriceEntity(
        id=3, key="price-3", price_version="4", vendor="openai", model_name="gpt-*", currency="EUR",
        prompt_nanos=2_500_000_001, response_nanos=10**18 + 7, cache_read_nanos=1, cache_write_nanos=0,
        valid_from=1_764_000_000_000_001, cache_write_1h_nanos=5, audio_prompt_nanos=7, request_nanos=9,
        tool_request_nanos=11, tiers=({"above_prompt_tokens": 9, "prompt_nanos": 13},), batch_percent=50,
        aliases=("a",),
    )  # fmt: skip
    rows = rows_of_answer([PriceView.of(entity).model_dump(mode="json")])
    assert PriceTable(rows).rows == price_table([entity]).rows


@pytest.mark.parametrize("row", [{}, {"key": "k"}, {"key": "k", "cpit": 5}])
def test_what_is_no_row_is_named(row: dict[str, Any]) -> None:
    """An API of another form answers otherwise."""
    with pytest.raises(ValueError, match="is no price"):
        rows_of_answer([row])


def test_a_list_is_known_by_what_it_charges() -> None:
    """Whatever it is called."""
    from tests.collectors.jobs.reprice.events import PRICE  # noqa: PLC0415 - for this test alone

    one, same, none = (
        Prices(PriceTable(rows), name, name) for rows, name in (([PRICE], "a"), ([PRICE], "b"), ([], "a"))
    )
    assert one.checksum == same.checksum != none.checksum
