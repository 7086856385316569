"""The lives of a process's plugins: loaded and initialised before the first exchange, shut down after the last."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import structlog

from sluice.plugin_host.answers import Limits
from sluice.plugin_host.chain import Chain, Link
from sluice.plugin_host.deadline import DeadlineExpired, EscapeAttempted, run_within
from sluice.plugin_host.errors import PluginLoadError, described
from sluice.plugin_host.loader import load_plugin
from sluice.plugin_host.registration import PluginRegistration
from sluice.plugin_host.services import services_of
from sluice.sdk.capabilities import Hook, hooks_of
from sluice.sdk.context import Context, ExchangeFacts, Runtime
from sluice.sdk.plugin import BasePlugin
from sluice.sdk.services import Services

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


class PluginHost:
    """Owns the plugins of one process.

    ``start`` once, then ``chain`` for each LLM, ``close`` once; ``close`` also after a ``start`` that raised.
    """

    def __init__(self, folder: Path, limits: Limits | None = None, runtime: Runtime = "gateway") -> None:
        """``folder`` is where relative paths of plugins begin: the one of the configuration file."""
        self._folder = folder
        self._limits = limits or Limits()
        self._runtime: Runtime = runtime
        self._loaded: dict[str, LoadedPlugin] = {}

    @property
    def plugins(self) -> Sequence[LoadedPlugin]:
        """Those that serve, in the order they were registered."""
        return tuple(self._loaded.values())

    async def start(self, registrations: Iterable[PluginRegistration]) -> None:
        """Load and initialise every plugin; raises PluginLoadError for the first that cannot serve."""
        for registration in registrations:
            plugin = load_plugin(registration, self._folder)
            loaded = self._prepared(registration, plugin)
            self._loaded[registration.name] = loaded
            await self._initialize(loaded)

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

    def chain(self, names: Iterable[str], hook: Hook) -> Chain | None:
        """The chain of these plugins, in this order, at a hook; ``None`` where none of them acts there."""
        links = [self._loaded[name].links.get(hook) for name in names]
        acting = tuple(link for link in links if link is not None)
        return Chain(hook, acting, self._limits) if acting else None

    async def close(self) -> None:
        """Shut every plugin down, the last one first; what fails is logged and stops no other."""
        while self._loaded:
            _, loaded = self._loaded.popitem()
            try:
                await run_within(loaded.plugin.shutdown(self._context(loaded)), SHUTDOWN_SECONDS)
            except Exception as error:  # noqa: BLE001 - the others have a shutdown too
                logger.warning("plugin shutdown failed", plugin=loaded.registration.name, error=type(error).__name__)

    def _context(self, loaded: LoadedPlugin) -> Context:
        return Context(ExchangeFacts(), loaded.services, self._runtime)
