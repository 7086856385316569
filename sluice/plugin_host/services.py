"""The services that plugins get in this process.

A ``ServicesFactory`` makes those of one plugin: ``ServiceSources(…).services_of`` where there is a store, a message bus
and so on, ``bare_services`` where there is a log alone. What a process or a runtime has not got raises
ServiceUnavailable when it is used, never when the plugin is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

import structlog

from sluice.sdk.context import Runtime
from sluice.sdk.errors import ServiceUnavailable
from sluice.sdk.services import GatewayServices, KeyValue, Logger, Messages, Services, StudioServices

if TYPE_CHECKING:
    import httpx

    from sluice.plugin_host.http_pool import HttpPool
    from sluice.plugin_host.kv import KvStore
    from sluice.plugin_host.messages import MessageBus

ServicesFactory: TypeAlias = Callable[[int, str, Runtime], Services]
"""Plugin id, name and runtime, to the services of that plugin."""

_NOT_HERE = "this process has no {service} for plugins; run the plugin in a gateway or a collector"
_WRONG_RUNTIME = {
    ("gateway", "studio"): "studio services are on the control side; in a gateway use ctx.services.gateway()",
    ("collector", "studio"): "studio services are on the control side; in a collector use ctx.services.gateway()",
    ("studio", "gateway"): "gateway services are in a gateway; on the control side use ctx.services.studio()",
}
_NO_SOURCE = {
    "gateway": "this gateway offers no gateway services; see what its log says of its start",
    "studio": "this control side offers no studio services; set control.enabled: true",
    "collector": "gateway services need the control API in a collector; set control.url",
}


class Releasable(Protocol):
    """Services that hold something in the name of one life of a plugin."""

    def release(self) -> None:
        """Let go of it: no subscriber of that life is called any more."""
        ...


class Absent:
    """In the place of a service that a process has not got: whatever is asked of it, it says so."""

    __slots__ = ("_message",)

    def __init__(self, message: str) -> None:
        self._message = message

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise ServiceUnavailable(self._message)


class HostServices:
    """What the contexts of one life of a plugin hand out."""

    __slots__ = ("_gateway", "_http", "_plugin", "_plugin_id", "_runtime", "_sources", "_studio", "kv", "logger",
                 "messages")  # fmt: skip

    def __init__(self, sources: ServiceSources, plugin_id: int, plugin: str, runtime: Runtime) -> None:
        self._sources = sources
        self._plugin_id = plugin_id
        self._plugin = plugin
        self._runtime = runtime
        self._http: httpx.AsyncClient | None = None
        self._gateway: GatewayServices | None = None
        self._studio: StudioServices | None = None
        self.logger: Logger = structlog.get_logger("sluice.plugin").bind(plugin=plugin, plugin_id=plugin_id)
        kv, messages = sources.kv, sources.messages
        self.kv: KeyValue = kv.of_plugin(plugin_id) if kv else _absent("kv")
        self.messages: Messages = messages.of_plugin(plugin_id) if messages else _absent("messages")

    @property
    def http(self) -> httpx.AsyncClient:
        """The plugin's own client of the shared pool."""
        if self._http is None:
            pool = self._sources.http
            self._http = pool.client() if pool else _absent("http")
        return self._http

    def gateway(self) -> GatewayServices:
        """Raises ServiceUnavailable on the control side, and where this process has none."""
        if self._gateway is None:
            source = self._source("gateway", self._sources.gateway)
            self._gateway = source(self._plugin_id, self._plugin)
        return self._gateway

    def studio(self) -> StudioServices:
        """Raises ServiceUnavailable anywhere but on the control side, and where this process has none."""
        if self._studio is None:
            source = self._source("studio", self._sources.studio)
            self._studio = source(self._plugin_id, self._plugin)
        return self._studio

    def _source(self, service: str, source: Callable[[int, str], Any] | None) -> Callable[[int, str], Any]:
        wrong = _WRONG_RUNTIME.get((self._runtime, service))
        if wrong is not None:
            raise ServiceUnavailable(wrong)
        if source is None:
            raise ServiceUnavailable(_NO_SOURCE[self._runtime])
        return source

    def release(self) -> None:
        """The plugin was shut down: what it subscribed to is nobody's any more."""
        if self._sources.messages is not None:
            release(self.messages)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSources:
    """What a process has to offer to plugins; ``None`` is what it has not got."""

    kv: KvStore | None = None
    messages: MessageBus | None = None
    http: HttpPool | None = None
    gateway: Callable[[int, str], GatewayServices] | None = None
    """By plugin id and name."""
    studio: Callable[[int, str], StudioServices] | None = None

    def services_of(self, plugin_id: int, plugin: str, runtime: Runtime) -> HostServices:
        """A ServicesFactory: the services of one life of a plugin, to be given to ``release`` at its end."""
        return HostServices(self, plugin_id, plugin, runtime)


_NOTHING = ServiceSources()


def bare_services(plugin_id: int, plugin: str, runtime: Runtime) -> HostServices:
    """A ServicesFactory for processes that offer a log and nothing else."""
    return _NOTHING.services_of(plugin_id, plugin, runtime)


def release(services: object) -> None:
    """End what ``services`` hold for a plugin that was shut down; of no effect on others, and the second time."""
    end = getattr(services, "release", None)
    if callable(end):
        cast("Releasable", services).release()


def _absent(service: str) -> Any:
    return Absent(_NOT_HERE.format(service=service))
