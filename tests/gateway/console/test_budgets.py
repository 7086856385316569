"""Budgets as the ledger has them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from gateway.console.budgets import MAX_SHOWN
from gateway.control.api.services import BudgetStatus
from sluice.clock import now_micros
from tests.gateway.console.running import Console, running
from tests.gateway.control.api.harness import MemoryBudgets


def status(app_id: int, spent: int, **given: Any) -> BudgetStatus:
    """A budget in its period."""
    now = now_micros()
    return BudgetStatus(
        app_id=app_id, limit_nanos=1000, spent_nanos=spent, period_start=now - 10**9, period_end=now + 10**9, **given
    )


async def test_every_app_with_a_budget_is_there(admin: httpx.AsyncClient) -> None:
    """By name, with its limit; unknown apps are 404."""
    found = (await admin.get("budgets")).json()
    assert {each["name"]: each["limit_nanos"] for each in found["budgets"]}["search"] == 30 * 10**9
    one = (await admin.get("budgets/3")).json()
    assert (one["app"]["name"], one["llms"], one["history"]) == ("search", [], [])
    assert (await admin.get("budgets/99")).status_code == 404


async def test_ten_thousand_apps_are_no_page_of_ten_thousand(console: Console, admin: httpx.AsyncClient) -> None:
    """The most used first, as many as a page shows; the others are counted, and found by name."""
    memory = MemoryBudgets()
    memory.statuses = [status(number, number % 1500) for number in range(1, 10_001)]
    object.__setattr__(console.parts, "services", replace(console.parts.services, budgets=memory))
    found = (await admin.get("budgets")).json()
    assert (len(found["budgets"]), found["total"], found["matching"]) == (MAX_SHOWN, 10_000, 10_000)
    assert found["over"] == sum(number % 1500 >= 1000 for number in range(1, 10_001))
    assert found["budgets"][0]["used"] == 1.499
    assert [
        each["app_id"] for each in (await admin.get("budgets", params={"search": "app 9999"})).json()["budgets"]
    ] == [9999]


async def test_the_store_of_events_may_be_away(tmp_path: Path) -> None:
    """Budgets, plugins and collectors are shown; the figures say what is wrong, naming the setting."""
    away = {"events": {"elasticsearch_url": "http://127.0.0.1:1"}}
    async with running(tmp_path, control=away) as console, console.client() as client:
        for path in ("budgets", "plugins", "collectors"):
            assert (await client.get(path)).status_code == 200
        for path in ("dashboards/overview/panels/requests", "exchanges", "exchanges/x", "gateways", "live"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (503, "events_unavailable"), path
            assert "control.events" in answer.json()["message"] or "elasticsearch" in answer.json()["message"].lower()
