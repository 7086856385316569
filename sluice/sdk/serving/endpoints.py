"""A plugin's own HTTP endpoints."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Final

import grpc.aio

from sluice.plugin_wire import plugin_pb2 as pb
from sluice.sdk import wire
from sluice.sdk.capabilities import CustomEndpointHandler
from sluice.sdk.endpoints import EndpointChunk, EndpointRegistration, EndpointResponse
from sluice.sdk.serving.cancellation import ESCAPES, is_cancelled
from sluice.sdk.serving.guard import WrongAnswer, answer_of, fail, refuse_at_the_end
from sluice.sdk.serving.served import Served

_NOT_IMPLEMENTED: Final = 501
_NO_ENDPOINTS: Final = "plugin does not implement custom endpoints"


class Endpoints:
    """The methods of ``PluginService`` that are a plugin's endpoints."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._plugin: Any = served.plugin

    async def registrations(
        self,
        request: pb.GetEndpointRegistrationsRequest,  # noqa: ARG002 - it is empty
    ) -> pb.GetEndpointRegistrationsResponse:
        """``GetEndpointRegistrations``."""
        if not isinstance(self._plugin, CustomEndpointHandler):
            return pb.GetEndpointRegistrationsResponse()
        found = await self._plugin.get_endpoint_registrations()
        if not isinstance(found, list | tuple) or not all(isinstance(each, EndpointRegistration) for each in found):
            raise WrongAnswer("get_endpoint_registrations", found)
        return pb.GetEndpointRegistrationsResponse(registrations=map(wire.registration_to_wire, found))

    async def request(self, message: pb.EndpointRequest) -> pb.EndpointResponse:
        """``HandleEndpointRequest``."""
        if not isinstance(self._plugin, CustomEndpointHandler):
            return pb.EndpointResponse(status_code=_NOT_IMPLEMENTED, error_message=_NO_ENDPOINTS)
        context, request = self._served.context(message.context), wire.endpoint_request_from_wire(message)
        answer = await self._plugin.handle_endpoint_request(context, request)
        return wire.endpoint_response_to_wire(answer_of("handle_endpoint_request", answer, EndpointResponse))

    async def request_stream(
        self, message: pb.EndpointRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[pb.EndpointResponseChunk]:
        """``HandleEndpointRequestStream``; the plugin's generator is closed where the host leaves."""
        await refuse_at_the_end(self._served, context)
        try:
            with self._served.calls:
                async with aclosing(self._chunks(message)) as chunks:
                    async for chunk in chunks:
                        yield chunk
        except ESCAPES as error:  # the plugin is the author's
            if is_cancelled():
                raise
            await fail("HandleEndpointRequestStream", error, self._served, context)

    async def _chunks(self, message: pb.EndpointRequest) -> Any:
        if not isinstance(self._plugin, CustomEndpointHandler):
            yield wire.endpoint_chunk_to_wire(EndpointChunk.error(_NO_ENDPOINTS, _NOT_IMPLEMENTED))
            return
        ctx, request = self._served.context(message.context), wire.endpoint_request_from_wire(message)
        stream: Any = self._plugin.handle_endpoint_request_stream(ctx, request)
        ends = False
        async with aclosing(stream):
            async for chunk in stream:
                yield wire.endpoint_chunk_to_wire(answer_of("handle_endpoint_request_stream", chunk, EndpointChunk))
                ends = chunk.kind in {"done", "error"}
                if ends:
                    break
        if not ends:
            yield wire.endpoint_chunk_to_wire(EndpointChunk("done"))
