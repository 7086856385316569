"""A plugin in this process: a ``BasePlugin``, behind the interface of all running plugins."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from sluice.clock import now_micros
from sluice.plugin_host.aside import StillUnderWay, run_aside
from sluice.plugin_host.config_schema import schema_of
from sluice.plugin_host.errors import PluginLoadError
from sluice.plugin_host.loader import find_class, make_plugin
from sluice.plugin_host.manifest import manifest_of
from sluice.plugin_host.registration import PluginRegistration
from sluice.plugin_host.running import Condition, Described, EventType, Handler, RunningPlugin
from sluice.sdk.capabilities import (
    HOOKS,
    AuthHandler,
    CustomEndpointHandler,
    DataCollector,
    EdgePayloadReceiver,
    Hook,
    ResponseHandler,
    SessionAware,
    hooks_of,
    overridden,
)
from sluice.sdk.collecting import AnalyticsData, BudgetUsageData, DataCollectionResponse, ProxyLogData
from sluice.sdk.context import Context
from sluice.sdk.endpoints import EndpointChunk, EndpointRegistration, EndpointRequest, EndpointResponse
from sluice.sdk.errors import ServiceUnavailable
from sluice.sdk.messages import EdgePayload
from sluice.sdk.plugin import BasePlugin
from sluice.sdk.records import App, User

IMPORT_SECONDS = 30.0

_EVENTS: dict[str, EventType] = {
    "handle_proxy_log": "proxy_log",
    "handle_analytics": "analytics",
    "handle_budget_usage": "budget",
}

CapabilityT = TypeVar("CapabilityT")


async def open_local(registration: PluginRegistration, folder: Path) -> LocalPlugin:
    """The plugin of a class or a file, configured; relative paths are those of ``folder``. Raises PluginLoadError."""
    name, command = registration.name, registration.command
    try:
        kind = await run_aside(f"{folder} {command}", partial(find_class, registration, folder), IMPORT_SECONDS)
    except TimeoutError as error:
        problem = f"its import took more than {IMPORT_SECONDS:g} s"
        raise PluginLoadError(name, problem, "do slow work in initialize, or later") from error
    except StillUnderWay as error:
        problem = f"an import of {command!r} that was begun before has not ended"
        raise PluginLoadError(name, problem, "if it never does, correct the plugin and restart the gateway") from error
    return LocalPlugin(make_plugin(registration, kind), name)


class LocalPlugin(RunningPlugin):
    """Hands everything to the plugin's own methods."""

    def __init__(self, plugin: BasePlugin[Any], name: str = "") -> None:
        """``plugin`` has its configuration. Raises PluginLoadError for a manifest or a schema that is none."""
        self.plugin = plugin
        self._since = now_micros()
        self._session_is_open = False
        self._described = _described(plugin, name)

    @property
    def described(self) -> Described:
        """Known from its class."""
        return self._described

    def handlers(self) -> Mapping[Hook, Handler]:
        """Bound methods: calling one costs nothing more than the plugin itself."""
        methods = hooks_of(type(self.plugin))
        return {hook: getattr(self.plugin, methods[hook]) for hook in HOOKS if hook in methods}

    async def initialize(self, ctx: Context) -> None:
        """Then its services can be called, which it is told where it wants to know."""
        await self.plugin.initialize(ctx, self.plugin.config)
        if isinstance(self.plugin, SessionAware):
            self._session_is_open = True
            await self.plugin.on_session_ready(ctx)

    async def shutdown(self, ctx: Context) -> None:
        """It is told first that its services end; failing at that does not spare it the rest."""
        try:
            if isinstance(self.plugin, SessionAware) and self._session_is_open:
                self._session_is_open = False
                await self.plugin.on_session_closing(ctx)
        finally:
            await self.plugin.shutdown(ctx)

    async def ping(self) -> None:
        """As well as the process."""

    async def keep(self) -> None:
        """Nothing to keep: it lives as long as the process."""

    def condition(self) -> Condition:
        """Always ready."""
        return Condition(since=self._since)

    async def get_app_by_credential(self, ctx: Context, credential: str) -> App | int | None:
        """See ``AuthHandler``."""
        return await self._able(AuthHandler).get_app_by_credential(ctx, credential)

    async def get_user_by_credential(self, ctx: Context, credential: str) -> User | None:
        """See ``AuthHandler``."""
        return await self._able(AuthHandler).get_user_by_credential(ctx, credential)

    async def get_endpoint_registrations(self) -> Sequence[EndpointRegistration]:
        """See ``CustomEndpointHandler``."""
        if not isinstance(self.plugin, CustomEndpointHandler):
            return ()
        return await self.plugin.get_endpoint_registrations()

    async def handle_endpoint_request(self, ctx: Context, request: EndpointRequest) -> EndpointResponse:
        """See ``CustomEndpointHandler``."""
        return await self._able(CustomEndpointHandler).handle_endpoint_request(ctx, request)

    def handle_endpoint_request_stream(self, ctx: Context, request: EndpointRequest) -> AsyncIterator[EndpointChunk]:
        """See ``CustomEndpointHandler``."""
        return self._able(CustomEndpointHandler).handle_endpoint_request_stream(ctx, request)

    async def handle_proxy_log(self, ctx: Context, log: ProxyLogData) -> DataCollectionResponse | None:
        """See ``DataCollector``."""
        return await self._able(DataCollector).handle_proxy_log(ctx, log)

    async def handle_analytics(self, ctx: Context, analytics: AnalyticsData) -> DataCollectionResponse | None:
        """See ``DataCollector``."""
        return await self._able(DataCollector).handle_analytics(ctx, analytics)

    async def handle_budget_usage(self, ctx: Context, usage: BudgetUsageData) -> DataCollectionResponse | None:
        """See ``DataCollector``."""
        return await self._able(DataCollector).handle_budget_usage(ctx, usage)

    async def handle_batch(self, ctx: Context, kind: str, frame: Any) -> Any:
        """See ``DataCollector``."""
        return await self._able(DataCollector).handle_batch(ctx, kind, frame)

    async def accept_edge_payload(self, ctx: Context, payload: EdgePayload) -> bool:
        """See ``EdgePayloadReceiver``."""
        return await self._able(EdgePayloadReceiver).accept_edge_payload(ctx, payload)

    def _able(self, capability: Callable[[], CapabilityT]) -> CapabilityT:
        """The plugin, as what it must be; written as a callable because types of abstract classes are none to mypy."""
        plugin, kind = self.plugin, cast("type[CapabilityT]", capability)
        if not isinstance(plugin, kind):
            message = f"plugin {plugin.name!r} is no {kind.__name__}"
            raise ServiceUnavailable(message)
        return plugin


def _described(plugin: BasePlugin[Any], name: str) -> Described:
    kind = type(plugin)
    collected = overridden(kind, DataCollector) if isinstance(plugin, DataCollector) else []
    return Described(
        name=str(plugin.name),
        version=str(plugin.version),
        description=str(plugin.description),
        where="in_process",
        handles_chunks=isinstance(plugin, ResponseHandler) and bool(plugin.handles_chunks),
        has_endpoints=isinstance(plugin, CustomEndpointHandler),
        authenticates=isinstance(plugin, AuthHandler),
        receives_payloads=isinstance(plugin, EdgePayloadReceiver),
        collects=_collected(collected),
        collects_batches="handle_batch" in collected,
        config_schema=schema_of(plugin, name),
        manifest=manifest_of(plugin, name),
        hooks=tuple(hook for hook in HOOKS if hook in hooks_of(kind)),
    )


def _collected(methods: list[str]) -> frozenset[EventType]:
    if "handle_batch" in methods:
        return frozenset(_EVENTS.values())
    return frozenset(_EVENTS[method] for method in methods)
