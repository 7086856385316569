"""From ``Initialize`` to ``Shutdown``, and the sessions between."""

from __future__ import annotations

import asyncio
from typing import Final

from pydantic import ValidationError

from sluice.clock import now_micros
from sluice.plugin_wire import config_provider_pb2, plugin_pb2
from sluice.sdk.serving.guard import problem_of
from sluice.sdk.serving.served import Served, without_values
from sluice.sdk.serving.sessions import Reason
from sluice.sdk.wire import configuration_from_wire, description_to_wire
from sluice.sdk.wire.values import text

_DEFAULT_SESSION_MS: Final = 30_000
_MAX_SESSION_MS: Final = 600_000
_DEFAULT_SHUTDOWN_SECONDS: Final = 5
_MAX_SHUTDOWN_SECONDS: Final = 60
_EXPECTED_REASONS: Final = frozenset(("", "explicit_close", "shutdown", "unload"))


class Lifecycle:
    """The methods of ``PluginService`` that make a plugin live."""

    def __init__(self, served: Served) -> None:
        self._served = served

    async def initialize(self, request: plugin_pb2.InitRequest) -> plugin_pb2.InitResponse:
        """May come again, with another configuration. What fails is in the answer, where hosts look for it."""
        try:
            await self._served.initialize(configuration_from_wire(request))
        except ValidationError as error:
            return self._refusal(f"config: {without_values(error)}")
        except Exception as error:  # noqa: BLE001 - the plugin is the author's
            return self._refusal(problem_of(error))
        return plugin_pb2.InitResponse(success=True, description=description_to_wire(self._served.plugin))

    def _refusal(self, problem: str) -> plugin_pb2.InitResponse:
        self._served.services.logger.error("plugin not initialised", error=problem)
        return plugin_pb2.InitResponse(success=False, error_message=text(problem))

    async def ping(self, request: plugin_pb2.PingRequest) -> plugin_pb2.PingResponse:
        """As well as this process."""
        return plugin_pb2.PingResponse(timestamp=request.timestamp or now_micros() // 1_000_000, healthy=True)

    async def ping_config(
        self, request: config_provider_pb2.ConfigPingRequest
    ) -> config_provider_pb2.ConfigPingResponse:
        """The other service's."""
        return config_provider_pb2.ConfigPingResponse(timestamp=request.timestamp, healthy=True)

    async def shutdown(self, request: plugin_pb2.ShutdownRequest) -> plugin_pb2.ShutdownResponse:
        """The plugin ends; the process does with ``GRPCController.Shutdown``."""
        seconds = request.timeout_seconds or _DEFAULT_SHUTDOWN_SECONDS
        async with asyncio.timeout(min(seconds, _MAX_SHUTDOWN_SECONDS)):
            await self._served.shutdown()
        return plugin_pb2.ShutdownResponse(success=True)

    async def open_session(self, request: plugin_pb2.OpenSessionRequest) -> plugin_pb2.OpenSessionResponse:
        """Answered when the session is closed, or its time is over: then the host opens another."""
        await self._served.begin_session(request.service_broker_id)
        milliseconds = min(request.timeout_ms, _MAX_SESSION_MS) if request.timeout_ms > 0 else _DEFAULT_SESSION_MS
        reason = await self._served.sessions.hold(milliseconds / 1000)
        session_id = f"session-{request.plugin_id}-{request.service_broker_id}"
        return plugin_pb2.OpenSessionResponse(success=True, session_id=session_id, close_reason=reason)

    async def close_session(self, request: plugin_pb2.CloseSessionRequest) -> plugin_pb2.CloseSessionResponse:
        """Every session that is open ends."""
        expected = request.reason in _EXPECTED_REASONS
        self._served.sessions.close(Reason.EXPLICIT_CLOSE if expected else Reason.PLUGIN_ERROR)
        await self._served.end_session()
        return plugin_pb2.CloseSessionResponse(success=True)
