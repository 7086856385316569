"""Which sinks have the events of one exchange: each that can be asked is, all at once and each within a bound."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from collectors.errors import Halt, Retryable
from collectors.operations.desk.asking import DeskError
from collectors.settings import HostSettings, Settings
from schemas.events import event_id

if TYPE_CHECKING:
    from collectors.services.reconcile.results import Incomparable
    from collectors.services.reconcile.targets import Target

ASK_SECONDS = 1.5
_AT_ONCE = 4
_MAX_WAITING = 12
"""Who asks has gone after two seconds: a longer queue would be of people who wait for nothing."""
_EXCHANGE_ID = re.compile(r"[0-9A-Za-z._-]{1,128}")


class Sinks:
    """Of the entries that ``settings`` has now. What is needed to ask them is imported when they first are."""

    def __init__(self, settings: Callable[[], Settings], host: HostSettings) -> None:
        self._settings = settings
        self._host = host
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    async def holders(self, exchange_id: str) -> dict[str, Any]:
        """Each sink with the kinds of events that it takes, and whether it has them. Raises DeskError."""
        if _EXCHANGE_ID.fullmatch(exchange_id) is None:
            raise DeskError(400, "the exchange's id has characters that no id has")
        if self._waiting >= _MAX_WAITING:
            raise DeskError(503, "sinks are asked by too many at once; ask again in a moment")
        self._waiting += 1
        try:
            async with self._turns:
                targets_of = await asyncio.to_thread(_loaded)
                targets, others = targets_of(self._settings(), self._host)
                async with asyncio.TaskGroup() as tasks:
                    asking = [tasks.create_task(_asked(target, exchange_id)) for target in targets]
        finally:
            self._waiting -= 1
        answers = [each.result() for each in asking]
        return {"sinks": [*answers, *({"sink": each.sink, "not_asked": each.reason} for each in others)]}


def _loaded() -> Callable[[Settings, HostSettings], tuple[list[Target], list[Incomparable]]]:
    """In a thread: polars, SQLAlchemy and clients take a third of a second to load, and heartbeats should not wait."""
    from collectors.services.reconcile.targets import targets_of  # noqa: PLC0415 - as above

    return targets_of


async def _asked(target: Target, exchange_id: str) -> dict[str, Any]:
    has: dict[str, bool] = {}
    problem = ""
    try:
        store = target.open()
        try:
            async with asyncio.timeout(ASK_SECONDS):
                for kind in target.kinds:
                    await store.open(kind, refreshes=False)
                    wanted = event_id(exchange_id, kind)
                    has[kind] = wanted in await store.present(kind, [wanted])
        finally:
            await store.close()
    except TimeoutError:
        problem = f"it did not answer within {ASK_SECONDS:g} s"
    except (Retryable, Halt) as error:
        problem = str(error)
    return {"sink": target.name, "kinds": list(target.kinds), "has": has, "problem": problem}
