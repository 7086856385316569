"""What a worker shares with the others of its host: one table, and what is kept in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gateway.access.budget_rows import BudgetRows
from gateway.access.budgets import Budgets
from gateway.access.limits import Limits
from gateway.access.settlement import Settlements
from gateway.access.slice_keeper import SliceKeeper
from gateway.access.slices import Slices

if TYPE_CHECKING:
    from gateway.access.ledger import Ledger
    from gateway.access.shared_table import SharedTable
    from gateway.settings import Settings
    from gateway.telemetry import GatewayMetrics


class HostShare(NamedTuple):
    """One worker's. ``keeper.start`` comes before the first exchange, ``keeper.run`` goes on beside the server, and
    ``keeper.close`` comes behind the last."""

    table: SharedTable
    keeper: SliceKeeper
    budgets: Budgets
    limits: Limits


def share_of(settings: Settings, table: SharedTable, ledger: Ledger, metrics: GatewayMetrics) -> HostShare:
    """Join the parts around a table that is open."""
    slices = Slices(BudgetRows(table), ledger, settings.budget.ask_timeout_seconds)
    return HostShare(
        table=table,
        keeper=SliceKeeper(slices, ledger, settings.budget.report_seconds),
        budgets=Budgets(settings.budget, slices, Settlements(table), metrics),
        limits=Limits(table, settings.limits.gateways),
    )
