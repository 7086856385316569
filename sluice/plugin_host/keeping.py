"""Keeps the plugins of a process alive, each in a task of its own, for as long as it serves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog

from sluice.plugin_host.errors import described
from sluice.plugin_host.loaded import LoadedPlugin

_END_SECONDS = 5.0  # as a plugin has to shut down; what is left of it ends with the process

logger = structlog.get_logger(__name__)


class Keepers:
    """``run`` beside what serves; ``begin`` and ``end`` at any time, whether it runs or not."""

    def __init__(self) -> None:
        self._tasks: asyncio.TaskGroup | None = None
        self._kept: dict[int, asyncio.Task[None]] = {}
        """By the plugin's identity."""

    async def run(self, present: Iterable[LoadedPlugin]) -> None:
        """Until it is cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                for loaded in present:
                    self.begin(loaded)
                await asyncio.get_running_loop().create_future()
        finally:
            self._tasks = None
            self._kept.clear()

    def begin(self, loaded: LoadedPlugin) -> None:
        """From now on, where ``run`` runs; else with it."""
        if self._tasks is not None and id(loaded) not in self._kept:
            self._kept[id(loaded)] = self._tasks.create_task(_keep(loaded))

    async def end(self, loaded: LoadedPlugin) -> None:
        """Before it is shut down: nobody restarts it any more."""
        task = self._kept.pop(id(loaded), None)
        if task is not None:
            task.cancel()
            await asyncio.wait([task], timeout=_END_SECONDS)


async def _keep(loaded: LoadedPlugin) -> None:
    try:
        await loaded.running.keep()
    except Exception as error:  # noqa: BLE001 - the others are kept all the same
        logger.error("plugin not kept any more", plugin=loaded.name, error=described(error))  # noqa: TRY400 - no standard logger
