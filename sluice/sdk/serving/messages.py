"""Messages among plugins, over the host."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any, Final

from sluice.plugin_wire import plugin_events_pb2 as pb
from sluice.plugin_wire.rpc import PLUGIN_EVENTS
from sluice.sdk.arguments import DIRECTIONS, direction_of, utf8_of, view_of
from sluice.sdk.errors import NotFound, ServiceError
from sluice.sdk.services import Direction, Logger, Subscriber
from sluice.sdk.serving.cancellation import ESCAPES, is_cancelled
from sluice.sdk.serving.connection import Connection
from sluice.sdk.wire.messages import message_from_wire

_BEGIN_SECONDS: Final = 1.0
_FIRST_PAUSE_SECONDS: Final = 0.5
_MAX_PAUSE_SECONDS: Final = 10.0


class RemoteMessages:
    """Each subscription is a stream of the host's, opened anew when it breaks; see ``sluice.sdk.services.Messages``."""

    def __init__(self, connection: Connection, group: asyncio.TaskGroup, logger: Logger) -> None:
        """Subscriptions live in ``group``."""
        self._connection = connection
        self._group = group
        self._logger = logger
        self._ids = count(1)
        self._subscriptions: dict[str, asyncio.Task[None]] = {}

    async def publish(self, topic: str, payload: bytes, direction: Direction = "local") -> str:
        """The message's id. Raises PayloadTooLarge, ServiceError where an argument is none."""
        utf8_of(topic, "a message's topic")
        request = pb.PublishRequest(
            topic=topic,
            payload=bytes(view_of(payload, "a message's payload")),
            direction=DIRECTIONS.index(direction_of(direction)),
            plugin_id=str(self._connection.plugin_id),
        )
        answer = await self._connection.call(PLUGIN_EVENTS, "Publish", request)
        if not answer.success:
            raise ServiceError(answer.error_message or "the host did not take the message")
        return str(answer.event_id)

    async def subscribe(self, topic: str, subscriber: Subscriber) -> str:
        """From now on, one message after the other."""
        utf8_of(topic, "a message's topic")
        return await self._begin(pb.SubscribeRequest(topic=topic), subscriber)

    async def subscribe_all(self, subscriber: Subscriber) -> str:
        """As ``subscribe``, for every topic."""
        return await self._begin(pb.SubscribeRequest(subscribe_all=True), subscriber)

    async def unsubscribe(self, subscription_id: str) -> None:
        """Raises NotFound for one that is not this plugin's."""
        task = self._subscriptions.pop(subscription_id, None)
        if task is None:
            message = f"{subscription_id!r:.80} is no subscription of this plugin"
            raise NotFound(message)
        task.cancel()

    def close(self) -> None:
        """End every subscription."""
        for task in self._subscriptions.values():
            task.cancel()
        self._subscriptions.clear()

    async def _begin(self, request: pb.SubscribeRequest, subscriber: Subscriber) -> str:
        request.plugin_id = str(self._connection.plugin_id)
        first = await self._connection.stream(PLUGIN_EVENTS, "Subscribe", request, _BEGIN_SECONDS)
        subscription_id = f"subscription-{next(self._ids)}"
        self._subscriptions[subscription_id] = self._group.create_task(self._keep(request, subscriber, first))
        return subscription_id

    async def _keep(self, request: pb.SubscribeRequest, subscriber: Subscriber, stream: Any) -> None:
        """Until unsubscribed: what is published while the stream is broken is lost."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                stream = stream or await self._connection.stream(PLUGIN_EVENTS, "Subscribe", request, _BEGIN_SECONDS)
                async for event in stream:
                    pause = _FIRST_PAUSE_SECONDS
                    await self._hand(subscriber, event)
            except Exception as error:  # noqa: BLE001 - whatever broke it, the process and its hooks go on
                self._logger.warning(
                    "subscription broken", topic=request.topic, error=f"{type(error).__name__}: {error}"
                )
            stream = None
            await asyncio.sleep(pause)
            pause = min(_MAX_PAUSE_SECONDS, 2 * pause)

    async def _hand(self, subscriber: Subscriber, event: pb.EventMessage) -> None:
        try:
            await subscriber(message_from_wire(event))
        except ESCAPES as error:  # the subscriber is the author's: the next message is for it too
            if is_cancelled():
                raise
            self._logger.error("subscriber failed", topic=event.topic, error=f"{type(error).__name__}: {error}")  # noqa: TRY400 - no standard logger
