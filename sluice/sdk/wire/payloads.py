"""What plugins in gateways send to the control side."""

from __future__ import annotations

from sluice.plugin_wire import plugin_pb2 as pb
from sluice.sdk.context import Context
from sluice.sdk.messages import EdgePayload
from sluice.sdk.wire.context import context_to_wire
from sluice.sdk.wire.values import i64, micros, seconds, text, texts


def edge_payload_to_wire(ctx: Context, payload: EdgePayload) -> pb.EdgePayloadRequest:
    """For ``AcceptEdgePayload``."""
    return pb.EdgePayloadRequest(
        payload=payload.payload,
        edge_id=text(payload.edge_id),
        edge_namespace=text(payload.edge_namespace),
        correlation_id=text(payload.correlation_id),
        metadata=texts(payload.metadata),
        edge_timestamp=seconds(payload.sent_at),
        received_timestamp=seconds(payload.received_at),
        context=context_to_wire(ctx),
        payload_id=text(payload.payload_id),
        sent_at_micros=i64(payload.sent_at),
        received_at_micros=i64(payload.received_at),
    )


def edge_payload_from_wire(message: pb.EdgePayloadRequest) -> EdgePayload:
    """Its inverse."""
    return EdgePayload(
        payload=message.payload,
        edge_id=message.edge_id,
        edge_namespace=message.edge_namespace,
        correlation_id=message.correlation_id,
        metadata=dict(message.metadata),
        sent_at=message.sent_at_micros or micros(message.edge_timestamp),
        received_at=message.received_at_micros or micros(message.received_timestamp),
        payload_id=message.payload_id,
    )


def edge_payload_response_to_wire(handled: bool) -> pb.EdgePayloadResponse:
    """What ``accept_edge_payload`` answered."""
    return pb.EdgePayloadResponse(success=True, handled=handled)


def edge_payload_response_from_wire(message: pb.EdgePayloadResponse) -> bool:
    """Whether it was handled; raises ValueError with what the plugin says where it failed."""
    if not message.success:
        raise ValueError(message.error_message or "the plugin did not take the payload")
    return message.handled
