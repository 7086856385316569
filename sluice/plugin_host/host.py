"""The lives of a process's plugins: loaded and initialised before their first exchange, shut down after their last."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args

import structlog

from sluice.clock import now_micros
from sluice.plugin_host.answers import Limits
from sluice.plugin_host.chain import Chain, Link
from sluice.plugin_host.deadline import DeadlineExpired, EscapeAttempted, run_within
from sluice.plugin_host.errors import PluginLoadError, described
from sluice.plugin_host.loader import find_class, make_plugin
from sluice.plugin_host.registration import Instance, PluginRegistration
from sluice.plugin_host.services import services_of
from sluice.sdk.capabilities import Hook, hooks_of
from sluice.sdk.context import Context, ExchangeFacts, Runtime
from sluice.sdk.plugin import BasePlugin
from sluice.sdk.services import Services

IMPORT_SECONDS = 30.0
INITIALIZE_SECONDS = 10.0
SHUTDOWN_SECONDS = 5.0

HOOKS: tuple[Hook, ...] = get_args(Hook)

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """A plugin that serves, and how the operator wants it to."""

    registration: PluginRegistration
    plugin: BasePlugin[Any]
    services: Services
    links: dict[Hook, Link]
    """Where it acts: the hooks it implements and the operator wants."""


@dataclass(slots=True)
class _Place:
    """What serves under a key: an instance, or where it could not be loaded, the one before it, if any."""

    instance: Instance
    loaded: LoadedPlugin | None
    error: str
    refusal: Link | None
    """Instead of a plugin that is not there and whose failure closes exchanges."""
    attempted_at: int
    load_micros: int


@dataclass(frozen=True, slots=True)
class PluginHealth:
    """How one instance is; ``status`` is of the last attempt to load it."""

    key: str
    plugin_id: int
    name: str
    status: Literal["ready", "failed"]
    error: str
    is_serving: bool
    """Whether it acts; where it failed, whether the one before it does."""
    attempted_at: int
    """Micros of the epoch."""
    load_micros: int
    failures: int
    """Of its hooks, since it was loaded."""


class PluginHost:
    """Owns the plugins of one process.

    ``start`` once, then ``chain`` for each LLM, ``close`` once; ``close`` also after a ``start`` that raised. Between
    them ``reconcile`` (one call at a time) and ``retire`` as often as need be.
    """

    def __init__(self, folder: Path, limits: Limits | None = None, runtime: Runtime = "gateway") -> None:
        """``folder`` is where relative paths of plugins begin: the one of the configuration file."""
        self._folder = folder
        self._limits = limits or Limits()
        self._runtime: Runtime = runtime
        self._places: dict[str, _Place] = {}
        self._retired: list[LoadedPlugin] = []
        """Those that serve no new exchange and are not shut down yet."""

    @property
    def plugins(self) -> Sequence[LoadedPlugin]:
        """Those that serve, in the order they were registered."""
        return tuple(place.loaded for place in self._places.values() if place.loaded)

    async def start(self, instances: Iterable[Instance]) -> None:
        """Load and initialise every plugin; raises PluginLoadError for the first that cannot serve."""
        for instance in instances:
            began, loaded = _Began(), await self._load(instance)
            self._places[instance.key] = _Place(instance, loaded, "", None, began.at, began.micros())

    async def reconcile(self, instances: Iterable[Instance]) -> list[LoadedPlugin]:
        """Make these serve, and no others: what is new or changed is loaded, what is equal stays, failed or not.

        One that cannot be loaded leaves the one before it in its place. Returns those that serve no more, to be given
        to ``retire`` when no exchange needs them any longer.
        """
        before, places = self._places, dict[str, _Place]()
        try:
            for instance in instances:
                place = before.get(instance.key)
                if place is None or place.instance != instance:
                    place = await self._placed(instance, place.loaded if place else None)
                places[instance.key] = place
        except BaseException:  # cancelled: ``close`` shuts down what was loaded for nothing
            self._retired += _only_in(places, before)
            raise
        self._places = places
        retired = _only_in(before, places)
        self._retired += retired
        return retired

    async def _placed(self, instance: Instance, before: LoadedPlugin | None) -> _Place:
        registration = instance.registration
        began = _Began()
        try:
            loaded = await self._load(instance)
        except PluginLoadError as error:
            failure = error
        else:
            return _Place(instance, loaded, "", None, began.at, began.micros())
        serving = before is not None
        logger.error("plugin not loaded", plugin=registration.name, problem=str(failure), previous_serves=serving)
        refusal = None if serving else self._refusal(registration, failure)
        return _Place(instance, before, str(failure), refusal, began.at, began.micros())

    async def try_out(self, registration: PluginRegistration) -> None:
        """Load and initialise a plugin beside those that serve, and shut it down; raises PluginLoadError."""
        await self.retire([await self._load(Instance("", registration))])

    def is_settled(self, instance: Instance) -> bool:
        """Whether just this was loaded, or could not be."""
        place = self._places.get(instance.key)
        return place is not None and place.instance == instance

    def health(self) -> list[PluginHealth]:
        """Of every instance."""
        return [_health(place) for place in self._places.values()]

    async def _load(self, instance: Instance) -> LoadedPlugin:
        registration = instance.registration
        try:
            kind = await asyncio.wait_for(asyncio.to_thread(find_class, registration, self._folder), IMPORT_SECONDS)
        except TimeoutError as error:
            problem = f"its import took more than {IMPORT_SECONDS:g} s"
            raise PluginLoadError(registration.name, problem, "do slow work in initialize, or later") from error
        loaded = self._prepared(registration, make_plugin(registration, kind))
        try:
            await self._initialize(loaded)
        except BaseException:
            await self.retire([loaded])
            raise
        return loaded

    def _prepared(self, registration: PluginRegistration, plugin: BasePlugin[Any]) -> LoadedPlugin:
        services = services_of(registration.id, registration.name)
        links = {
            hook: Link(
                plugin=registration.name,
                hook=hook,
                handler=getattr(plugin, method),
                services=services,
                timeout_seconds=registration.timeout_ms / 1000,
                fails_open=registration.fails_open(hook),
                runtime=self._runtime,
            )
            for hook, method in hooks_of(type(plugin)).items()
            if registration.wants(hook)
        }
        if not links:
            problem = f"implements none of its hook_types ({', '.join(registration.hook_types)})"
            remedy = f"it implements: {', '.join(hooks_of(type(plugin)))}"
            raise PluginLoadError(registration.name, problem, remedy)
        return LoadedPlugin(registration, plugin, services, links)

    async def _initialize(self, loaded: LoadedPlugin) -> None:
        plugin = loaded.plugin
        try:
            await run_within(plugin.initialize(self._context(loaded), plugin.config), INITIALIZE_SECONDS)
        except DeadlineExpired as error:
            problem = f"initialize took more than {INITIALIZE_SECONDS:g} s"
            raise PluginLoadError(
                loaded.registration.name, problem, "do slow work later, or in the background"
            ) from error
        except Exception as error:
            raised = str(error) if isinstance(error, EscapeAttempted) else described(error)
            problem = f"initialize raised {raised}"
            raise PluginLoadError(loaded.registration.name, problem, "see the plugin's own documentation") from error

    def _refusal(self, registration: PluginRegistration, error: PluginLoadError) -> Link | None:
        """At the hook that every exchange passes before its vendor is called."""
        wanted: list[Hook] = [hook for hook in HOOKS if registration.wants(hook)] or ["post_auth"]
        if all(registration.fails_open(hook) for hook in wanted):
            return None

        async def refuse(_context: Context, _message: Any) -> NoReturn:
            raise PluginLoadError(error.plugin, error.problem, error.remedy)

        services = services_of(registration.id, registration.name)
        return Link(registration.name, "post_auth", refuse, services, 1.0, fails_open=False, runtime=self._runtime)

    def chain(self, keys: Iterable[str], hook: Hook) -> Chain | None:
        """The chain of these instances, in this order, at a hook; ``None`` where none of them acts there."""
        links = [self._link(self._places[key], hook) for key in keys]
        acting = tuple(link for link in links if link is not None)
        return Chain(hook, acting, self._limits) if acting else None

    def _link(self, place: _Place, hook: Hook) -> Link | None:
        if place.loaded is not None:
            return place.loaded.links.get(hook)
        return place.refusal if hook == "post_auth" else None

    async def retire(self, plugins: Iterable[LoadedPlugin]) -> None:
        """Shut these down, one after the other; what fails is logged and stops no other."""
        for loaded in plugins:
            self._retired = [each for each in self._retired if each is not loaded]
            try:
                await run_within(loaded.plugin.shutdown(self._context(loaded)), SHUTDOWN_SECONDS)
            except Exception as error:  # noqa: BLE001 - the others have a shutdown too
                logger.warning("plugin shutdown failed", plugin=loaded.registration.name, error=type(error).__name__)

    async def close(self) -> None:
        """Shut every plugin down, the last one first."""
        serving, self._places = self.plugins, {}
        while self._retired:
            await self.retire(self._retired[-1:])
        await self.retire(reversed(serving))

    def _context(self, loaded: LoadedPlugin) -> Context:
        return Context(ExchangeFacts(), loaded.services, self._runtime)


class _Began:
    """When an attempt began, and how long it takes."""

    def __init__(self) -> None:
        self.at = now_micros()
        self._ns = time.monotonic_ns()

    def micros(self) -> int:
        return (time.monotonic_ns() - self._ns) // 1000


def _only_in(some: Mapping[str, _Place], others: Mapping[str, _Place]) -> list[LoadedPlugin]:
    kept = {id(place.loaded) for place in others.values()}
    return [place.loaded for place in some.values() if place.loaded is not None and id(place.loaded) not in kept]


def _health(place: _Place) -> PluginHealth:
    registration, loaded = place.instance.registration, place.loaded
    return PluginHealth(
        key=place.instance.key,
        plugin_id=registration.id,
        name=registration.name,
        status="failed" if place.error else "ready",
        error=place.error,
        is_serving=loaded is not None,
        attempted_at=place.attempted_at,
        load_micros=place.load_micros,
        failures=sum(link.failures for link in loaded.links.values()) if loaded else 0,
    )
