"""Responses on their way to the client, streams that have ended, and what plugins answer."""

from __future__ import annotations

from sluice.plugin_wire import plugin_pb2 as pb
from sluice.plugin_wire.extensions_pb2 import BODY_UNCHANGED
from sluice.sdk.context import Context
from sluice.sdk.messages import (
    ResponseWriteRequest,
    ResponseWriteResponse,
    StreamCompleteRequest,
    StreamCompleteResponse,
)
from sluice.sdk.wire.context import context_to_wire, put_context
from sluice.sdk.wire.headers import merged, put_headers, unchecked_headers_from
from sluice.sdk.wire.requests import (
    DEFAULT_BLOCK_STATUS,
    answered_headers,
    blocking_body,
    blocking_headers,
    put_answer,
)
from sluice.sdk.wire.values import i32, json_text, text


def headers_request_to_wire(ctx: Context, request: ResponseWriteRequest) -> pb.HeadersRequest:
    """For ``OnBeforeWriteHeaders``."""
    message = pb.HeadersRequest(context=context_to_wire(ctx), status_code=i32(request.status_code))
    put_headers(message, request.headers)
    return message


def headers_request_from_wire(message: pb.HeadersRequest) -> ResponseWriteRequest:
    """Its inverse."""
    return ResponseWriteRequest(
        message.status_code, unchecked_headers_from(message), request_id=message.context.request_id
    )


def headers_response_to_wire(answer: ResponseWriteResponse, request: ResponseWriteRequest) -> pb.HeadersResponse:
    """A plugin's answer; peers that know the protocol alone cannot be told of a block here."""
    if answer.decision == "allow":
        return pb.HeadersResponse()
    decision = _decision(answer)
    base = decision if answer.headers is not None else _echo(request)
    return pb.HeadersResponse(modified=True, headers=base.headers, decision=decision)


def headers_response_from_wire(message: pb.HeadersResponse, request: ResponseWriteRequest) -> ResponseWriteResponse:
    """What it answered; a peer's headers replace and add. Whoever applies it checks it, as every answer."""
    if message.HasField("decision"):
        decision = message.decision
        if decision.block:
            return _block(decision)
        headers = answered_headers(decision, request.headers)
        body = blocking_body(decision)
        return ResponseWriteResponse.modify(headers=headers, body=body)
    if not message.modified:
        return ResponseWriteResponse.allow()
    return ResponseWriteResponse.modify(headers=merged(request.headers, message.headers))


def response_write_to_wire(ctx: Context, request: ResponseWriteRequest) -> pb.ResponseWriteRequest:
    """For ``OnBeforeWrite``."""
    message = pb.ResponseWriteRequest()
    message.body = request.body
    message.is_stream_chunk = request.is_stream_chunk
    message.status_code = i32(request.status_code)
    message.is_last_chunk = request.is_last_chunk
    put_context(message.context, ctx)
    put_headers(message, request.headers)
    return message


def response_write_request_from_wire(message: pb.ResponseWriteRequest) -> ResponseWriteRequest:
    """Its inverse."""
    return ResponseWriteRequest(
        message.status_code,
        unchecked_headers_from(message),
        message.body,
        message.is_stream_chunk,
        message.is_last_chunk,
        message.context.request_id,
    )


def response_write_response_to_wire(
    answer: ResponseWriteResponse, request: ResponseWriteRequest
) -> pb.ResponseWriteResponse:
    """A plugin's answer to ``request``.

    Peers that know the protocol alone take body and headers of a changed answer for all there is: what the plugin
    left as it was goes along. To them a block is its body, under the vendor's status.
    """
    if answer.decision == "allow":
        return pb.ResponseWriteResponse()
    message = _decision(answer)
    message.modified = True
    if answer.headers is None and not message.block:
        message.headers.update(_echo(request).headers)
    if answer.body is None:
        message.body = _error_body(answer) if message.block else request.body
    return message


def response_write_from_wire(message: pb.ResponseWriteResponse, request: ResponseWriteRequest) -> ResponseWriteResponse:
    """What it answered; whoever applies it checks it, as every answer.

    A peer's changed answer has the body that it says, even an empty one, as with the protocol's own host: a filter
    that withholds everything must not be bypassed. Its headers replace and add.
    """
    if message.block:
        return _block(message)
    if not message.modified:
        return ResponseWriteResponse.allow()
    unchanged = message.body_meaning == BODY_UNCHANGED
    if unchanged and not message.headers_are_all:
        return ResponseWriteResponse.modify()
    headers = answered_headers(message, request.headers)
    return ResponseWriteResponse.modify(headers=headers, body=None if unchanged else message.body)


def stream_complete_to_wire(ctx: Context, request: StreamCompleteRequest) -> pb.StreamCompleteRequest:
    """For ``OnStreamComplete``."""
    message = pb.StreamCompleteRequest(
        accumulated_response=request.accumulated_response,
        status_code=i32(request.status_code),
        context=context_to_wire(ctx),
        chunk_count=i32(request.chunk_count),
        request_body=request.request_body,
        is_partial=not request.is_whole,
    )
    put_headers(message, request.headers)
    return message


def stream_complete_request_from_wire(message: pb.StreamCompleteRequest) -> StreamCompleteRequest:
    """Its inverse."""
    return StreamCompleteRequest(
        message.accumulated_response,
        unchecked_headers_from(message),
        message.status_code,
        message.chunk_count,
        message.request_body,
        not message.is_partial,
    )


def stream_complete_response_to_wire(answer: StreamCompleteResponse | None) -> pb.StreamCompleteResponse:
    """A plugin's answer; none is one that did nothing."""
    if answer is None:
        return pb.StreamCompleteResponse()
    return pb.StreamCompleteResponse(handled=answer.handled, cached=answer.cached, error_message=text(answer.message))


def stream_complete_from_wire(message: pb.StreamCompleteResponse) -> StreamCompleteResponse:
    """Its inverse."""
    return StreamCompleteResponse(message.handled, message.cached, message.error_message)


def _decision(answer: ResponseWriteResponse) -> pb.ResponseWriteResponse:
    message = pb.ResponseWriteResponse()
    if answer.decision == "block":
        message.block = True
        message.status_code = i32(answer.status_code)
        message.error_message = text(answer.message)
    put_answer(message, answer.headers, answer.body)
    return message


def _block(message: pb.ResponseWriteResponse) -> ResponseWriteResponse:
    # What stands in the body of a block whose plugin gave none is for peers.
    body = None if message.body_meaning == BODY_UNCHANGED else blocking_body(message)
    status = message.status_code or DEFAULT_BLOCK_STATUS
    return ResponseWriteResponse.block(status, message.error_message, blocking_headers(message), body)


def _echo(request: ResponseWriteRequest) -> pb.HeadersRequest:
    message = pb.HeadersRequest()
    put_headers(message, request.headers)
    return message


def _error_body(answer: ResponseWriteResponse) -> bytes:
    return json_text({"error": {"message": answer.message or "withheld by a plugin"}}).encode()
