"""What the ledger tells of budgets: how much is spent, in which period, and what hosts hold of the rest.

Hosts report each ``budget.report_seconds``: so old a figure may be. Where there is no budget nothing is counted here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from gateway.access.ledger import APP, APP_LLM, SCOPES
from gateway.control.api.services import BudgetStatus, SpentBudget
from gateway.control.errors import NotFoundError
from gateway.control.ledger import HOST_SCOPE, alive_hosts, part_of
from gateway.control.tables import APP_LLMS, APPS, BUDGETS, SLICES
from sluice.clock import now_micros
from sluice.money.periods import period_at

if TYPE_CHECKING:
    from sqlalchemy.engine import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.control.database import ControlDatabase
    from gateway.control.grants import Part
    from sluice.money.periods import Period


class BudgetBooks:
    """Reads the ledger; the API's ``BudgetQueries``. Everything raises ControlDatabaseError."""

    def __init__(self, database: ControlDatabase) -> None:
        self._database = database

    async def status(self, app_id: int, llm_id: int | None = None) -> BudgetStatus:
        """The present period's; of the app, or of the app on one LLM. NotFoundError where it has no such LLM."""
        now = now_micros()
        async with self._database.read() as connection:
            limit, period = await _budget(connection, app_id, llm_id, now)
            query = select(SLICES).where(*_of(app_id, llm_id), SLICES.c.period_start == period.start)
            parts = [part_of(row) for row in await connection.execute(query)]
            alive = await alive_hosts(connection, now)
        return _status(app_id, llm_id, limit, period.start, period.end, parts, alive)

    async def history(self, app_id: int, start: int, end: int, llm_id: int | None = None) -> Sequence[BudgetStatus]:
        """The periods that touch the time, each under the limit it had last; newest first."""
        found: dict[int, list[Part]] = {}
        async with self._database.read() as connection:
            query = select(SLICES).where(*_of(app_id, llm_id), SLICES.c.period_start < end, SLICES.c.period_end > start)
            for row in await connection.execute(query):
                found.setdefault(row.period_start, []).append(part_of(row))
            limits = await connection.execute(
                select(BUDGETS.c.period_start, BUDGETS.c.limit_nanos).where(
                    BUDGETS.c.scope == _scope(llm_id),
                    BUDGETS.c.app_id == app_id,
                    BUDGETS.c.llm_id == (llm_id or 0),
                )
            )
            limit_at = {row.period_start: row.limit_nanos for row in limits}
            alive = await alive_hosts(connection, now_micros())
        return [
            _status(app_id, llm_id, limit_at.get(at, 0), at, parts[0].period_end, parts, alive)
            for at, parts in sorted(found.items(), reverse=True)
        ]

    async def overview(self) -> Sequence[BudgetStatus]:
        """The present period of every app that has a budget, by id."""
        now = now_micros()
        parts: dict[tuple[int, int], list[Part]] = {}
        async with self._database.read() as connection:
            with_budget = select(APPS).where(APPS.c.monthly_budget_nanos > 0).order_by(APPS.c.id)
            apps = (await connection.execute(with_budget)).all()
            query = select(SLICES).where(SLICES.c.scope == SCOPES[APP], SLICES.c.period_end > now)
            for row in await connection.execute(query):
                parts.setdefault((row.app_id, row.period_start), []).append(part_of(row))
            alive = await alive_hosts(connection, now)
        found = []
        for app in apps:
            period = _period(app, now)
            own = parts.get((app.id, period.start), [])
            found.append(_status(app.id, None, app.monthly_budget_nanos, period.start, period.end, own, alive))
        return found

    async def spent(self, ended_after: int, page: int, limit: int) -> tuple[Sequence[SpentBudget], int]:
        """A page of all that was spent in periods that ended after a moment, and how many there are in all."""
        key = (SLICES.c.scope, SLICES.c.app_id, SLICES.c.llm_id, SLICES.c.period_start)
        sums = [func.sum(SLICES.c[name]).label(name) for name in _SPENT]
        wanted = (
            select(*key, func.max(SLICES.c.period_end).label("period_end"), *sums)
            .where(SLICES.c.scope != HOST_SCOPE, SLICES.c.period_end > ended_after)
            .group_by(*key)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(wanted.order_by(*key).limit(limit).offset((page - 1) * limit))).all()
            total = await connection.scalar(select(func.count()).select_from(wanted.subquery()))
        return [_spent(row) for row in rows], int(total or 0)


_SPENT = ("spent_nanos", "requests_count", "prompt_tokens", "response_tokens")


def _spent(row: Row[Any]) -> SpentBudget:
    return SpentBudget(
        scope=row.scope,
        app_id=row.app_id or None,
        llm_id=row.llm_id or None,
        period_start=row.period_start,
        period_end=row.period_end,
        **{name: int(getattr(row, name)) for name in _SPENT},
    )


def _scope(llm_id: int | None) -> str:
    return SCOPES[APP if llm_id is None else APP_LLM]


def _of(app_id: int, llm_id: int | None) -> list[Any]:
    return [SLICES.c.scope == _scope(llm_id), SLICES.c.app_id == app_id, SLICES.c.llm_id == (llm_id or 0)]


def _period(app: Row[Any], now: int) -> Period:
    return period_at(now, app.budget_reset_day, app.time_zone)


async def _budget(connection: AsyncConnection, app_id: int, llm_id: int | None, now: int) -> tuple[int, Period]:
    """The limit and the present period."""
    app = (await connection.execute(select(APPS).where(APPS.c.id == app_id))).one_or_none()
    if app is None:
        raise NotFoundError("app", app_id)
    if llm_id is None:
        return app.monthly_budget_nanos, _period(app, now)
    link = select(APP_LLMS.c.monthly_budget_nanos).where(APP_LLMS.c.app_id == app_id, APP_LLMS.c.llm_id == llm_id)
    limit = await connection.scalar(link)
    if limit is None:
        raise NotFoundError("llm", llm_id)
    return limit, _period(app, now)


def _status(
    app_id: int,
    llm_id: int | None,
    limit: int,
    start: int,
    end: int,
    parts: Iterable[Part],
    alive: Collection[str],
) -> BudgetStatus:
    found = list(parts)
    return BudgetStatus(
        app_id=app_id,
        llm_id=llm_id,
        limit_nanos=limit,
        spent_nanos=sum(part.spent for part in found),
        granted_nanos=sum(part.idle for part in found),
        stranded_nanos=sum(part.idle for part in found if part.host not in alive),
        prompt_tokens=sum(part.prompt_tokens for part in found),
        response_tokens=sum(part.response_tokens for part in found),
        requests_count=sum(part.requests for part in found),
        period_start=start,
        period_end=end,
    )
