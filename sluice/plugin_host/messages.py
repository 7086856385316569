"""Messages among plugins.

What is published is seen once by every subscriber of its topic in every worker of this gateway, the publisher's own
worker included; messages of direction ``up`` and ``down`` also reach the other gateways of the namespace, where there
is a carrier to them. A message is delivered at most once and is nowhere kept: who is not there, or does not keep up,
does not get it.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Callable, Iterable
from typing import Protocol

from sluice.plugin_host.settings import PluginHostSettings
from sluice.plugin_host.subscription import Backlog, Counts, Subscription
from sluice.sdk.arguments import bytes_of, direction_of, utf8_of
from sluice.sdk.errors import NotFound, ServiceError, ServiceUnavailable
from sluice.sdk.services import Direction, Message, Subscriber

MAX_SUBSCRIPTIONS = 100
"""Of one life of a plugin."""
_TOPIC = re.compile(r"[^\s\x00-\x1f\x7f]{1,200}")


class MessageCarrier(Protocol):
    """Takes messages to other processes and brings theirs."""

    @property
    def dropped(self) -> int:
        """Messages that did not get on their way, of one process or of all."""
        ...

    @property
    def garbled(self) -> int:
        """What came and was no message."""
        ...

    @property
    def max_payload_bytes(self) -> int:
        """What it can carry."""
        ...

    def carry(self, message: Message) -> None:
        """Take it along; never waits and raises nothing: what cannot be taken is dropped, counted."""
        ...

    async def run(self, arrived: Callable[[Message], None]) -> None:
        """Until cancelled, call this for each message of another process; sees to its own failures."""
        ...


class MessageBus:
    """The messages of one process; belongs to its loop.

    ``run`` beside the server: messages published or subscribed to before it wait for it.
    """

    def __init__(
        self,
        settings: PluginHostSettings | None = None,
        gateway_id: str = "",
        *,
        workers: MessageCarrier | None = None,
        gateways: MessageCarrier | None = None,
    ) -> None:
        """``workers`` reaches the other workers of this gateway, ``gateways`` the other gateways."""
        self.settings = settings or PluginHostSettings()
        self.gateway_id = gateway_id
        self.counts = Counts()
        self._workers = workers
        self._gateways = gateways
        self._topics: dict[str | None, list[Subscription]] = {}
        """By topic; under ``None`` those of every topic."""
        self._tasks: asyncio.TaskGroup | None = None
        self._meets_gateways = asyncio.Event()
        """Set by the first who subscribes, or publishes beyond this gateway."""

    def of_plugin(self, plugin_id: int) -> PluginMessages:
        """The messages of one life of a plugin."""
        return PluginMessages(self, plugin_id)

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                if self._workers is not None:
                    tasks.create_task(self._workers.run(self.deliver))
                if self._gateways is not None:
                    tasks.create_task(self._meet(self._gateways))
                for subscription in list(self._subscriptions()):
                    subscription.start(tasks)
                await asyncio.get_running_loop().create_future()
            finally:
                self._tasks = None

    async def _meet(self, gateways: MessageCarrier) -> None:
        """Few plugins have messages, and a consumer of Kafka is a fifth of what an idle worker does."""
        await self._meets_gateways.wait()
        await gateways.run(self.deliver)

    def deliver(self, message: Message) -> None:
        """Queue a message for those in this process who want it."""
        for topic in (message.topic, None):
            for subscription in self._topics.get(topic, ()):
                subscription.put(message)

    # for PluginMessages

    def publish(self, plugin_id: int, topic: str, payload: bytes, direction: Direction) -> str:
        """Deliver it here and hand it to whoever carries it on; the message's id."""
        check_topic(topic)
        carriers = self._carriers(direction_of(direction))
        kept = self._checked(payload, carriers)
        published = Message(str(uuid.uuid4()), topic, kept, f"plugin:{plugin_id}@{self.gateway_id}", direction)
        self.deliver(published)
        for carrier in carriers:
            carrier.carry(published)
        if direction != "local":
            self._meets_gateways.set()
        return published.id

    def _carriers(self, direction: Direction) -> list[MessageCarrier]:
        wanted = (self._workers,) if direction == "local" else (self._workers, self._gateways)
        return [carrier for carrier in wanted if carrier is not None]

    def _checked(self, payload: bytes, carriers: Iterable[MessageCarrier]) -> bytes:
        bound = self.settings.max_message_bytes
        kept = bytes_of(payload, "a message's payload", bound, "plugin_host.max_message_bytes")
        most = min([carrier.max_payload_bytes for carrier in carriers], default=bound)
        return bytes_of(kept, "a message's payload", most, "what can be carried to others")

    def add(self, subscription: Subscription) -> None:
        """Deliver to this one from now on."""
        self._topics.setdefault(subscription.topic, []).append(subscription)
        self._meets_gateways.set()
        if self._tasks is not None:
            subscription.start(self._tasks)

    def remove(self, subscription: Subscription) -> None:
        """Deliver no more to it."""
        subscription.end()
        others = [other for other in self._topics.get(subscription.topic, ()) if other is not subscription]
        if others:
            self._topics[subscription.topic] = others
        else:
            self._topics.pop(subscription.topic, None)

    def _subscriptions(self) -> Iterable[Subscription]:
        return (subscription for some in self._topics.values() for subscription in some)


