"""What runs beside the collectors of a process: retention, budget truth, reconciliation, the archive.

Each by one of several workers, and begun anew when what it is made from changes. None of them raises for what a log or
a store does; one that breaks all the same holds neither the collectors nor the others up, and is begun again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from collectors.metrics import CollectorMetrics
from collectors.settings import HostSettings, Settings

_AGAIN_SECONDS = 30.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """One of them."""

    made_from: Callable[[Settings], Any]
    """What of the settings it is made from; ``None`` where it is not wanted."""
    run: Callable[[Settings], Awaitable[None]]
    """Until cancelled."""


def parts_of(host: HostSettings, folder: Path, metrics: CollectorMetrics) -> Sequence[Part]:
    """All there are; ``folder`` is where relative paths begin. What a part needs is imported when it first runs."""

    async def retain(settings: Settings) -> None:
        from collectors.retention.job import Retention  # noqa: PLC0415 - not by who keeps everything

        metrics.retention_begins()
        await Retention(settings, host, folder, note=metrics.retained).run()

    async def count(settings: Settings) -> None:
        from collectors.services.budget_truth.job import BudgetTruth  # noqa: PLC0415 - as above

        assert settings.budget_truth is not None  # noqa: S101 - else it is not run
        await BudgetTruth(settings.budget_truth, settings.control, host, metrics.budget_truth).run()

    async def reconcile(settings: Settings) -> None:
        from collectors.services.reconcile.service import keep_reconciling  # noqa: PLC0415 - as above

        await keep_reconciling(settings, host, metrics)

    async def archive(settings: Settings) -> None:
        from collectors.services.archive.service import Archive  # noqa: PLC0415 - as above

        assert settings.archive is not None  # noqa: S101 - as above
        await Archive(settings.archive, host, folder, meter=metrics.archive).run()

    return (
        Part(lambda settings: _with_entries(settings, settings.retention), retain),
        Part(lambda settings: settings.budget_truth and (settings.budget_truth, settings.control), count),
        Part(lambda settings: _with_entries(settings, settings.reconcile, settings.retention), reconcile),
        Part(lambda settings: settings.archive, archive),
    )


def _with_entries(settings: Settings, section: Any, *others: Any) -> Any:
    """Of those that look at the sinks as well."""
    return section and (section, settings.data_collection_plugins, *others)


@dataclass(slots=True)
class Beside:
    """Keeps these going by the newest settings."""

    settings: Settings
    parts: Sequence[Part]
    _changed: list[asyncio.Event] = field(default_factory=list)

    def take(self, settings: Settings) -> None:
        """From now on."""
        self.settings = settings
        for event in self._changed:
            event.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for part in self.parts:
                changed = asyncio.Event()
                self._changed.append(changed)
                tasks.create_task(self._keep(part, changed))

    async def _keep(self, part: Part, changed: asyncio.Event) -> None:
        while True:
            settings = self.settings
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(_run(part, settings))
                await self._differs(part, part.made_from(settings), changed)
                running.cancel()

    async def _differs(self, part: Part, made_from: Any, changed: asyncio.Event) -> None:
        while part.made_from(self.settings) == made_from:
            await changed.wait()
            changed.clear()


async def _run(part: Part, settings: Settings) -> None:
    while part.made_from(settings) is not None:
        try:
            await part.run(settings)
        except Exception:  # noqa: BLE001 - a fault of ours here is no reason to stop carrying events
            _log.exception("what runs beside the collectors broke", again_after_seconds=_AGAIN_SECONDS)
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            return
