"""The protocol's services as clients call them and servers answer them, made from the ``.proto`` files themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import grpc
import grpc.aio
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from sluice.plugin_wire import (
    config_provider_pb2,
    extensions_pb2,
    go_plugin_pb2,
    management_pb2,
    plugin_events_pb2,
    plugin_pb2,
)

_MAX_STATUS_CHARACTERS: Final = 1000
_MAX_STATUS_BYTES: Final = 2000  # a byte takes up to three in the header that it is sent in, and peers take 8 KiB


@dataclass(frozen=True, slots=True)
class Method:
    """One call: its path, its messages, and which of them come as streams."""

    path: str
    request: type[Any]
    response: type[Any]
    streams_requests: bool
    streams_responses: bool


@dataclass(frozen=True, slots=True)
class Service:
    """A service's full name, and its methods by name."""

    name: str
    methods: Mapping[str, Method]


def _service(file: FileDescriptor, name: str) -> Service:
    found = file.services_by_name[name]
    return Service(found.full_name, {each.name: _method(found.full_name, each) for each in found.methods})


def _method(service: str, method: MethodDescriptor) -> Method:
    return Method(
        f"/{service}/{method.name}",
        GetMessageClass(method.input_type),
        GetMessageClass(method.output_type),
        method.client_streaming,
        method.server_streaming,
    )


PLUGIN = _service(plugin_pb2.DESCRIPTOR, "PluginService")
CONFIG_PROVIDER = _service(config_provider_pb2.DESCRIPTOR, "ConfigProviderService")
PLUGIN_EVENTS = _service(plugin_events_pb2.DESCRIPTOR, "PluginEventService")
MANAGEMENT = _service(management_pb2.DESCRIPTOR, "MicrogatewayManagementService")
HOST_EXTENSIONS = _service(extensions_pb2.DESCRIPTOR, "HostExtensions")
BROKER = _service(go_plugin_pb2.DESCRIPTOR, "GRPCBroker")
CONTROLLER = _service(go_plugin_pb2.DESCRIPTOR, "GRPCController")
STDIO = _service(go_plugin_pb2.DESCRIPTOR, "GRPCStdio")


class Stub:
    """A service's methods as attributes: gRPC multicallables on a channel."""

    def __init__(self, channel: grpc.aio.Channel, service: Service) -> None:
        for name, method in service.methods.items():
            kind = f"{_arity(method.streams_requests)}_{_arity(method.streams_responses)}"
            call = getattr(channel, kind)(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=method.response.FromString,
            )
            setattr(self, name, call)

    def __getattr__(self, name: str) -> Any:
        """Only for names that the service does not have."""
        message = f"the service has no method {name!r}"
        raise AttributeError(message)


def handler_of(service: Service, behaviours: Mapping[str, Callable[..., Any]]) -> grpc.GenericRpcHandler:
    """What a server adds with ``add_generic_rpc_handlers``; a method without a behaviour answers UNIMPLEMENTED.

    Raises KeyError for a behaviour that is no method.
    """
    return grpc.method_handlers_generic_handler(
        service.name, {name: _handler(service.methods[name], behaviour) for name, behaviour in behaviours.items()}
    )


def status_text(text: str) -> str:
    """What a call may be ended with: of more, or of half a character, the caller would get no answer at all."""
    encoded = text[:_MAX_STATUS_CHARACTERS].encode("utf-8", "replace")
    return encoded[:_MAX_STATUS_BYTES].decode("utf-8", "ignore")


def _handler(method: Method, behaviour: Callable[..., Any]) -> Any:
    kind = f"{_arity(method.streams_requests)}_{_arity(method.streams_responses)}_rpc_method_handler"
    return getattr(grpc, kind)(
        behaviour,
        request_deserializer=method.request.FromString,
        response_serializer=method.response.SerializeToString,
    )


def _arity(streams: bool) -> str:
    return "stream" if streams else "unary"
