"""The lives of a process's plugins: loaded and initialised before their first exchange, shut down after their last."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from sluice.plugin_host.answers import Limits
from sluice.plugin_host.chain import Chain
from sluice.plugin_host.deadline import run_within
from sluice.plugin_host.errors import PluginLoadError
from sluice.plugin_host.health import PluginHealth, health_of
from sluice.plugin_host.keeping import Keepers
from sluice.plugin_host.link import Link
from sluice.plugin_host.loaded import LoadedPlugin
from sluice.plugin_host.loading import Loading, refuse_taken_slug
from sluice.plugin_host.place import Attempt, Began, Place, is_due, loaded_in, only_in
from sluice.plugin_host.refusals import refusals_of
from sluice.plugin_host.registration import Instance, Placement, PluginRegistration, scheme_of
from sluice.plugin_host.running import Described
from sluice.plugin_host.services import ServicesFactory, bare_services, release
from sluice.plugin_host.settings import PluginHostSettings
from sluice.plugin_host.stream_plan import StreamPlan, plan_streams
from sluice.sdk.capabilities import HOOKS, Hook
from sluice.sdk.context import Runtime

__all__ = ["HOOKS", "LoadedPlugin", "PluginHealth", "PluginHost", "StreamPlan"]

SHUTDOWN_SECONDS = 5.0
LOADS_AT_ONCE = 8  # plugins that start together; a process may take a core for half a second

logger = structlog.get_logger(__name__)


class PluginHost:
    """Owns the plugins of one process.

    ``start`` once, then ``chain`` for each LLM, ``close`` once; ``close`` also after a ``start`` that raised. Between
    them ``reconcile`` (one call at a time) and ``retire`` as often as need be, and ``run`` beside all that, which
    keeps alive what runs in processes of their own.
    """

    def __init__(
        self,
        folder: Path,
        limits: Limits | None = None,
        runtime: Runtime = "gateway",
        *,
        services: ServicesFactory = bare_services,
        settings: PluginHostSettings | None = None,
        edge_id: str = "",
        edge_namespace: str = "",
        data_dir: Path | None = None,
    ) -> None:
        """``folder`` is where relative paths of plugins begin, the one of the configuration file; ``data_dir`` is for
        private sockets."""
        self._limits = limits or Limits()
        self._loading = Loading(
            folder=folder,
            services=services,
            settings=settings or PluginHostSettings(),
            runtime=runtime,
            edge_id=edge_id,
            edge_namespace=edge_namespace,
            data_dir=data_dir or folder,
        )
        self._keepers = Keepers()
        self._places: dict[str, Place] = {}
        self._attempted: dict[str, Instance] = {}
        """Those that are loaded at this moment, by key."""
        self._retired: list[LoadedPlugin] = []
        """Those that serve no new exchange and are not shut down yet."""

    @property
    def plugins(self) -> Sequence[LoadedPlugin]:
        """Those that serve, in the order they were registered."""
        return tuple(place.loaded for place in self._places.values() if place.loaded)

    async def start(self, instances: Iterable[Instance]) -> None:
        """Load and initialise every plugin; raises PluginLoadError for the first that cannot serve."""
        wanted, serving = list(instances), list(self.plugins)
        apart = [each for each in wanted if scheme_of(each.registration.command) in {"file", "grpc"}]
        ahead = await self._load_ahead(apart, serving)
        for instance in wanted:
            attempt = ahead.pop(instance.key, None) or await self._attempt(instance, serving)
            attempt = await self._accepted(attempt, serving)
            if isinstance(attempt.outcome, PluginLoadError):
                self._retired += loaded_in(ahead.values())
                raise attempt.outcome
            self._places[instance.key] = Place(instance, attempt.outcome, attempt.began)

    async def run(self) -> None:
        """Keep plugins alive until it is cancelled."""
        await self._keepers.run(self.plugins)

    async def reconcile(self, instances: Iterable[Instance]) -> list[LoadedPlugin]:
        """Make these serve, and no others: what is new or changed is loaded, what is equal stays; one that failed is
        tried again when ``retry_seconds`` are over.

        One that cannot be loaded leaves the one before it in its place. Returns those that serve no more, to be given
        to ``retire`` when no exchange needs them any longer.
        """
        wanted = list(instances)
        before, places = self._places, dict[str, Place]()
        due = {each.key: each for each in wanted if is_due(before.get(each.key), each)}
        kept = [before[each.key].loaded for each in wanted if each.key in before]
        serving = [loaded for loaded in kept if loaded is not None]
        ahead = await self._load_ahead(due.values(), serving)
        try:
            for instance in wanted:
                place = before.get(instance.key)
                if place is None or instance.key in due:
                    attempt = await self._accepted(ahead.pop(instance.key), serving)
                    place = self._placed(instance, place, attempt)
                places[instance.key] = place
        except BaseException:  # cancelled: ``close`` shuts down what was loaded for nothing
            self._retired += [*only_in(places, before), *loaded_in(ahead.values())]
            raise
        self._places = places
        retired = only_in(before, places)
        self._retired += retired
        return retired

    def _placed(self, instance: Instance, before: Place | None, attempt: Attempt) -> Place:
        if not isinstance(attempt.outcome, PluginLoadError):
            return Place(instance, attempt.outcome, attempt.began)
        place = Place.of_failure(instance, attempt.outcome, before, attempt.began)
        if place.is_news(before):
            previous, name = place.loaded is not None, instance.registration.name
            logger.error("plugin not loaded", plugin=name, problem=place.error, previous_serves=previous)
        if place.loaded is None:
            place.refusals = refusals_of(instance.registration, attempt.outcome)
        return place

    async def _load_ahead(self, instances: Iterable[Instance], serving: list[LoadedPlugin]) -> dict[str, Attempt]:
        """Some at a time: one that hangs holds up no other. Beside those that serve, not yet beside each other."""
        turns, found = asyncio.Semaphore(LOADS_AT_ONCE), dict[str, Attempt]()

        async def load(instance: Instance) -> None:
            async with turns:
                found[instance.key] = await self._attempt(instance, serving)

        try:
            async with asyncio.TaskGroup() as tasks:
                for instance in instances:
                    tasks.create_task(load(instance))
        except BaseException:
            self._retired += loaded_in(found.values())
            raise
        return found

    async def _attempt(self, instance: Instance, serving: list[LoadedPlugin]) -> Attempt:
        began = Began()
        self._attempted[instance.key] = instance
        try:
            loaded = await self._loading.load(instance, serving, self._shut_down)
        except PluginLoadError as error:
            return Attempt(began, error)
        finally:
            del self._attempted[instance.key]
        self._keepers.begin(loaded)
        return Attempt(began, loaded)

    async def _accepted(self, attempt: Attempt, serving: list[LoadedPlugin]) -> Attempt:
        """Among those that serve. Asked in the order of registration, so that of two that want the same the first has
        it in every worker, whichever was ready first."""
        loaded = attempt.outcome
        if isinstance(loaded, PluginLoadError):
            return attempt
        try:
            refuse_taken_slug(loaded, serving)
        except PluginLoadError as error:
            await self._shut_down(loaded)
            return Attempt(attempt.began, error)
        serving.append(loaded)
        return attempt

    async def try_out(self, registration: PluginRegistration) -> Described:
        """Load and initialise a plugin beside those that serve, shut it down, and tell what it said of itself; raises
        PluginLoadError."""
        loaded = await self._loading.load(Instance("", registration), self.plugins, self._shut_down)
        await self._shut_down(loaded)
        return loaded.running.described

    def retry_seconds(self) -> float | None:
        """Until a plugin that could not be loaded is to be tried again, by ``reconcile``; ``None`` where all could."""
        soonest = min((place.retry_at for place in self._places.values()), default=math.inf)
        return None if soonest == math.inf else max(0.0, soonest - time.monotonic())

    def is_settled(self, instance: Instance) -> bool:
        """Whether just this was loaded, or could not be."""
        place = self._places.get(instance.key)
        return place is not None and place.instance == instance

    def health(self) -> list[PluginHealth]:
        """Of every instance, and of those that are being loaded."""
        found = [place.health(self._attempted.get(key)) for key, place in self._places.items()]
        new = [instance for key, instance in self._attempted.items() if key not in self._places]
        return found + [health_of(each.key, each.registration, None, is_loading=True) for each in new]

    def chain(self, placements: Iterable[Placement | str], hook: Hook) -> Chain | None:
        """The chain of these instances (a key alone is its first place), in this order, at a hook; ``None`` where none
        of them acts there."""
        places = [Placement(each) if isinstance(each, str) else each for each in placements]
        links = [link for place in places if (link := self._link(place, hook)) is not None]
        while hook == "pre_auth" and links and links[-1].running is None:
            links.pop()  # a refusal with nobody behind it who could answer: post_auth refuses, with the app known
        return self._chain(hook, links)

    def auth_chain(self, placements: Iterable[Placement]) -> Chain | None:
        """As ``chain``, of ``auth``: each link knows its attachment's app."""
        links = [(self._link(placement, "auth"), placement.app_id) for placement in placements]
        return self._chain("auth", [replace(link, app_id=app) if link and app else link for link, app in links])

    def stream_plan(self, placements: Iterable[Placement]) -> StreamPlan:
        """What these instances, in this order, do to streams."""
        acting = [
            (link, placement.on_stream or link.on_stream)
            for placement in placements
            if (link := self._link(placement, "response_body")) is not None
        ]
        return plan_streams(acting, self._limits)

    def _chain(self, hook: Hook, links: Iterable[Link | None]) -> Chain | None:
        acting = tuple(link for link in links if link is not None)
        return Chain(hook, acting, self._limits) if acting else None

    def _link(self, placement: Placement, hook: Hook) -> Link | None:
        return self._places[placement.key].link(placement, hook)

    async def retire(self, plugins: Iterable[LoadedPlugin]) -> None:
        """Shut these down, all at once; what fails or hangs is logged and stops no other."""
        async with asyncio.TaskGroup() as tasks:
            for loaded in plugins:
                self._retired = [each for each in self._retired if each is not loaded]
                tasks.create_task(self._shut_down(loaded))

    async def _shut_down(self, loaded: LoadedPlugin) -> None:
        await self._keepers.end(loaded)
        try:
            try:
                await run_within(loaded.running.shutdown(loaded.context()), SHUTDOWN_SECONDS)
            finally:
                release(loaded.services)
        except Exception as error:  # noqa: BLE001 - the others have a shutdown too
            logger.warning("plugin shutdown failed", plugin=loaded.name, error=type(error).__name__)

    async def close(self) -> None:
        """Shut every plugin down; the last one is told first."""
        serving, self._places = self.plugins, {}
        await self.retire([*reversed(self._retired), *reversed(serving)])
