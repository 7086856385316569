"""The ledger from the shell: what is spent and held, and what is taken back from a host that is dead."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from typer.testing import CliRunner, Result

from gateway.access.ledger import APP, Slice
from gateway.control.admin.budgets import budgets_app
from gateway.control.entities import Actor
from gateway.control.ledger import HOST_SCOPE, ControlLedger
from gateway.control.opening import open_control, prepare
from gateway.control.tables import SLICES
from gateway.settings import Settings
from sluice.clock import now_micros
from sluice.money.periods import period_at
from sluice.settings import load_settings

LIMIT = 10_000_000_000


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A gateway whose app has a budget of 10; the host "edge-3" holds a part of it, and spent 1."""
    path = tmp_path / "sluice.yaml"
    path.write_text(f"data_dir: {tmp_path / 'data'}\n")
    asyncio.run(_spend(load_settings(path, Settings)))
    return path


async def _spend(settings: Settings) -> None:
    await prepare(settings)
    period = period_at(now_micros(), 1, "UTC")
    async with open_control(settings) as control:
        app = await control.store.apps.create({"name": "bench", "monthly_budget_nanos": LIMIT}, Actor("test"))
        ledger = ControlLedger(control.store.database, 1.0, lambda *_, **__: None)
        told = Slice((APP, app.id, 0, period.start), period.end, LIMIT, 0, 0, 0, 0, 0, 0, 4_000_000_000, 1)
        (answer,) = await ledger.report("edge-3", [told])
        spent = told._replace(
            granted_nanos=answer.granted_nanos, spent_nanos=1_000_000_000, needed_nanos=0, least_nanos=0
        )
        await ledger.report("edge-3", [spent])


async def _silence(config: Path) -> None:
    """Nothing was heard of any host for an hour."""
    async with open_control(load_settings(config, Settings)) as control, control.store.database.write() as connection:
        long_ago = now_micros() - 3_600_000_000
        await connection.execute(update(SLICES).where(SLICES.c.scope == HOST_SCOPE).values(reported_at=long_ago))


def run(config: Path, *arguments: str, code: int = 0) -> Result:
    """``sluice budgets`` on this gateway."""
    result = CliRunner().invoke(budgets_app(), [*arguments, "--config", str(config)], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def shown(config: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The budget of the app, and the hosts."""
    found = json.loads(run(config, "show", "--json").stdout)
    (budget,) = found["budgets"]
    return budget, found["hosts"]


def test_what_is_spent_and_held_is_shown(config: Path) -> None:
    """For people, and for scripts."""
    budget, (host,) = shown(config)
    assert (budget["monthly_budget"], budget["current_usage"], budget["granted"]) == ("10", "1", "9")
    assert (host["host"], host["holds"], host["is_alive"]) == ("edge-3", "9", True)
    lines = run(config, "show").stdout.splitlines()
    assert lines[0].split()[0] == "app_id"
    assert lines[-1].split() == ["edge-3", "9", "yes"]


def test_a_host_that_lives_is_left_alone(config: Path) -> None:
    """Status 1, unless it is meant."""
    assert "--force" in run(config, "write-off", "--host", "edge-3", code=1).stderr
    assert shown(config)[1][0]["holds"] == "9"
    assert "9" in run(config, "write-off", "--host", "edge-3", "--force").stdout
    assert shown(config)[1] == []


def test_what_a_dead_host_holds_is_taken_back(config: Path) -> None:
    """Once; audited; what it spent stays spent."""
    asyncio.run(_silence(config))
    assert shown(config)[0]["stranded"] == "9"
    (row,) = json.loads(run(config, "write-off", "--host", "edge-3", "--json").stdout)["written_off"]
    assert (row["scope"], row["app_id"], row["llm_id"], row["amount"]) == ("app", shown(config)[0]["app_id"], None, "9")
    assert run(config, "write-off", "--host", "edge-3").stdout == "edge-3 holds nothing\n"
    budget, hosts = shown(config)
    assert (budget["current_usage"], budget["stranded"], hosts) == ("1", "0", [])


def test_a_database_that_cannot_be_used_is_status_2(tmp_path: Path) -> None:
    """With what to do."""
    assert "none.yaml" in run(tmp_path / "none.yaml", "show", code=2).stderr
    (tmp_path / "sluice.yaml").write_text(f"data_dir: {tmp_path}\n")
    assert run(tmp_path / "sluice.yaml", "show", code=2).stderr


@pytest.mark.parametrize("command", ["show", "write-off"])
def test_every_help_has_its_example(command: str) -> None:
    """To copy."""
    shown = CliRunner().invoke(budgets_app(), [command, "--help"]).stdout
    assert f"Example: sluice budgets {command}" in " ".join(shown.split())
