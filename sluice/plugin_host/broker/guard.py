"""Who may call what, how often at once, and how services' errors are said in gRPC.

UNAUTHENTICATED      the request names another plugin
PERMISSION_DENIED    the registration does not grant the scope
RESOURCE_EXHAUSTED   PayloadTooLarge
NOT_FOUND            NotFound
UNAVAILABLE          ServiceUnavailable
INVALID_ARGUMENT     any other ServiceError
INTERNAL             anything else, which is a fault of the host's
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import grpc
import structlog

from sluice.plugin_host.occasional import OccasionalLog
from sluice.plugin_wire.rpc import status_text
from sluice.sdk.errors import NotFound, PayloadTooLarge, ScopeDenied, ServiceError, ServiceUnavailable
from sluice.sdk.services import Scope

MAX_CONCURRENT = 256
"""Calls of one plugin under way at once, streams among them."""

_STATUSES: tuple[tuple[type[ServiceError], grpc.StatusCode], ...] = (
    (ScopeDenied, grpc.StatusCode.PERMISSION_DENIED),
    (NotFound, grpc.StatusCode.NOT_FOUND),
    (PayloadTooLarge, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (ServiceUnavailable, grpc.StatusCode.UNAVAILABLE),
)

Behaviour: TypeAlias = Callable[[Any, Any], Awaitable[Any]]
"""Request and gRPC's context, to the answer."""

logger = structlog.get_logger(__name__)


class Refused(Exception):  # noqa: N818 - what happened
    """A call that is answered with a status."""

    def __init__(self, status: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.status = status


class Guard:
    """Stands before every call of one plugin."""

    def __init__(self, plugin_id: int, plugin: str, scopes: frozenset[Scope]) -> None:
        self._plugin_id = plugin_id
        self._plugin = plugin
        self._scopes = scopes
        self._under_way = 0
        self._faults = OccasionalLog(logger, "service call failed")

    def guarded(self, method: str, scope: Scope | None, behaviour: Behaviour) -> Behaviour:
        """The behaviour, for those who may have it."""

        async def call(request: Any, context: Any) -> Any:
            try:
                self._check(request, scope)
                self._under_way += 1
                try:
                    return await behaviour(request, context)
                finally:
                    self._under_way -= 1
            except Refused as refused:
                status, text = refused.status, str(refused)
            except ServiceError as error:
                status, text = status_of(error), str(error)
            except Exception as error:  # noqa: BLE001 - a fault of ours, told to nobody but our own log
                self._faults.warning(plugin=self._plugin, method=method, error=type(error).__name__)
                status, text = grpc.StatusCode.INTERNAL, "the host could not do it; its log has more"
            return await context.abort(status, status_text(text))

        return call

    def _check(self, request: Any, scope: Scope | None) -> None:
        if _claimed_id(request) not in {"", "0", str(self._plugin_id)}:
            text = f"this is not plugin {ascii(_claimed_id(request))[:30]}; send the _plugin_id of Initialize"
            raise Refused(grpc.StatusCode.UNAUTHENTICATED, text)
        if scope is not None and scope not in self._scopes:
            raise ScopeDenied(self._plugin, scope)
        if self._under_way >= MAX_CONCURRENT:
            text = f"{MAX_CONCURRENT} calls of plugin {self._plugin!r} are under way; wait for them first"
            raise Refused(grpc.StatusCode.UNAVAILABLE, text)


def status_of(error: ServiceError) -> grpc.StatusCode:
    """How gRPC calls it."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), grpc.StatusCode.INVALID_ARGUMENT)


def _claimed_id(request: Any) -> str:
    """The plugin that a request says it comes from; empty where it does not say."""
    holder = getattr(request, "context", request)
    return str(getattr(holder, "plugin_id", ""))
