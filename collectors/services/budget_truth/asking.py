"""What ``sluice budget-truth`` does: it reads what the service keeps, and changes none of it unless it is asked to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from sqlalchemy import select, update

from collectors.errors import Retryable
from collectors.operations.printing import Printer
from collectors.operations.running import OK, WRONG, UsageError, settings_of
from collectors.services.budget_truth.ledger import ENDED_MICROS, Compared, Comparison, ControlLedger
from collectors.services.budget_truth.rebuilding import rebuild
from collectors.services.budget_truth.settings import BudgetTruthSettings
from collectors.services.budget_truth.showing import show_compared, show_rebuilt, show_truth
from collectors.services.budget_truth.state import totals_of, truth_of
from collectors.services.budget_truth.store import TruthStore
from collectors.services.budget_truth.tables import LEDGER, OFFSETS, STATE
from collectors.settings import HostSettings, Settings
from sluice.clock import now_micros
from sluice.eventlog.connect import open_ranges, topics_of
from sluice.sdk.errors import ServiceError, ServiceUnavailable

_BETWEEN_SECONDS = 5.0
_LOOK_SECONDS = 0.2
_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class _Asked:
    file: Path
    settings: Settings
    truth: BudgetTruthSettings
    host: HostSettings
    store: TruthStore
    printer: Printer


async def budget_truth(action: str, config: Path, file: Path, printer: Printer) -> int:
    """``sluice budget-truth``; the exit code."""
    work = _ACTIONS.get(action)
    if work is None:
        raise UsageError(f"{action!r} is none of {', '.join(_ACTIONS)}")
    settings, host = settings_of(file, Settings), settings_of(config, HostSettings)
    if settings.budget_truth is None:
        raise UsageError(f"{file}: budget_truth: is not set; an empty one will do: budget_truth: {{}}")
    database = settings.budget_truth.database_in(host.data_dir)
    async with TruthStore(database, topics_of(host).namespace) as store:
        if not await store.is_there():
            raise UsageError(f"{store.where} has nothing yet: run `sluice collect` with budget_truth: in {file}")
        return await work(_Asked(file, settings, settings.budget_truth, host, store, printer))


async def _status(asked: _Asked) -> int:
    async with asked.store.read() as connection:
        truth = await truth_of(connection)
    show_truth(truth, asked.printer)
    now = now_micros()
    grace = int(asked.truth.gap_grace * 1_000_000)
    is_wrong = (
        truth.expires_at < now
        or any(int(row.difference_nanos) for row in truth.differences)
        or any(gap.boot.gap_since and now - gap.boot.gap_since > grace for gap in truth.gaps)
    )
    return WRONG if is_wrong else OK


async def _check(asked: _Asked) -> int:
    """As the service does, but quicker: what stays through so many checks in a row is a difference."""
    if not asked.settings.control.url:
        raise UsageError(f"{asked.file}: control.url is not set: whom shall be asked?")
    ledger = ControlLedger(asked.settings.control)
    try:
        compared = await _compare(asked, ledger)
    except (ServiceError, ServiceUnavailable) as error:
        raise Retryable(str(error)) from error
    finally:
        await ledger.close()
    show_compared(compared, asked.printer)
    return WRONG if any(each.difference_nanos for each in compared) else OK


async def _compare(asked: _Asked, ledger: ControlLedger) -> list[Compared]:
    comparison = Comparison(asked.truth.checks, asked.truth.tolerance_nanos)
    async with asked.store.read() as connection:
        await comparison.load(connection, select(LEDGER))
    compared: list[Compared] = []
    for number in range(asked.truth.checks + 1):
        if number:
            await asyncio.sleep(min(_BETWEEN_SECONDS, asked.truth.check))
        asked.printer.progress(number, asked.truth.checks + 1, "checks")
        books = await ledger.spent(now_micros() - ENDED_MICROS)
        await _caught_up(asked, now_micros())
        async with asked.store.read() as connection:
            totals = await totals_of(connection, now_micros() - 2 * ENDED_MICROS)
            covers_since = int(await connection.scalar(select(STATE.c.covers_since)) or 0)
        compared = comparison.compare(books, totals, covers_since)
    asked.printer.progress(asked.truth.checks + 1, asked.truth.checks + 1, "checks")
    return compared


async def _caught_up(asked: _Asked, moment: int) -> None:
    """Wait until the service has read what the log had at a moment."""
    until = monotonic() + _PATIENCE_SECONDS + 2 * asked.truth.poll
    while True:
        async with asked.store.read() as connection:
            if int(await connection.scalar(select(STATE.c.caught_up_at)) or 0) >= moment:
                return
        if monotonic() > until:
            raise Retryable("budget truth does not reach the end of the log: does `sluice collect` run?")
        await asyncio.sleep(_LOOK_SECONDS)


async def _rebuild(asked: _Asked) -> int:
    rebuilt = await rebuild(asked.store, asked.truth, asked.host, asked.printer.progress)
    show_rebuilt(rebuilt, asked.printer)
    return WRONG if rebuilt.differences else OK


async def _rewind(asked: _Asked) -> int:
    """A new epoch: whoever counts now begins again where the log begins now."""
    reader = open_ranges(asked.host, asked.host.data_dir)
    topics = topics_of(asked.host)
    try:
        ranges = await reader.ranges((topics.event("budget").name, topics.gateway_report.name))
    finally:
        await reader.close()
    async with asked.store.unfenced() as connection:
        await connection.execute(update(STATE).values(epoch=STATE.c.epoch + 1, owner="", expires_at=0))
        for partition, there in ranges.items():
            here = (OFFSETS.c.partition == partition.topic, OFFSETS.c.number == partition.partition)
            await connection.execute(update(OFFSETS).where(*here).values(next_offset=there.first))
    asked.printer.note("the log is read again from its beginning")
    return OK


_ACTIONS: dict[str, Callable[[_Asked], Awaitable[int]]] = {
    "status": _status,
    "check": _check,
    "rebuild": _rebuild,
    "rewind": _rewind,
}
