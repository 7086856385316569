"""The protocol's messages among plugins, which it calls events."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from sluice.plugin_wire import plugin_events_pb2 as pb
from sluice.sdk.errors import NotFound, ServiceError
from sluice.sdk.services import Message, Services
from sluice.sdk.wire.messages import direction_from_wire, message_to_wire

SUBSCRIPTION_KEY = "sluice-subscription-id"
"""Initial metadata of a stream: what ``Unsubscribe`` takes. Peers end the stream instead."""


class Events:
    """Answers for one plugin; who may ask has been seen to."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._streams: dict[str, _Stream] = {}

    async def publish(self, request: pb.PublishRequest, _context: Any) -> pb.PublishResponse:
        """To whoever has subscribed."""
        direction = direction_from_wire(request.direction)
        if direction is None:
            message = f"{request.direction} is no direction; 0 is local, 1 up, 2 down"
            raise ServiceError(message)
        published = await self._services.messages.publish(request.topic, request.payload, direction)
        return pb.PublishResponse(success=True, event_id=published)

    async def subscribe(self, request: pb.SubscribeRequest, context: Any) -> None:
        """Until the plugin ends the stream, or unsubscribes; who does not read it misses messages."""
        stream, messages = _Stream(), self._services.messages
        if request.subscribe_all:
            number = await messages.subscribe_all(stream.put)
        else:
            number = await messages.subscribe(request.topic, stream.put)
        self._streams[number] = stream
        try:
            await context.send_initial_metadata(((SUBSCRIPTION_KEY, number),))
            while (message := await stream.next()) is not None:
                await context.write(message_to_wire(message))
        finally:
            self._streams.pop(number, None)
            with suppress(NotFound):  # the plugin itself has unsubscribed, or was shut down
                await messages.unsubscribe(number)

    async def unsubscribe(self, request: pb.UnsubscribeRequest, _context: Any) -> pb.UnsubscribeResponse:
        """End a stream of this plugin's."""
        try:
            await self._services.messages.unsubscribe(request.subscription_id)
        except NotFound as error:
            return pb.UnsubscribeResponse(success=False, error_message=str(error))
        stream = self._streams.get(request.subscription_id)
        if stream is not None:
            stream.end()
        return pb.UnsubscribeResponse(success=True)


class _Stream:
    """Hands one message after the other from a subscriber to a call, which sets the pace."""

    def __init__(self) -> None:
        self._next: asyncio.Queue[Message | None] = asyncio.Queue(1)

    async def put(self, message: Message) -> None:
        await self._next.put(message)

    async def next(self) -> Message | None:
        """``None`` at the end."""
        return await self._next.get()

    def end(self) -> None:
        if self._next.full():
            self._next.get_nowait()
        self._next.put_nowait(None)
