"""``budget_truth`` of ``collectors.yaml``: where the totals are kept, and how often what is done."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from collectors.sinks.settings import DatabaseSettings, Duration
from sluice.eventlog.settings import Section

DATABASE = "budget_truth.db"
"""Below ``data_dir``, where no ``database`` is set."""
MAX_LEASE_SECONDS = 3_600.0


class BudgetTruthSettings(Section):
    """What counts the log's budget events; runs in ``sluice collect`` where this section is there."""

    database: DatabaseSettings | None = None
    """By default ``budget_truth.db`` below ``data_dir``; hosts that stand by for one another name one PostgreSQL."""
    poll: Duration = 2.0
    """How often the log is looked at for more."""
    publish: Duration = 5.0
    """How often totals that have changed go to the budget-state topic."""
    check: Duration = 300.0
    """How often the ledger is asked over ``control.url``, and gaps are looked for."""
    checks: Annotated[int, Field(ge=1, le=100)] = 3
    """A difference to the ledger that stays for so many checks is an alert: shorter ones are exchanges under way."""
    tolerance_nanos: Annotated[int, Field(ge=0, examples=[1000000])] = 0
    """Differences up to it are none."""
    gap_grace: Duration = 600.0
    """A sequence number that is still missing after it is an alert: a relay may be behind for a while."""
    lease: Annotated[Duration, Field(ge=1.0, le=MAX_LEASE_SECONDS)] = 30.0
    """For so long nobody else tries to take over from an owner that is not heard of."""
    batch_records: Annotated[int, Field(ge=1, le=20_000)] = 10_000
    """Records of one transaction at most."""

    def database_in(self, data_dir: Path) -> DatabaseSettings:
        """Where the totals are kept."""
        return self.database or DatabaseSettings(url=f"sqlite:///{data_dir / DATABASE}")
