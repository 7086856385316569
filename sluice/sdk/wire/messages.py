"""Messages among plugins, which the protocol calls events."""

from __future__ import annotations

from sluice.plugin_wire import plugin_events_pb2 as pb
from sluice.sdk.arguments import DIRECTIONS
from sluice.sdk.services import Direction, Message
from sluice.sdk.wire.values import text


def message_to_wire(message: Message) -> pb.EventMessage:
    """For ``Subscribe``."""
    return pb.EventMessage(
        id=text(message.id),
        topic=text(message.topic),
        origin=text(message.origin),
        direction=DIRECTIONS.index(message.direction),
        payload=message.payload,
    )


def message_from_wire(event: pb.EventMessage) -> Message:
    """Its inverse; a direction that the protocol does not have is local."""
    return Message(event.id, event.topic, event.payload, event.origin, direction_from_wire(event.direction) or "local")


def direction_from_wire(number: int) -> Direction | None:
    """``None`` for what is none."""
    return DIRECTIONS[number] if 0 <= number < len(DIRECTIONS) else None