class PluginMessages:
    """The ``Messages`` of one life of a plugin."""

    __slots__ = ("_backlog", "_bus", "_is_released", "_plugin_id", "_subscriptions")

    def __init__(self, bus: MessageBus, plugin_id: int) -> None:
        self._backlog = Backlog()
        self._bus = bus
        self._plugin_id = plugin_id
        self._is_released = False
        self._subscriptions: dict[str, Subscription] = {}

    async def publish(self, topic: str, payload: bytes, direction: Direction = "local") -> str:
        """The message's id. Raises PayloadTooLarge, ServiceError where an argument is none."""
        return self._bus.publish(self._plugin_id, topic, payload, direction)

    async def subscribe(self, topic: str, subscriber: Subscriber) -> str:
        """Call this for each message of a topic, one after the other; returns what ``unsubscribe`` takes."""
        check_topic(topic)
        return self._subscribe(topic, subscriber)

    async def subscribe_all(self, subscriber: Subscriber) -> str:
        """As ``subscribe``, for every topic."""
        return self._subscribe(None, subscriber)

    def _subscribe(self, topic: str | None, subscriber: Subscriber) -> str:
        if self._is_released:
            message = "messages: the plugin was shut down; subscribe in initialize, or while it serves"
            raise ServiceUnavailable(message)
        if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            message = f"messages: the plugin has {MAX_SUBSCRIPTIONS} subscriptions already; unsubscribe from some"
            raise ServiceError(message)
        bus = self._bus
        most = bus.settings.max_queued_messages
        subscription = Subscription(self._plugin_id, topic, subscriber, most, bus.counts, self._backlog)
        self._subscriptions[subscription.id] = subscription
        bus.add(subscription)
        return subscription.id

    async def unsubscribe(self, subscription_id: str) -> None:
        """No further message is begun. Raises NotFound for one that is not this plugin's."""
        subscription = self._subscriptions.pop(subscription_id, None)
        if subscription is None:
            message = f"messages: the plugin has no subscription {str(subscription_id)[:100]!r}"
            raise NotFound(message)
        self._bus.remove(subscription)

    def release(self) -> None:
        """The plugin was shut down: end its subscriptions, in the midst of a message too, and begin no other."""
        self._is_released = True
        subscriptions, self._subscriptions = self._subscriptions, {}
        for subscription in subscriptions.values():
            self._bus.remove(subscription)
            subscription.cancel()


def check_topic(topic: str) -> None:
    """Raises ServiceError for what is no topic: 1 to 200 characters, none of them a space or a control character."""
    utf8_of(topic, "a message's topic")
    if _TOPIC.fullmatch(topic) is None:
        message = f"messages: {ascii(topic)[:100]} is no topic; write 1 to 200 characters and no spaces among them"
        raise ServiceError(message)
