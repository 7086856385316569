"""Prices from the shell: which holds and why, what changed, and a newer base table."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway.control.admin.prices import prices_app
from gateway.control.entities import Actor
from gateway.control.opening import open_control, prepare
from gateway.settings import Settings
from sluice.money.base_prices import read_base_prices
from sluice.settings import load_settings
from tests.gateway.test_base_prices import published

FILE = """
data_dir: {data_dir}
price_version: "2026-01"
prices:
  - {{id: mini, model: gpt-4o-mini, prompt: "0.15", response: "0.60", aliases: [my-deployment]}}
  - {{id: rest, model: "gpt-*", prompt: "9", response: "9"}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A gateway that was started once."""
    path = tmp_path / "sluice.yaml"
    path.write_text(FILE.format(data_dir=tmp_path / "data"))
    asyncio.run(prepare(load_settings(path, Settings)))
    return path


def run(config: Path, *arguments: str, code: int = 0) -> Result:
    """``sluice prices`` on this gateway."""
    result = CliRunner().invoke(prices_app(), [*arguments, "--config", str(config)], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def answer(config: Path, *arguments: str, code: int = 0) -> Any:
    """The same as JSON."""
    return json.loads(run(config, *arguments, "--json", code=code).stdout)


def test_show_has_own_rows_and_names_the_base(config: Path) -> None:
    """Of all vendors the own ones; the base table's where a vendor is named."""
    found = answer(config, "show")
    assert [row["id"] for row in found["prices"]] == ["mini", "rest"]
    assert all(row["holds"] for row in found["prices"])
    assert found["base"] == read_base_prices().version
    holds = [row["id"] for row in answer(config, "show", "--vendor", "openai")["prices"] if row["holds"]]
    assert "mini" in holds
    assert "base:openai/gpt-4o-mini" not in holds  # one's own does
    assert holds.count("base:openai/o1") == 1
    assert "mini" in run(config, "show").stdout


def test_show_of_a_model_has_all_that_are_for_it(config: Path) -> None:
    """The one that holds first; a model is of a vendor."""
    found = answer(config, "show", "--vendor", "openai", "--model", "gpt-4o")["prices"]
    assert [row["id"] for row in found][:2] == ["rest", "base:openai/gpt-4o"]
    assert "--vendor" in run(config, "show", "--model", "gpt-4o", code=2).stderr


def test_why_names_the_row_and_the_reason(config: Path) -> None:
    """Now, or at another moment."""
    (first, *_) = answer(config, "why", "openai", "my-deployment")["prices"]
    assert (first["id"], first["holds"], first["price_version"]) == ("mini", True, "2026-01")
    assert "alias" in first["why"]
    night = answer(config, "why", "deepseek", "deepseek-chat", "--at", "2025-06-01T20:00:00Z")["prices"]
    assert night[0]["id"] == "base:deepseek/deepseek-chat@T1630"
    assert "deepseek-chat@T1630" in run(config, "why", "deepseek", "deepseek-chat", "--at", "2025-06-01T20:00").stdout


def test_why_exits_1_where_nothing_holds(config: Path) -> None:
    """And says what was looked for."""
    result = run(config, "why", "openai", "of-nobody", code=1)
    assert "no price of openai/of-nobody" in result.stderr
    assert answer(config, "why", "openai", "of-nobody", code=1)["prices"] == []
    config.write_text(config.read_text() + 'prices_base: "none"\n')
    assert "prices_base is none" in run(config, "why", "anthropic", "claude-sonnet-4-5", code=1).stderr


@pytest.mark.parametrize("at", ["yesterday", "2026-13-01", "9999999"])
def test_a_moment_that_is_none_is_refused(at: str, config: Path) -> None:
    """With how one is written."""
    assert "--at" in run(config, "why", "openai", "gpt-4o", "--at", at, code=2).stderr


def test_diff_of_own_versions(config: Path) -> None:
    """As the audit has them, also of rows that are no more."""

    async def change() -> None:
        async with open_control(load_settings(config, Settings)) as control:
            values = {"vendor": "openai", "model_name": "m", "prompt_nanos": 1, "response_nanos": 2,
                      "cache_read_nanos": 1, "cache_write_nanos": 1, "price_version": "7"}  # fmt: skip
            made = await control.store.prices.create(values, Actor("test"))
            await control.store.prices.update(made.id, {"prompt_nanos": 9, "price_version": "8"}, Actor("test"))

    asyncio.run(change())
    (found,) = answer(config, "diff", "7", "8")
    assert found["change"] == "changed"
    assert found["fields"]["prompt"] == {"from": "0.000000001", "to": "0.000000009"}
    assert "prompt 0.000000001 -> 0.000000009" in run(config, "diff", "7", "8").stdout
    assert "same prices" in run(config, "diff", "7", "7").stdout
    assert {row["change"] for row in answer(config, "diff", "7", "2026-01")} == {"added", "removed"}
    refused = run(config, "diff", "7", "nothing", code=2).stderr
    assert "2026-01, 7, 8" in refused


def test_update_and_diff_of_base_tables(config: Path, tmp_path: Path) -> None:
    """A file is compared before it is used; then it is the base."""
    file = str(published(tmp_path / "data.json", 2))
    rows = answer(config, "diff", "packaged", file)
    assert {
        "id": "base:openai/m",
        "change": "added",
        "vendor": "openai",
        "model": "m",
        "prompt": "2",
        "response": "3",
    } in rows
    assert answer(config, "diff", "packaged", "base") == []
    updated = answer(config, "update", file)
    assert updated["models"] == 1
    assert answer(config, "show")["base"] == updated["price_version"]
    assert answer(config, "why", "openai", "m")["prices"][0]["price_version"] == updated["price_version"]
    assert answer(config, "diff", "base", file) == []
    assert answer(config, "diff", "base", updated["path"]) == []
    assert "restart" in run(config, "update", file).stdout


def test_a_bad_file_is_refused(config: Path, tmp_path: Path) -> None:
    """And what held holds."""
    bad = tmp_path / "bad.json"
    bad.write_text("[]")
    for arguments in (["update", str(bad)], ["diff", "base", str(bad)], ["update", str(tmp_path / "nowhere")]):
        assert "cannot be used" in run(config, *arguments, code=2).stderr
    assert answer(config, "show")["base"] == read_base_prices().version


def test_a_gateway_that_was_never_started_is_named(tmp_path: Path) -> None:
    """There is no price list yet; so of a file that is no settings file."""
    path = tmp_path / "sluice.yaml"
    path.write_text(f"data_dir: {tmp_path / 'data'}\n")
    assert "control database" in run(path, "why", "openai", "gpt-4o", code=2).stderr
    path.write_text("prices_base: mine\n")
    assert "prices_base" in run(path, "show", code=2).stderr
