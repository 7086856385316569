"""The hooks of a plugin in another process: each a method of the protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sluice.plugin_host.processes.calls import PLUGIN, Calls
from sluice.plugin_host.running import Handler
from sluice.plugin_wire import plugin_pb2
from sluice.sdk import wire
from sluice.sdk.capabilities import Hook
from sluice.sdk.context import Context
from sluice.sdk.messages import PluginResponse, ResponseWriteResponse, StreamCompleteResponse


class Connected(Protocol):
    """Whose hooks these are."""

    @property
    def calls(self) -> Calls:
        """The present connection; raises NotRunning."""
        ...

    def lacks(self, hook: Hook) -> None:
        """The plugin does not have a hook that it was thought to have; raises CallFailed where it has none at all."""
        ...


@dataclass(frozen=True, slots=True)
class _Method:
    """One hook on the wire."""

    name: str
    request: Callable[[Context, Any], Any]
    answer: type[Any]
    read: Callable[[Any, Any], Any]
    """The answer and what was sent, to what a hook answers."""
    without: Any
    """The answer of a plugin that has no such hook: nothing changes, nobody is authenticated."""


_METHODS: Mapping[Hook, _Method] = {
    "pre_auth": _Method(
        PLUGIN + "ProcessPreAuth",
        wire.plugin_request_to_wire,
        plugin_pb2.PluginResponse,
        wire.plugin_response_from_wire,
        PluginResponse.allow(),
    ),
    "auth": _Method(
        PLUGIN + "Authenticate",
        wire.auth_request_to_wire,
        plugin_pb2.AuthResponse,
        lambda answer, _: wire.auth_response_from_wire(answer),
        PluginResponse.allow(),
    ),
    "post_auth": _Method(
        PLUGIN + "ProcessPostAuth",
        wire.enriched_request_to_wire,
        plugin_pb2.PluginResponse,
        wire.plugin_response_from_wire,
        PluginResponse.allow(),
    ),
    "response_headers": _Method(
        PLUGIN + "OnBeforeWriteHeaders",
        wire.headers_request_to_wire,
        plugin_pb2.HeadersResponse,
        wire.headers_response_from_wire,
        ResponseWriteResponse.allow(),
    ),
    "response_body": _Method(
        PLUGIN + "OnBeforeWrite",
        wire.response_write_to_wire,
        plugin_pb2.ResponseWriteResponse,
        wire.response_write_from_wire,
        ResponseWriteResponse.allow(),
    ),
    "stream_complete": _Method(
        PLUGIN + "OnStreamComplete",
        wire.stream_complete_to_wire,
        plugin_pb2.StreamCompleteResponse,
        lambda answer, _: wire.stream_complete_from_wire(answer),
        StreamCompleteResponse(handled=False),
    ),
}


def hooks_of_connection(connected: Connected, hooks: Iterable[Hook]) -> Mapping[Hook, Handler]:
    """Coroutine functions that use whatever connection there is when they are called."""
    return {hook: _handler(connected, hook, _METHODS[hook]) for hook in hooks}


def _handler(connected: Connected, hook: Hook, method: _Method) -> Handler:
    name, to_wire, answer_type, read = method.name, method.request, method.answer, method.read

    async def handler(ctx: Context, message: Any) -> Any:
        answer = await connected.calls.call(name, to_wire(ctx, message), answer_type)
        if answer is None:
            connected.lacks(hook)
            return method.without
        return read(answer, message)

    return handler
