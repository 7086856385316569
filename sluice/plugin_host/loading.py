"""From an instance to a plugin that serves: opened, initialised, its endpoints asked for, its places in chains made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from sluice.plugin_host.deadline import DeadlineExpired, EscapeAttempted, run_within
from sluice.plugin_host.endpoint_paths import check_slug, checked_registrations
from sluice.plugin_host.errors import PluginLoadError, described
from sluice.plugin_host.gate import Gate
from sluice.plugin_host.link import Link
from sluice.plugin_host.loaded import LoadedPlugin
from sluice.plugin_host.manifest import parse_manifest
from sluice.plugin_host.opening import Opening, open_plugin
from sluice.plugin_host.registration import Instance, PluginRegistration, hooks_of_type
from sluice.plugin_host.running import RunningPlugin
from sluice.plugin_host.services import ServicesFactory, release
from sluice.plugin_host.settings import PluginHostSettings
from sluice.sdk.capabilities import HOOKS, Hook
from sluice.sdk.context import Runtime
from sluice.sdk.services import Services

INITIALIZE_SECONDS = 10.0
ENDPOINTS_SECONDS = 10.0

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """What all plugins of a host have in common."""

    folder: Path
    services: ServicesFactory
    settings: PluginHostSettings
    runtime: Runtime
    edge_id: str
    edge_namespace: str
    data_dir: Path

    async def load(
        self,
        instance: Instance,
        others: Sequence[LoadedPlugin],
        shut_down: Callable[[LoadedPlugin], Awaitable[None]],
    ) -> LoadedPlugin:
        """Beside ``others``, those that serve. Raises PluginLoadError; what was begun is shut down then."""
        try:
            return await self._loaded(instance, others, shut_down)
        except PluginLoadError:
            raise
        except Exception as error:  # services cannot be had, or the plugin lies: the others load all the same
            problem = f"cannot be loaded ({described(error)})"
            raise PluginLoadError(instance.registration.name, problem, "see what it needs to run") from error

    async def _loaded(
        self,
        instance: Instance,
        others: Sequence[LoadedPlugin],
        shut_down: Callable[[LoadedPlugin], Awaitable[None]],
    ) -> LoadedPlugin:
        registration = instance.registration
        services = self.services(registration.id, registration.name, self.runtime)
        running = await self._opened(registration, services)
        loaded = LoadedPlugin(
            instance=instance,
            registration=registration,
            running=running,
            services=services,
            runtime=self.runtime,
            edge_id=self.edge_id,
            edge_namespace=self.edge_namespace,
            gate=Gate(registration.breaker_failures, registration.breaker_pause_seconds, registration.max_concurrent),
        )
        try:
            await self._complete(loaded, others)
        except BaseException:
            await shut_down(loaded)
            raise
        return loaded

    async def _opened(self, registration: PluginRegistration, services: Services) -> RunningPlugin:
        opening = Opening(
            folder=self.folder,
            settings=self.settings,
            services=services,
            runtime=self.runtime,
            edge_id=self.edge_id,
            edge_namespace=self.edge_namespace,
            data_dir=self.data_dir,
        )
        try:
            return await open_plugin(registration, opening)
        except BaseException:
            release(services)
            raise

    async def _complete(self, loaded: LoadedPlugin, others: Sequence[LoadedPlugin]) -> None:
        await _within(loaded, "initialize", loaded.running.initialize(loaded.context()), INITIALIZE_SECONDS)
        loaded.registration = _with_manifest(loaded)
        loaded.links = self._links(loaded)
        if loaded.running.described.has_endpoints and loaded.registration.wants_type("custom_endpoint"):
            await _register(loaded, others)
        _refuse_idle(loaded)
        _tell_of_what_differs(loaded)

    def _links(self, loaded: LoadedPlugin) -> Mapping[Hook, Link]:
        registration = loaded.registration
        return {
            hook: Link(
                plugin=registration.name,
                hook=hook,
                handler=handler,
                services=loaded.services,
                timeout_seconds=registration.timeout_ms / 1000,
                fails_open=registration.fails_open(hook),
                runtime=self.runtime,
                key=loaded.key,
                on_stream=registration.on_stream,
                on_oversize=registration.on_oversize,
                handles_chunks=loaded.running.described.handles_chunks,
                running=loaded.running,
                gate=loaded.gate,
            )
            for hook, handler in sorted(loaded.running.handlers().items(), key=lambda item: HOOKS.index(item[0]))
            if registration.wants(hook)
        }


def _with_manifest(loaded: LoadedPlugin) -> PluginRegistration:
    """With the hooks of its manifest, where it has one and no operator chose others."""
    registration, document = loaded.registration, loaded.running.described.manifest
    if document is None or registration.hook_types:
        return registration
    hooks = parse_manifest(registration.name, document).hooks
    if not hooks:
        problem = "its manifest names no hook of a gateway"
        raise PluginLoadError(registration.name, problem, "name its hooks in hook_types of its registration")
    return registration.model_copy(update={"hook_types": hooks})


async def _register(loaded: LoadedPlugin, others: Sequence[LoadedPlugin]) -> None:
    name = loaded.name
    asked = loaded.running.get_endpoint_registrations()
    found: Any = await _within(loaded, "get_endpoint_registrations", asked, ENDPOINTS_SECONDS)
    try:
        loaded.endpoints = checked_registrations(found)
        loaded.slug = check_slug(slug_of(loaded.registration))
    except ValueError as error:
        raise PluginLoadError(name, f"its endpoints cannot be: {error}", "correct what it registers") from error
    refuse_taken_slug(loaded, others)


def refuse_taken_slug(loaded: LoadedPlugin, others: Iterable[LoadedPlugin]) -> None:
    """Raise PluginLoadError where another plugin answers below the slug of this one."""
    if not loaded.endpoints:
        return
    for other in others:
        if other.endpoints and other.slug == loaded.slug and other.plugin_id != loaded.plugin_id:
            problem = f"its slug {loaded.slug!r} is plugin {other.name!r}'s already"
            remedy = "give one of them another `slug` in its config, or another name"
            raise PluginLoadError(loaded.name, problem, remedy)


def slug_of(registration: PluginRegistration) -> str:
    """Below which its endpoints are: ``slug`` of its config where that is text, else its name."""
    given = registration.config.get("slug")
    return given if isinstance(given, str) and given else registration.name


def _refuse_idle(loaded: LoadedPlugin) -> None:
    """An operator who restricts a plugin to hooks it does not have would believe himself protected."""
    described, registration = loaded.running.described, loaded.registration
    answers_http = described.has_endpoints and registration.wants_type("custom_endpoint")
    if loaded.links or answers_http or loaded.collects:
        return
    if described.receives_payloads and not registration.hook_types:
        return
    able: list[str] = list(described.hooks or loaded.running.handlers())
    able += ["data_collection"] * bool(described.collects) + ["custom_endpoint"] * described.has_endpoints
    problem = f"implements none of its hook_types ({', '.join(registration.hook_types)})"
    raise PluginLoadError(loaded.name, problem, f"it implements: {', '.join(able) or 'nothing'}")


def _tell_of_what_differs(loaded: LoadedPlugin) -> None:
    """Between what it is let do and what it can: where it does not act nothing else will say so."""
    told, acting = loaded.instance.registration, loaded.registration
    hooks = {kind: set(hooks_of_type(kind)) for kind in told.hook_types}
    missing = [kind for kind, meant in hooks.items() if meant and meant.isdisjoint(loaded.links)]
    if missing:
        logger.warning("plugin implements less than its hook_types", plugin=loaded.name, missing=missing)
    left_out = [hook for hook in loaded.running.handlers() if hook not in loaded.links]
    if left_out and acting is not told:
        remedy = "name all of them in the manifest, or in hook_types"
        logger.warning(
            "plugin implements more than its manifest names", plugin=loaded.name, left_out=left_out, remedy=remedy
        )


async def _within(loaded: LoadedPlugin, what: str, doing: Any, seconds: float) -> Any:
    try:
        return await run_within(doing, seconds)
    except PluginLoadError:
        raise
    except DeadlineExpired as error:
        problem = f"{what} took more than {seconds:g} s"
        raise PluginLoadError(loaded.name, problem, "do slow work later, or in the background") from error
    except Exception as error:
        raised = str(error) if isinstance(error, EscapeAttempted) else described(error)
        raise PluginLoadError(loaded.name, f"{what} raised {raised}", "see the plugin's own documentation") from error
