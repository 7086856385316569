"""Budgets as plugins see them: what the control API shows, at most half a second older."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.plugin_services.asking import Asking, Remembered
from gateway.plugin_services.records import budget_of

if TYPE_CHECKING:
    from gateway.control.api.services import BudgetQueries
    from gateway.plugin_services.apps import Apps
    from sluice.sdk.records import BudgetStatus

REMEMBER_SECONDS = 0.5
"""Hosts tell the ledger what was spent each ``budget.report_seconds`` (1 s): a plugin that asks at every exchange costs
two questions a second and app, not one an exchange. A budget that is changed is known at once."""


class Budgets:
    """One worker's."""

    def __init__(self, apps: Apps, books: BudgetQueries, asking: Asking) -> None:
        self._apps = apps
        self._books = books
        self._ask = asking
        self._known: Remembered[tuple[int, int | None], BudgetStatus] = Remembered(REMEMBER_SECONDS)

    async def status(self, app_id: int, llm_id: int | None) -> BudgetStatus:
        """In the present period. Raises NotFound for an unknown app, or an LLM that is not its; ServiceUnavailable."""
        version = self._apps.served(app_id)
        return await self._known.get((app_id, llm_id), version, lambda: self._read(app_id, llm_id))

    async def _read(self, app_id: int, llm_id: int | None) -> BudgetStatus:
        return budget_of(await self._ask("get_budget_status", lambda: self._books.status(app_id, llm_id)))
