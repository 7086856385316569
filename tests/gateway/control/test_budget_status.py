"""What the ledger tells of budgets: sums over hosts, in the period that holds now, under the limit that holds now."""

from __future__ import annotations

import pytest

from gateway.access.ledger import APP, APP_LLM, Slice
from gateway.access.shared_table import Key
from gateway.control import budget_status as budget_status_module
from gateway.control.api.services import BudgetStatus
from gateway.control.budget_status import BudgetBooks
from gateway.control.database import ControlDatabase
from gateway.control.entities import Actor, LlmLink
from gateway.control.errors import NotFoundError
from gateway.control.ledger import ALIVE_MICROS, ControlLedger
from gateway.control.store import ControlStore
from sluice.clock import now_micros
from sluice.money.periods import period_at
from tests.gateway.control.test_ledger import Alerts

ACTOR = Actor("test")
NOW = now_micros()
PERIOD = period_at(NOW, 5, "Europe/Berlin")


def told(key: Key, spent: int, *, end: int = PERIOD.end) -> Slice:
    """A host that spent so much in two requests."""
    return Slice(key, end, 1000, 0, 0, spent, 2, 30, 4, needed_nanos=1, least_nanos=1)


@pytest.fixture(name="app_id")
async def app_that_spent(store: ControlStore, database: ControlDatabase) -> int:
    """An app of 1000 a month from the fifth, 300 of it for its one LLM; two hosts have spent."""
    llm = await store.llms.create(
        {"slug": "one", "name": "one", "vendor": "openai", "endpoint": "https://api.openai.com/v1"}, ACTOR
    )
    values = {"name": "app", "monthly_budget_nanos": 1000, "budget_reset_day": 5, "time_zone": "Europe/Berlin",
              "llms": (LlmLink(llm_id=llm.id, monthly_budget_nanos=300),)}  # fmt: skip
    app = await store.apps.create(values, ACTOR)
    ledger = ControlLedger(database, 0.125, Alerts())
    for host, spent in (("a", 400), ("b", 50)):
        await ledger.report(host, [told((APP, app.id, 0, PERIOD.start), spent)])
    await ledger.report("a", [told((APP_LLM, app.id, llm.id, PERIOD.start), 20)])
    await ledger.report("a", [told((APP, app.id, 0, PERIOD.start - 10), 70, end=PERIOD.start)])
    return app.id


async def test_an_app_s_status_sums_up_its_hosts(database: ControlDatabase, app_id: int) -> None:
    """Spent, tokens and requests; what hosts hold beside it."""
    status = await BudgetBooks(database).status(app_id)
    assert status == BudgetStatus(
        app_id=app_id, llm_id=None, limit_nanos=1000, spent_nanos=450, granted_nanos=status.granted_nanos,
        stranded_nanos=0, prompt_tokens=60, response_tokens=8, requests_count=4,
        period_start=PERIOD.start, period_end=PERIOD.end,
    )  # fmt: skip
    assert 0 < status.granted_nanos <= 550


async def test_a_budget_for_one_llm_is_its_own(database: ControlDatabase, app_id: int) -> None:
    """With the link's limit, in the app's period."""
    status = await BudgetBooks(database).status(app_id, 1)
    assert (status.limit_nanos, status.spent_nanos, status.period_start) == (300, 20, PERIOD.start)


async def test_history_has_the_newest_first(database: ControlDatabase, app_id: int) -> None:
    """All periods that touch the time, and no others."""
    books = BudgetBooks(database)
    found = await books.history(app_id, PERIOD.start - 20, NOW)
    assert [(each.period_start, each.spent_nanos) for each in found] == [(PERIOD.start, 450), (PERIOD.start - 10, 70)]
    assert [each.spent_nanos for each in await books.history(app_id, PERIOD.start, NOW)] == [450]
    assert await books.history(app_id, PERIOD.start, NOW, 99) == []


async def test_the_overview_has_apps_with_budgets(database: ControlDatabase, store: ControlStore, app_id: int) -> None:
    """Each in its own period; also those that have spent nothing."""
    quiet = await store.apps.create({"name": "quiet", "monthly_budget_nanos": 5}, ACTOR)
    await store.apps.create({"name": "free"}, ACTOR)
    found = await BudgetBooks(database).overview()
    assert [(each.app_id, each.limit_nanos, each.spent_nanos) for each in found] == [
        (app_id, 1000, 450),
        (quiet.id, 5, 0),
    ]


async def test_what_the_dead_hold_is_stranded(
    database: ControlDatabase, app_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that was not heard of for a minute."""
    later = now_micros() + ALIVE_MICROS + 1
    monkeypatch.setattr(budget_status_module, "now_micros", lambda: later)
    status = await BudgetBooks(database).status(app_id)
    assert status.stranded_nanos == status.granted_nanos > 0


@pytest.mark.parametrize(("app", "llm"), [(77, None), (None, 77)])
async def test_what_is_not_there_is_not_found(
    database: ControlDatabase, app_id: int, app: int | None, llm: int | None
) -> None:
    """An unknown app, or an LLM that the app may not use."""
    with pytest.raises(NotFoundError):
        await BudgetBooks(database).status(app or app_id, llm)


async def test_what_was_spent_is_summed_over_hosts_and_of_every_scope(database: ControlDatabase, app_id: int) -> None:
    """Each budget in each period once, hosts together, the rows that are no budget left out; page by page."""
    books = BudgetBooks(database)
    found, total = await books.spent(0, 1, 100)
    assert total == 3
    assert [(each.scope, each.app_id, each.period_start, each.spent_nanos, each.requests_count) for each in found] == [
        ("app", app_id, PERIOD.start - 10, 70, 2),
        ("app", app_id, PERIOD.start, 450, 4),
        ("app_llm", app_id, PERIOD.start, 20, 2),
    ]
    present, total = await books.spent(PERIOD.start, 2, 1)
    assert (total, [each.scope for each in present]) == (2, ["app_llm"])
