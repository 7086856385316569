"""Tests of ``collectors.jobs.reprice.run``: over a host's journals, whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from collectors.jobs.reprice.run import _alone
from collectors.settings import HostSettings
from sluice.eventlog.modes import DurableLog
from sluice.money.base_prices import read_base_prices
from tests.collectors.events import make_event
from tests.collectors.jobs.reprice.events import ATTEMPT
from tests.collectors.jobs.reprice.running import repriced
from tests.integration.stack import write_yaml
from tests.sluice.eventlog.journal.making import begun

ROW: dict[str, Any] = {"id": "p", "model": "gpt-4o", "prompt": "2", "response": "8"}
COST = 12 * 2_000 + 34 * 8_000


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    """Ten exchanges that were charged 5 nanos, one in euros."""
    write_yaml(tmp_path / "sluice.yaml", {
        "data_dir": str(tmp_path / "data"), "price_version": "2", "prices": [ROW], "prices_base": "none"})  # fmt: skip
    write_yaml(tmp_path / "collectors.yaml", {})
    journal = begun(tmp_path / "data" / "journals" / "gateway-1" / "0")
    log = DurableLog(journal)
    for number in range(10):
        currency = "EUR" if number == 9 else "USD"
        await log.commit([
            make_event("analytics", attempts=[ATTEMPT], cache_read_prompt_tokens=None, cost_nanos=5, currency=currency,
                       app_id=number)
        ])  # fmt: skip
    yield tmp_path
    await journal.close()


async def test_a_report_writes_nothing(folder: Path) -> None:
    """By the prices of the gateway's own file; of those that the filter means."""
    code, report, err = await repriced(folder, "2", where="app_id < 9")
    assert (code, report["state"], report["matched"]) == (0, "counted", 9), err
    assert report["details"]["totals"]["USD"]["new_nanos"] == 9 * COST
    assert not (folder / "data" / "jobs").exists()


async def test_a_base_table_says_its_version_itself(folder: Path) -> None:
    """Every correction's id has it, so the report names it; prices of a file are asked for by a version."""
    code, report, err = await repriced(folder, prices="base", where="app_id < 9")
    assert (code, report["details"]["price_version"]) == (0, read_base_prices().version), err
    code, _, err = await repriced(folder)
    assert (code, "--price-version: is not given" in err) == (2, True)


async def test_another_currency_is_refused_by_name(folder: Path) -> None:
    """What differs is shown, and nothing is written."""
    code, report, _ = await repriced(folder, "2", corrections=True, job="x")
    assert (code, report["details"].get("corrections")) == (1, None)
    assert "gpt-4o in EUR" in report["problems"][0]


async def test_prices_that_changed_are_not_gone_on_with(folder: Path) -> None:
    """Half of a job by one list and half by another would be neither."""
    code, _, err = await repriced(folder, "2", corrections=True, job="x", where="app_id < 9")
    assert code == 1, err  # without any budget event nobody knows the periods
    changed = [{**ROW, "prompt": "3"}]
    write_yaml(folder / "sluice.yaml", {
        "data_dir": str(folder / "data"), "price_version": "2", "prices": changed, "prices_base": "none"})  # fmt: skip
    code, _, said = await repriced(folder, resume="x")
    assert (code, "has other prices" in said) == (2, True), said


async def test_an_entry_without_a_rebuild_is_refused_before_anything_is_begun(folder: Path) -> None:
    """By its name, with what to do instead; no job is left behind."""
    rows = {"name": "rows", "path": "sink://database", "config": {"url": f"sqlite:///{folder}/rows.db"}}
    write_yaml(folder / "collectors.yaml", {"data_collection_plugins": [rows]})
    code, _, said = await repriced(folder, "2", rebuild=True, sink="rows", job="x")
    assert (code, "rows is sink://database" in said, "--corrections" in said) == (2, True, True), said
    assert not (folder / "data" / "jobs").exists()


async def test_two_do_not_correct_by_one_version_at_once(folder: Path) -> None:
    """The second is refused by name, and another version is not."""
    with _alone(HostSettings(data_dir=folder / "data"), "2"):
        code, _, said = await repriced(folder, "2", corrections=True)
        assert (code, "corrects by version 2 already" in said) == (2, True)
        code, report, _ = await repriced(folder, "2", where="app_id = 1")
        assert (code, report["matched"]) == (0, 1)


async def test_a_csv_that_cannot_be_written_is_said(folder: Path) -> None:
    """By the option's name."""
    code, _, said = await repriced(folder, "2", csv=folder / "nowhere" / "out.csv")
    assert (code, "--csv" in said) == (2, True)


async def test_an_event_that_the_log_has_twice_costs_once(folder: Path) -> None:
    """As in the index, and in the ledger; and it is said."""
    journal = begun(folder / "data" / "journals" / "gateway-1" / "1")
    log, event = DurableLog(journal), make_event("analytics", attempts=[ATTEMPT], cache_read_prompt_tokens=None)
    for _ in range(3):
        await log.commit([event])
    await journal.close()
    code, report, err = await repriced(folder, "2", where="app_id < 9 and currency = 'USD'")
    assert (code, report["details"]["totals"]["USD"]["new_nanos"]) == (0, 10 * COST), err
    assert report["notes"] == ["2 events are in the log more than once; each is counted once"]
