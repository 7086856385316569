"""The services of a process: each in a task of its own, and any of them exchanged while the others run on.

A service that changes is exchanged after draining: what is in flight is finished and committed, the group is left, and
the new one joins the same group, so that it goes on where the old one ended. Between the two nobody reads the group's
partitions, or other processes do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

import structlog

from collectors.configuration.changes import Changes, Recipe
from collectors.service import CLOSE_SECONDS, SERVICE, Service

_log = structlog.get_logger(__name__)


class Fleet:
    """Runs services until all have ended; ``make`` makes one of its recipe."""

    def __init__(
        self, make: Callable[[Recipe], Service], recipes: Iterable[Recipe], *, stop_seconds: float,
        forget: Callable[[str], None] = lambda _name: None,
    ) -> None:  # fmt: skip
        """``stop_seconds``: how long one that is exchanged may take to end, before it is cancelled.

        ``forget`` is told the name of a service that is no more, or is no more the same.
        """
        self._make = make
        self._recipes = {recipe.name: recipe for recipe in recipes}
        self._stop_seconds = stop_seconds
        self._forget = forget
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._is_stopping = False
        self._exchanges = 0
        self._over = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self.services = [make(recipe) for recipe in self._recipes.values()]
        """Those there are, in the order of the configuration; always this same list."""
        self.failed: list[str] = []
        """Those that have failed for good."""

    @property
    def recipes(self) -> Mapping[str, Recipe]:
        """What each service is made from."""
        return self._recipes

    async def run(self) -> None:
        """Until every service has ended, and none is about to begin."""
        async with asyncio.TaskGroup() as self._group:
            for service in self.services:
                self._begin(service)
            self._look()
            await self._over.wait()

    def stop(self) -> None:
        """Let all drain and end; none begins any more."""
        self._is_stopping = True
        for service in self.services:
            service.stop()

    def cancel(self) -> None:
        """Wait for none any longer."""
        self._is_stopping = True
        for task in self._tasks.values():
            task.cancel()

    async def apply(self, changes: Changes, order: Iterable[str]) -> None:
        """Exchange what changed, and nothing else; returns when all of it has begun. ``order`` is the new one.

        A service is begun when the one of its name has ended, a further one when all that are removed have: what they
        wrote to may be what it writes to.
        """
        if self._is_stopping:
            return
        self._exchanges += 1
        try:
            async with asyncio.TaskGroup() as tasks:
                leaving = [tasks.create_task(self._remove(name)) for name in changes.removed]
                for recipe in changes.changed:
                    tasks.create_task(self._exchange(recipe))
                if leaving:
                    await asyncio.wait(leaving)
                for recipe in changes.added:
                    self._add(recipe)
        finally:
            self._exchanges -= 1
            self._sort(order)
            self._look()

    async def _remove(self, name: str) -> None:
        service = self._find(name)
        await self._end(service)
        self.services.remove(service)
        self._recipes.pop(name)
        self._forgive(name)
        self._forget(name)
        _log.info("service removed", service=name)

    async def _exchange(self, recipe: Recipe) -> None:
        old, new = self._find(recipe.name), self._make(recipe)
        await self._end(old)
        if self._is_stopping:
            return
        if old.health.is_paused:
            new.health.pause()
        self._forget(recipe.name)
        self._recipes[recipe.name] = recipe
        self.services[self.services.index(old)] = new
        self._forgive(recipe.name)
        self._begin(new)
        _log.info("service exchanged", service=recipe.name)

    def _add(self, recipe: Recipe) -> None:
        if self._is_stopping:
            return
        self._recipes[recipe.name] = recipe
        self.services.append(self._make(recipe))
        self._begin(self.services[-1])
        _log.info("service added", service=recipe.name)

    def _find(self, name: str) -> Service:
        return next(service for service in self.services if service.name == name)

    def _begin(self, service: Service) -> None:
        assert self._group is not None  # noqa: S101 - services are begun by ``run`` and beside it
        self._tasks[service.name] = self._group.create_task(self._run(service))

    async def _end(self, service: Service) -> None:
        """Gracefully, or in the end without grace: what it has not committed comes again to its successor."""
        task = self._tasks.get(service.name)
        if task is None:
            return
        service.stop()
        done, _ = await asyncio.wait({task}, timeout=self._stop_seconds)
        if not done:
            _log.warning("service does not end, and is ended", service=service.name, after_seconds=self._stop_seconds)
            task.cancel()
            await asyncio.wait({task}, timeout=2 * CLOSE_SECONDS)

    async def _run(self, service: Service) -> None:
        """One that fails for good is reported, and the others go on."""
        try:
            await service.run()
        except Exception:  # noqa: BLE001 - whatever ended it, the others go on
            _log.exception("service failed for good", service=service.name)
            self.failed.append(service.name)
            service.health.trouble(SERVICE, "failed for good; see the log")
        finally:
            if self._tasks.get(service.name) is asyncio.current_task():
                del self._tasks[service.name]
            self._look()

    def _forgive(self, name: str) -> None:
        if name in self.failed:
            self.failed.remove(name)

    def _sort(self, order: Iterable[str]) -> None:
        places = {name: at for at, name in enumerate(order)}
        self.services.sort(key=lambda service: places.get(service.name, len(places)))

    def _look(self) -> None:
        """Whether it is over."""
        if not self._tasks and not self._exchanges:
            self._over.set()
