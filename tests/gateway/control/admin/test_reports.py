"""Budgets, the audit, the system, and every other path: from the shell."""

from __future__ import annotations

import json

import pytest

from gateway.control.api.services import BudgetStatus
from tests.gateway.control.admin.shell import Shell

AT = 1_790_000_000_000_000


@pytest.fixture
def spent(shell: Shell) -> Shell:
    """App 1 spent 3 of 10."""
    nanos = {"limit_nanos": 10_000_000_000, "spent_nanos": 3_000_000_000}
    shell.api.budgets.statuses = [BudgetStatus(app_id=1, **nanos, period_start=AT, period_end=AT + 1)]
    return shell


def test_budgets(spent: Shell) -> None:
    """Of one app, of all together, of periods that are over; and changed."""
    assert spent.json("budgets", "show", "1")["data"]["remaining_budget"] == "7"
    assert spent.json("budgets", "show")["data"]["total_spent_this_month"] == "3"
    assert "--llm" in spent.admin("budgets", "show", "--llm", "1", code=2).stderr
    times = ["--start", "2026-01-01T00:00:00Z", "--end", "2027-01-01T00:00:00Z"]
    (row,) = spent.json("budgets", "history", "1", *times)["data"]
    assert row["current_usage"] == "3"
    assert spent.admin("budgets", "history", "1", *times).stdout.splitlines()[0].split()[0] == "period_start"
    assert spent.admin("budgets", "history", "1", "--start", "soon", code=1).stderr
    assert spent.json("budgets", "update", "1", "monthly_budget=0.1")["data"]["monthly_budget"] == "0.1"


def test_the_audit(shell: Shell) -> None:
    """The newest first, of what is asked for."""
    shell.admin("apps", "create", "name=bench")
    shell.admin("apps", "update", "2", "description=d")
    shown = shell.admin("audit", "kind=app", "entity_id=2").stdout.splitlines()
    assert [line.split()[-3] for line in shown[1:]] == ["update", "create"]
    assert "kind" in shell.admin("audit", "kind=car", code=1).stderr


def test_the_system(shell: Shell) -> None:
    """Its version and how much there is."""
    assert shell.json("system")["data"]["version"] == "0.0.0"
    assert '"apps": 1' in shell.admin("system").stdout


def test_any_path_can_be_called(shell: Shell) -> None:
    """Values go where the method has them."""

    def call(*arguments: str, code: int = 0) -> str:
        return shell.admin("call", *arguments, code=code).stdout

    assert json.loads(call("GET", "/analytics/summary", "app_id=1"))["data"]["total_requests"] == 0
    assert json.loads(call("post", "/apps", "name=bench"))["data"]["id"] == 2
    assert json.loads(call("DELETE", "/apps/2"))["message"] == "App deleted successfully"
    call("GET", "/nothing", code=1)
    call("PATCH", "/apps/1", code=2)
    call("GET", "apps", code=2)
