"""Alerts of budgets: what operators must see, in the journal beside the events, and in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import structlog

from sluice.clock import iso_micros, now_micros
from sluice.eventlog.interface import Record
from sluice.money.nanos import format_nanos

if TYPE_CHECKING:
    import asyncio

    from schemas.topics import Topics
    from sluice.eventlog.interface import Boot
    from sluice.eventlog.journal.journal import Journal

logger = structlog.get_logger(__name__)


class BudgetAlerts:
    """Those of one worker's ledger, which calls this. Nothing waits for them, and nothing is raised."""

    def __init__(self, journal: Journal, boot: Boot, topics: Topics) -> None:
        self._journal = journal
        self._boot = boot
        self._topics = topics

    def __call__(self, name: str, **facts: Any) -> None:
        """Log it, and append it to the journal with what is written next."""
        logger.warning(name, **facts)
        self._journal.submit((), [budget_alert(self._boot, self._topics, facts)]).add_done_callback(_look_at)


def budget_alert(boot: Boot, topics: Topics, facts: dict[str, Any]) -> Record:
    """A threshold of a budget that was reached, as a record for the event log."""
    start, end = iso_micros(facts["period_start"]), iso_micros(facts["period_end"])
    spent, limit = format_nanos(facts["spent_nanos"]), format_nanos(facts["limit_nanos"])
    body = {
        **facts,
        "kind": "budget_threshold",
        "at": iso_micros(now_micros()),
        "service": boot.gateway_id,
        "message": f"{_whose(facts)} has spent {spent} of its budget of {limit} ({facts['percent']} %); "
        f"the period ends {end}",
        "period_start": start,
        "period_end": end,
    }
    return Record(topics.alert.name, boot.gateway_id.encode(), orjson.dumps(body))


def _whose(facts: dict[str, Any]) -> str:
    named = (("app", facts["app_id"]), ("LLM", facts["llm_id"]))
    return " on ".join(f"{kind} {id_}" for kind, id_ in named if id_ is not None)


def _look_at(done: asyncio.Future[int]) -> None:
    error = None if done.cancelled() else done.exception()
    if error is not None:
        logger.warning("alert could not be published", error=str(error))
