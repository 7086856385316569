"""Events for a data collector, and payloads for a receiver: what fails is in the answer, where hosts look for it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from sluice.plugin_wire import plugin_pb2 as pb
from sluice.sdk import wire
from sluice.sdk.capabilities import DataCollector, EdgePayloadReceiver
from sluice.sdk.collecting import DataCollectionResponse
from sluice.sdk.serving.guard import answer_of, problem_of
from sluice.sdk.serving.served import Served


class Collecting:
    """The methods of ``PluginService`` by which a plugin takes what is sent to it."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._plugin: Any = served.plugin

    async def proxy_log(self, message: pb.ProxyLogRequest) -> pb.DataCollectionResponse:
        """``HandleProxyLog``."""
        if not isinstance(self._plugin, DataCollector):
            return _not_collected()
        context, event = self._served.context(message.context), wire.proxy_log_from_wire(message)
        return await self._collected("handle_proxy_log", self._plugin.handle_proxy_log(context, event))

    async def analytics(self, message: pb.AnalyticsRequest) -> pb.DataCollectionResponse:
        """``HandleAnalytics``."""
        if not isinstance(self._plugin, DataCollector):
            return _not_collected()
        context, event = self._served.context(message.context), wire.analytics_from_wire(message)
        return await self._collected("handle_analytics", self._plugin.handle_analytics(context, event))

    async def budget(self, message: pb.BudgetUsageRequest) -> pb.DataCollectionResponse:
        """``HandleBudgetUsage``."""
        if not isinstance(self._plugin, DataCollector):
            return _not_collected()
        context, event = self._served.context(message.context), wire.budget_from_wire(message)
        return await self._collected("handle_budget_usage", self._plugin.handle_budget_usage(context, event))

    async def payload(self, message: pb.EdgePayloadRequest) -> pb.EdgePayloadResponse:
        """``AcceptEdgePayload``."""
        if not isinstance(self._plugin, EdgePayloadReceiver):
            return pb.EdgePayloadResponse(success=True, handled=False)
        context, payload = self._served.context(message.context), wire.edge_payload_from_wire(message)
        try:
            handled = await self._plugin.accept_edge_payload(context, payload)
            return wire.edge_payload_response_to_wire(answer_of("accept_edge_payload", handled, bool))
        except Exception as error:  # noqa: BLE001 - the plugin is the author's
            return pb.EdgePayloadResponse(success=False, error_message=self._failed("accept_edge_payload", error))

    async def _collected(
        self, method: str, work: Awaitable[DataCollectionResponse | None]
    ) -> pb.DataCollectionResponse:
        try:
            answer = answer_of(method, await work, DataCollectionResponse, type(None))
            return wire.collection_to_wire(answer)
        except Exception as error:  # noqa: BLE001 - the plugin is the author's
            return wire.collection_to_wire(DataCollectionResponse.failed(self._failed(method, error)))

    def _failed(self, method: str, error: Exception) -> str:
        problem = problem_of(error)
        self._served.services.logger.error("plugin method failed", method=method, error=problem)
        return problem


def _not_collected() -> pb.DataCollectionResponse:
    return wire.collection_to_wire(DataCollectionResponse.passed())
