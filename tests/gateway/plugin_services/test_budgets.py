"""Budgets: what the control API shows and a plugin is told is one thing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.access.ledger import APP, APP_LLM, Slice
from gateway.access.shared_table import Key
from gateway.control.budget_status import BudgetBooks
from gateway.control.entities import LlmLink
from gateway.control.ledger import ControlLedger
from gateway.plugin_services.budgets import REMEMBER_SECONDS
from sluice.clock import now_micros
from sluice.money.periods import period_at
from sluice.sdk.errors import NotFound
from tests.gateway.control.made import ADMIN
from tests.gateway.control.test_ledger import Alerts
from tests.gateway.plugin_services.making import Worker

PERIOD = period_at(now_micros(), 1, "UTC")


async def spend(worker: Worker, scope: int, app_id: int, llm_id: int, nanos: int) -> None:
    """A host reports that so much was spent in all."""
    key: Key = (scope, app_id, llm_id, PERIOD.start)
    slice_ = Slice(key, PERIOD.end, 1000, 0, 0, nanos, 2, 30, 4, needed_nanos=1, least_nanos=1)
    await ControlLedger(worker.database, 0.125, Alerts()).report("a", [slice_])


async def app_with_budget(worker: Worker) -> tuple[int, int]:
    """1000 a month, 300 of it on its one LLM."""
    llm_id = await worker.llm()
    links = (LlmLink(llm_id=llm_id, monthly_budget_nanos=300),)
    return await worker.app(monthly_budget_nanos=1000, llms=links), llm_id


async def test_it_is_what_the_control_api_shows(worker: Worker) -> None:
    """Of the app, and of the app on one LLM: figure by figure."""
    app_id, llm_id = await app_with_budget(worker)
    await spend(worker, APP, app_id, 0, 450)
    await spend(worker, APP_LLM, app_id, llm_id, 20)
    for one in (None, llm_id):
        shown = await BudgetBooks(worker.database).status(app_id, one)
        told = await worker.gateway().get_budget_status(app_id, one)
        assert (told.monthly_budget_nanos, told.used_nanos) == (shown.limit_nanos, shown.spent_nanos)
        assert told.tokens_used == shown.prompt_tokens + shown.response_tokens == 34
        assert (told.requests_count, told.period_start, told.period_end) == (2, shown.period_start, shown.period_end)
    assert (await worker.gateway().get_budget_status(app_id)).remaining_nanos == 550


async def test_an_app_without_a_budget_is_unlimited(worker: Worker) -> None:
    """``None``, not 0: the seed's ``remaining <= 0`` must not refuse it."""
    status = await worker.gateway().get_budget_status(await worker.app())
    assert (status.monthly_budget, status.remaining_budget, status.used_nanos) == (None, None, 0)
    assert not status.is_over_budget


async def test_asked_at_every_exchange_it_costs_two_questions_a_second(worker: Worker) -> None:
    """And is never older than that."""
    app_id, _ = await app_with_budget(worker)
    services = worker.gateway()
    began = asyncio.get_running_loop().time()
    first = await services.get_budget_status(app_id)
    asked_before = worker.queries
    await asyncio.gather(*(services.get_budget_status(app_id) for _ in range(100)))
    took = asyncio.get_running_loop().time() - began
    assert worker.queries - asked_before <= (0 if took < REMEMBER_SECONDS else 10), "a slow moment asks once more"
    await spend(worker, APP, app_id, 0, 77)
    assert first.used_nanos == 0
    deadline = asyncio.get_running_loop().time() + 20
    while (await services.get_budget_status(app_id)).used_nanos != 77:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.01)


async def test_a_budget_that_is_changed_is_known_at_once(worker: Worker) -> None:
    """With the snapshot that has it."""
    app_id, _ = await app_with_budget(worker)
    await worker.gateway().get_budget_status(app_id)
    await worker.store.apps.update(app_id, {"monthly_budget_nanos": 5}, ADMIN)
    await worker.refresh()
    assert (await worker.gateway().get_budget_status(app_id)).monthly_budget_nanos == 5


@pytest.mark.parametrize("app_id", [0, 999, -1, "1", None, []])
async def test_an_unknown_app_has_none_and_asks_nobody(worker: Worker, app_id: Any) -> None:
    """NotFound, for 0 too: there is no app that stands for all."""
    await app_with_budget(worker)
    worker.queries = 0
    with pytest.raises(NotFound):
        await worker.gateway().get_budget_status(app_id)
    assert worker.queries == 0


@pytest.mark.parametrize("llm_id", [0, 999])
async def test_an_llm_that_the_app_may_not_use_has_none(worker: Worker, llm_id: int) -> None:
    """Nor is it the whole app's."""
    app_id, _ = await app_with_budget(worker)
    with pytest.raises(NotFound):
        await worker.gateway().get_budget_status(app_id, llm_id)
