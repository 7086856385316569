"""Tests of ``sluice.money.installed_prices``: which base table holds on a host."""

from __future__ import annotations

from pathlib import Path

from structlog.testing import capture_logs

from sluice.money.base_prices import FILE_NAME, read_base_prices
from sluice.money.installed_prices import installed_base_prices


def test_the_packaged_one_holds_where_there_is_no_other(tmp_path: Path) -> None:
    """Without a word."""
    with capture_logs() as logs:
        assert installed_base_prices(tmp_path).version == read_base_prices().version
    assert logs == []


def test_one_that_is_damaged_is_passed_by_and_reported(tmp_path: Path) -> None:
    """Half a file charges nobody."""
    (tmp_path / FILE_NAME).write_text('{"format": 1')
    with capture_logs() as logs:
        assert installed_base_prices(tmp_path).version == read_base_prices().version
    assert [log["event"] for log in logs] == ["updated base prices not used"]
