"""A plugin's own HTTP endpoints."""

from __future__ import annotations

from typing import Final

from sluice.plugin_wire import plugin_pb2 as pb
from sluice.sdk.context import Context
from sluice.sdk.endpoints import ChunkKind, EndpointChunk, EndpointRegistration, EndpointRequest, EndpointResponse
from sluice.sdk.headers import Headers
from sluice.sdk.wire.context import context_to_wire
from sluice.sdk.wire.headers import headers_from, put_headers, unchecked_headers_from
from sluice.sdk.wire.records import app_from_wire, app_to_wire
from sluice.sdk.wire.values import i32, raw, text, texts

_KINDS: Final[tuple[ChunkKind, ...]] = ("headers", "body", "done", "error")
"""In the order of the protocol's numbers."""

_DEFAULT_STATUS: Final = 200
_ERROR_STATUS: Final = 500


def registration_to_wire(registration: EndpointRegistration) -> pb.EndpointRegistration:
    """For ``GetEndpointRegistrations``."""
    return pb.EndpointRegistration(
        path=text(registration.path),
        methods=registration.methods,
        description=text(registration.description),
        require_auth=registration.require_auth,
        stream_response=registration.stream_response,
        metadata=texts(registration.metadata),
        scopes=registration.scopes,
    )


def registration_from_wire(message: pb.EndpointRegistration) -> EndpointRegistration:
    """Its inverse; methods in capitals, as peers may write them otherwise."""
    return EndpointRegistration(
        path=message.path,
        methods=tuple(method.upper() for method in message.methods),
        description=message.description,
        require_auth=message.require_auth,
        scopes=tuple(message.scopes),
        stream_response=message.stream_response,
        metadata=dict(message.metadata),
    )


def endpoint_request_to_wire(ctx: Context, request: EndpointRequest) -> pb.EndpointRequest:
    """For ``HandleEndpointRequest`` and ``HandleEndpointRequestStream``."""
    message = pb.EndpointRequest(
        method=request.method,
        path=text(request.path),
        relative_path=text(request.relative_path),
        path_segments=[text(segment) for segment in request.path_segments],
        body=request.body,
        query_string=text(request.query),
        remote_addr=request.remote_addr,
        host=text(request.host),
        protocol=request.protocol,
        context=context_to_wire(ctx),
        authenticated=request.authenticated,
        app=None if request.app is None else app_to_wire(request.app),
        scopes=request.scopes,
        path_parameters=texts(request.path_parameters),
    )
    put_headers(message, request.headers)
    return message


def endpoint_request_from_wire(message: pb.EndpointRequest) -> EndpointRequest:
    """Its inverse."""
    return EndpointRequest(
        method=message.method,
        path=message.path,
        relative_path=message.relative_path,
        path_segments=tuple(message.path_segments),
        path_parameters=dict(message.path_parameters),
        headers=unchecked_headers_from(message),
        body=message.body,
        query=message.query_string,
        remote_addr=message.remote_addr,
        host=message.host,
        protocol=message.protocol,
        authenticated=message.authenticated,
        app=app_from_wire(message.app) if message.HasField("app") else None,
        scopes=tuple(message.scopes),
    )


def endpoint_response_to_wire(answer: EndpointResponse) -> pb.EndpointResponse:
    """A plugin's answer. Raises ValueError for what can be no header."""
    message = pb.EndpointResponse(
        status_code=i32(answer.status_code), body=raw(answer.body), error_message=text(answer.message)
    )
    put_headers(message, Headers(answer.headers))
    return message


def endpoint_response_from_wire(message: pb.EndpointResponse) -> EndpointResponse:
    """Its inverse; no status is 200, or 500 of an error. Raises ValueError for what can be no header."""
    default = _ERROR_STATUS if message.error_message else _DEFAULT_STATUS
    return EndpointResponse(
        status_code=message.status_code or default,
        headers=headers_from(message),
        body=message.body,
        message=message.error_message,
    )


def endpoint_chunk_to_wire(chunk: EndpointChunk) -> pb.EndpointResponseChunk:
    """A piece of a plugin's answer. Raises ValueError for what can be no header, or for a kind that is none."""
    message = pb.EndpointResponseChunk(
        type=pb.EndpointResponseChunk.ChunkType.Name(_KINDS.index(chunk.kind)),
        status_code=i32(chunk.status_code) if chunk.kind in {"headers", "error"} else 0,
        data=raw(chunk.data),
        error_message=text(chunk.message),
    )
    put_headers(message, Headers(chunk.headers))
    return message


def endpoint_chunk_from_wire(message: pb.EndpointResponseChunk) -> EndpointChunk:
    """Its inverse; a kind that the protocol does not have is an error."""
    kind: ChunkKind = _KINDS[message.type] if 0 <= message.type < len(_KINDS) else "error"
    default = _ERROR_STATUS if kind == "error" else _DEFAULT_STATUS
    return EndpointChunk(
        kind, message.data, message.status_code or default, headers_from(message), message.error_message
    )
