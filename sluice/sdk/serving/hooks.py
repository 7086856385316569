"""The hooks of an exchange. A capability that the plugin does not have answers what leaves everything as it is."""

from __future__ import annotations

from typing import Any

from sluice.plugin_wire import plugin_pb2 as pb
from sluice.sdk import wire
from sluice.sdk.capabilities import (
    AuthHandler,
    PostAuthHandler,
    PreAuthHandler,
    ResponseHandler,
    StreamCompleteHandler,
)
from sluice.sdk.messages import (
    AuthResponse,
    Credential,
    PluginResponse,
    ResponseWriteResponse,
    StreamCompleteResponse,
)
from sluice.sdk.records import App, User
from sluice.sdk.serving.guard import WrongAnswer, answer_of
from sluice.sdk.serving.served import Served

NO_AUTHENTICATION = "plugin does not implement authentication"


class Hooks:
    """The methods of ``PluginService`` that are a plugin's hooks. They raise what the plugin raises."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._plugin: Any = served.plugin

    async def pre_auth(self, message: pb.PluginRequest) -> pb.PluginResponse:
        """``ProcessPreAuth``."""
        if not isinstance(self._plugin, PreAuthHandler):
            return pb.PluginResponse()
        request = wire.plugin_request_from_wire(message)
        answer = await self._plugin.handle_pre_auth(self._served.context(message.context), request)
        return wire.plugin_response_to_wire(answer_of("handle_pre_auth", answer, PluginResponse), request)

    async def auth(self, message: pb.AuthRequest) -> pb.AuthResponse:
        """``Authenticate``."""
        if not isinstance(self._plugin, AuthHandler):
            return pb.AuthResponse(error_message=NO_AUTHENTICATION)
        context, request = self._served.context(message.context), wire.auth_request_from_wire(message)
        answer = await self._plugin.handle_auth(context, request)
        return wire.auth_response_to_wire(answer_of("handle_auth", answer, AuthResponse, Credential, PluginResponse))

    async def app_by_credential(self, message: pb.GetAppRequest) -> pb.GetAppResponse:
        """``GetAppByCredential``."""
        if not isinstance(self._plugin, AuthHandler):
            return pb.GetAppResponse(error_message=NO_AUTHENTICATION)
        found = await self._plugin.get_app_by_credential(self._served.context(message.context), message.credential)
        if isinstance(found, bool):  # a number to Python: True would be the first app
            raise WrongAnswer("get_app_by_credential", found)
        return wire.app_response_to_wire(answer_of("get_app_by_credential", found, App, int, type(None)))

    async def user_by_credential(self, message: pb.GetUserRequest) -> pb.GetUserResponse:
        """``GetUserByCredential``."""
        if not isinstance(self._plugin, AuthHandler):
            return pb.GetUserResponse(error_message=NO_AUTHENTICATION)
        found = await self._plugin.get_user_by_credential(self._served.context(message.context), message.credential)
        return wire.user_response_to_wire(answer_of("get_user_by_credential", found, User, type(None)))

    async def post_auth(self, message: pb.EnrichedRequest) -> pb.PluginResponse:
        """``ProcessPostAuth``."""
        if not isinstance(self._plugin, PostAuthHandler):
            return pb.PluginResponse()
        context, request = self._served.context(message.request.context), wire.enriched_request_from_wire(message)
        answer = await self._plugin.handle_post_auth(context, request)
        return wire.plugin_response_to_wire(answer_of("handle_post_auth", answer, PluginResponse), request)

    async def response_headers(self, message: pb.HeadersRequest) -> pb.HeadersResponse:
        """``OnBeforeWriteHeaders``."""
        if not isinstance(self._plugin, ResponseHandler):
            return pb.HeadersResponse()
        request = wire.headers_request_from_wire(message)
        answer = await self._plugin.on_before_write_headers(self._served.context(message.context), request)
        checked = answer_of("on_before_write_headers", answer, ResponseWriteResponse)
        return wire.headers_response_to_wire(checked, request)

    async def response_body(self, message: pb.ResponseWriteRequest) -> pb.ResponseWriteResponse:
        """``OnBeforeWrite``."""
        if not isinstance(self._plugin, ResponseHandler):
            return pb.ResponseWriteResponse()
        request = wire.response_write_request_from_wire(message)
        answer = await self._plugin.on_before_write(self._served.context(message.context), request)
        return wire.response_write_response_to_wire(
            answer_of("on_before_write", answer, ResponseWriteResponse), request
        )

    async def stream_complete(self, message: pb.StreamCompleteRequest) -> pb.StreamCompleteResponse:
        """``OnStreamComplete``."""
        if not isinstance(self._plugin, StreamCompleteHandler):
            return pb.StreamCompleteResponse()
        request = wire.stream_complete_request_from_wire(message)
        answer = await self._plugin.on_stream_complete(self._served.context(message.context), request)
        checked = answer_of("on_stream_complete", answer, StreamCompleteResponse, type(None))
        return wire.stream_complete_response_to_wire(checked)
