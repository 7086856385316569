"""Tests of ``gateway.base_prices``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.base_prices import base_prices_of, convert_prices, install_prices
from gateway.settings import Settings
from sluice.money.base_prices import FILE_NAME, MAX_FILE_BYTES, BasePricesError, read_base_prices


def settings(path: Path, **values: Any) -> Settings:
    """With this data directory."""
    return Settings.model_validate({"data_dir": path, **values})


def published(path: Path, prompt: float = 1.5) -> Path:
    """A data file with one model."""
    model = {"id": "m", "match": {"equals": "m"}, "prices": {"input_mtok": prompt, "output_mtok": 3}}
    path.write_text(json.dumps([{"id": "openai", "name": "o", "api_pattern": "x", "models": [model]}]))
    return path


def test_the_packaged_table_is_the_default(tmp_path: Path) -> None:
    """And none where the settings want none."""
    found = base_prices_of(settings(tmp_path))
    assert found is not None
    assert found.version == read_base_prices().version
    assert base_prices_of(settings(tmp_path, prices_base="none")) is None


def test_an_update_holds_instead(tmp_path: Path) -> None:
    """Whole: what the packaged table knew beside it does not hold any more."""
    data_dir = tmp_path / "new" / "data"
    installed = install_prices(published(tmp_path / "data.json"), data_dir)
    assert (installed.path, installed.models) == (data_dir / FILE_NAME, 1)
    found = base_prices_of(settings(data_dir))
    assert found is not None
    assert found.version == installed.version
    assert found.find("openai", "m")[0].prompt_nanos == 1_500_000_000
    assert not found.find("openai", "gpt-4o")
    again = install_prices(published(tmp_path / "data.json", 2), data_dir)
    assert again.version != installed.version
    assert [path.name for path in data_dir.iterdir()] == [FILE_NAME]


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'[{"id": 1}]'])
def test_a_bad_file_changes_nothing(content: bytes, tmp_path: Path) -> None:
    """What was there holds on."""
    installed = install_prices(published(tmp_path / "data.json"), tmp_path)
    before = installed.path.read_bytes()
    (tmp_path / "bad.json").write_bytes(content)
    with pytest.raises(BasePricesError):
        install_prices(tmp_path / "bad.json", tmp_path)
    assert installed.path.read_bytes() == before


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """One that is not there, that is a folder, or that is too large; and a data directory that cannot be written."""
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    for path in (tmp_path / "nowhere", tmp_path, large):
        with pytest.raises(BasePricesError):
            convert_prices(path)
    with pytest.raises(BasePricesError, match="cannot be written"):
        install_prices(published(tmp_path / "data.json"), large / "below")


def test_a_torn_update_is_passed_by(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The packaged table holds, and the log says why."""
    path = install_prices(published(tmp_path / "data.json"), tmp_path).path
    path.write_bytes(path.read_bytes()[:-5])
    found = base_prices_of(settings(tmp_path))
    assert found is not None
    assert found.version == read_base_prices().version
    assert "updated base prices not used" in capsys.readouterr().out
