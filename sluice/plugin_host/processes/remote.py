"""A plugin in a process of its own, behind the interface of all running plugins."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, NoReturn

from sluice.clock import now_micros
from sluice.plugin_host.errors import described
from sluice.plugin_host.opening import Opening
from sluice.plugin_host.processes.calls import PLUGIN, Calls
from sluice.plugin_host.processes.describing import completed
from sluice.plugin_host.processes.faults import CallFailed, NotRunning
from sluice.plugin_host.processes.hooks import hooks_of_connection
from sluice.plugin_host.processes.life import Life, Starter
from sluice.plugin_host.processes.reverse import BROKER_ID
from sluice.plugin_host.registration import PluginRegistration
from sluice.plugin_host.running import Condition, Described, Handler, RunningPlugin
from sluice.plugin_wire import plugin_pb2
from sluice.sdk import wire
from sluice.sdk.capabilities import Hook
from sluice.sdk.collecting import AnalyticsData, BudgetUsageData, DataCollectionResponse, ProxyLogData
from sluice.sdk.context import Context
from sluice.sdk.endpoints import EndpointChunk, EndpointRegistration, EndpointRequest, EndpointResponse
from sluice.sdk.messages import EdgePayload
from sluice.sdk.records import App, User

REGISTRATIONS_SECONDS = 10.0
MAX_ENDPOINTS = 1000

_MAX_DOUBLINGS = 16


class RemotePlugin(RunningPlugin):
    """Hands everything to whatever process there is, and makes another where it dies."""

    def __init__(
        self,
        registration: PluginRegistration,
        said: Described,
        config: Mapping[str, Any],
        opening: Opening,
        start: Starter,
        life: Life,
    ) -> None:
        """``life`` is its first, not initialised yet; ``start`` makes others."""
        self._registration = registration
        self._described = said
        self._config = config
        self._settings = opening.settings.process
        self._logger = opening.services.logger
        self._start = start
        self._life: Life | None = life
        self._condition = Condition(status="loading", since=now_micros())
        self._is_closing = False
        self._lacking: set[Hook] = set()
        self._endpoints: Sequence[EndpointRegistration] = ()

    @property
    def described(self) -> Described:
        """Whether it has endpoints, and of which generation it is, is known after ``initialize``."""
        return self._described

    @property
    def calls(self) -> Calls:
        """The present connection; raises NotRunning where there is none."""
        life = self._life
        if life is None or life.calls.ended:
            self._refuse()
        return life.calls

    def _refuse(self) -> NoReturn:
        why = self._life.calls.ended if self._life else self._condition.error
        what = "was shut down" if self._is_closing else f"does not run now and is started again: {why}"
        message = f"plugin {self._described.name!r} {what}"
        raise NotRunning(message)

    def handlers(self) -> Mapping[Hook, Handler]:
        """They live as long as this does, whichever process answers."""
        return hooks_of_connection(self, self._described.hooks)

    def lacks(self, hook: Hook) -> None:
        """Said once in the log; a plugin that has none of its hooks at all cannot do what it is there for."""
        name = self._described.name
        if hook not in self._lacking:
            self._lacking.add(hook)
            self._logger.warning("plugin lacks a hook", hook=hook, remedy="leave it out of hook_types")
        if self._lacking.issuperset(self._described.hooks):
            message = f"plugin {name!r} implements none of its hooks ({', '.join(self._described.hooks)})"
            raise CallFailed(message)

    async def initialize(self, ctx: Context) -> None:  # noqa: ARG002 - it has its own ways to its services
        """Raises Refused with the plugin's own words."""
        await self._initialize(self._present())
        self._condition = replace(self._condition, status="ready", error="", since=now_micros())

    async def _initialize(self, life: Life) -> None:
        initialized = await life.initialize(self._config)
        request, kind = plugin_pb2.GetEndpointRegistrationsRequest(), plugin_pb2.GetEndpointRegistrationsResponse
        answer = await life.calls.call(PLUGIN + "GetEndpointRegistrations", request, kind, REGISTRATIONS_SECONDS)
        found = () if answer is None else answer.registrations
        if len(found) > MAX_ENDPOINTS:
            message = f"it registers {len(found)} endpoints, more than {MAX_ENDPOINTS}"
            raise CallFailed(message)
        self._endpoints = tuple(wire.registration_from_wire(each) for each in found)
        self._described = replace(
            completed(self._described, self._registration, initialized, is_unified=answer is not None),
            generation="legacy" if answer is None else "unified",
            has_endpoints=bool(self._endpoints),
            pid=life.child.pid if life.child else None,
        )

    def _present(self) -> Life:
        if self._life is None:
            self._refuse()
        return self._life

    async def shutdown(self, ctx: Context) -> None:  # noqa: ARG002
        """A process of ours is asked to end, then killed; one that somebody else runs is only left."""
        self._is_closing = True
        life, self._life = self._life, None
        if life is not None:
            await life.stop()

    async def ping(self) -> None:
        """Raises NotRunning or CallFailed."""
        _ = self.calls
        await self._present().ping()

    async def keep(self) -> None:
        """Until cancelled or shut down; never raises for what the plugin does."""
        attempts = 0
        while not self._is_closing:
            life, began = self._life, time.monotonic()
            if life is None:
                attempts += await self._restart(attempts)
                continue
            why = await self._run(life)
            if time.monotonic() - began > self._settings.restart_max_seconds:
                attempts = 0
            if not self._is_closing:
                await self._lose(life, why)

    async def _run(self, life: Life) -> str:
        try:
            return await life.run()
        except Exception as error:  # noqa: BLE001 - a fault of ours costs this process, never the gateway's
            return f"keeping it failed ({described(error)})"

    def condition(self) -> Condition:
        """Ready; loading before it was initialised; failed while it has no process or connection."""
        life = self._life
        if life is not None and life.is_over and self._condition.status == "ready":
            return replace(self._condition, status="failed", error=life.calls.ended)
        return self._condition

    async def _lose(self, life: Life, why: str) -> None:
        self._life = None
        self._failed(why)
        self._logger.error("plugin ended", reason=why, last_output=life.output.last_words)
        await life.close(why)

    async def _restart(self, attempts: int) -> int:
        """Pause, then try; returns 1, to be counted as an attempt."""
        bound = self._settings.restart_base_seconds * 2 ** min(attempts, _MAX_DOUBLINGS)
        await asyncio.sleep(random.uniform(0, min(bound, self._settings.restart_max_seconds)))
        try:
            life = await self._begun_anew()
        except Exception as error:  # noqa: BLE001 - whatever it was, there is a next attempt
            self._failed(str(error) or described(error))
            self._logger.warning("plugin not restarted", problem=self._condition.error)
            return 1
        if self._is_closing:
            await life.close("it was shut down")
            return 1
        self._life = life
        self._lacking.clear()  # it may be another executable by now
        restarts = self._condition.restarts + 1
        self._condition = Condition(status="ready", restarts=restarts, since=now_micros())
        self._logger.info("plugin restarted", restarts=restarts)
        return 1

    async def _begun_anew(self) -> Life:
        life = await self._start()
        try:
            await self._initialize(life)
        except BaseException:
            await life.close("it could not be initialised")
            raise
        return life

    def _failed(self, why: str) -> None:
        self._condition = replace(self._condition, status="failed", error=why, since=now_micros())

    async def get_app_by_credential(self, ctx: Context, credential: str) -> App | int | None:
        """See ``AuthHandler``."""
        request = plugin_pb2.GetAppRequest(credential=credential, context=wire.context_to_wire(ctx))
        answer = await self.calls.call(PLUGIN + "GetAppByCredential", request, plugin_pb2.GetAppResponse)
        return None if answer is None else wire.app_response_from_wire(answer)

    async def get_user_by_credential(self, ctx: Context, credential: str) -> User | None:
        """See ``AuthHandler``."""
        request = plugin_pb2.GetUserRequest(credential=credential, context=wire.context_to_wire(ctx))
        answer = await self.calls.call(PLUGIN + "GetUserByCredential", request, plugin_pb2.GetUserResponse)
        return None if answer is None else wire.user_response_from_wire(answer)

    async def get_endpoint_registrations(self) -> Sequence[EndpointRegistration]:
        """As it said when it was initialised last."""
        return self._endpoints

    async def handle_endpoint_request(self, ctx: Context, request: EndpointRequest) -> EndpointResponse:
        """See ``CustomEndpointHandler``."""
        sent = wire.endpoint_request_to_wire(ctx, request)
        answer = await self.calls.call(PLUGIN + "HandleEndpointRequest", sent, plugin_pb2.EndpointResponse)
        if answer is None:
            return EndpointResponse(status_code=501, message="not implemented")
        return wire.endpoint_response_from_wire(answer)

    async def handle_endpoint_request_stream(
        self, ctx: Context, request: EndpointRequest
    ) -> AsyncGenerator[EndpointChunk, None]:
        """See ``CustomEndpointHandler``; closing the generator cancels the call."""
        sent = wire.endpoint_request_to_wire(ctx, request)
        method, kind = PLUGIN + "HandleEndpointRequestStream", plugin_pb2.EndpointResponseChunk
        async with aclosing(self.calls.stream(method, sent, kind)) as chunks:
            async for chunk in chunks:
                yield wire.endpoint_chunk_from_wire(chunk)

    async def handle_proxy_log(self, ctx: Context, log: ProxyLogData) -> DataCollectionResponse | None:
        """See ``DataCollector``."""
        return await self._collect("HandleProxyLog", wire.proxy_log_to_wire(ctx, log))

    async def handle_analytics(self, ctx: Context, analytics: AnalyticsData) -> DataCollectionResponse | None:
        """See ``DataCollector``."""
        return await self._collect("HandleAnalytics", wire.analytics_to_wire(ctx, analytics))

    async def handle_budget_usage(self, ctx: Context, usage: BudgetUsageData) -> DataCollectionResponse | None:
        """See ``DataCollector``."""
        return await self._collect("HandleBudgetUsage", wire.budget_to_wire(ctx, usage))

    async def _collect(self, method: str, request: Any) -> DataCollectionResponse:
        answer = await self.calls.call(PLUGIN + method, request, plugin_pb2.DataCollectionResponse)
        return DataCollectionResponse.passed() if answer is None else wire.collection_from_wire(answer)

    async def accept_edge_payload(self, ctx: Context, payload: EdgePayload) -> bool:
        """See ``EdgePayloadReceiver``; raises CallFailed where the plugin says that it failed."""
        request = wire.edge_payload_to_wire(ctx, payload)
        request.service_broker_id = BROKER_ID
        answer = await self.calls.call(PLUGIN + "AcceptEdgePayload", request, plugin_pb2.EdgePayloadResponse)
        return answer is not None and wire.edge_payload_response_from_wire(answer)
