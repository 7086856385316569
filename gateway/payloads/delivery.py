"""Delivery of a host's payloads: in one of its processes, and only where somebody receives or something waits.

Embedded   queue of the host → receivers
Kafka      queue of the host → topic   and   topic → receivers, as a member of a group, so that one host has each plugin
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import structlog

from gateway.access.host_lock import HostLock
from gateway.payloads.count import GROUP
from gateway.payloads.dead_letters import JOURNAL, DeadLetters
from gateway.payloads.forwarding import Forwarding
from gateway.payloads.leftovers import remove_leftovers
from gateway.payloads.pump import Handle, Pump
from gateway.payloads.receiving import Patience, Receiving
from sluice.beats import beat
from sluice.eventlog.interface import Subscription
from sluice.eventlog.journal.publisher import JournalPublisher
from sluice.eventlog.journal.source import JournalSource
from sluice.eventlog.places import collector_journal

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.payloads.queue import PayloadQueue
    from gateway.payloads.receiving import Plugins
    from gateway.telemetry import GatewayMetrics
    from schemas.topics import Topics
    from sluice.eventlog.interface import Publisher, Source
    from sluice.eventlog.settings import LogSettings
    from sluice.plugin_host.services import ServicesFactory

KAFKA_GROUP = "edge-payload"
"""Behind the namespace: who delivers, of all hosts."""
_LOCK_FILE = "delivery.lock"
_LOOK_SECONDS = 1.0
_IDLE_LOOKS = 15
"""So many looks in a row must find nothing to do before delivery ends."""
_FIRST_PAUSE_SECONDS = 0.5
_MAX_PAUSE_SECONDS = 30.0

logger = structlog.get_logger(__name__)


class PayloadDelivery:
    """Every worker runs one; the first to take the host's lock delivers, and another when that one is gone."""

    def __init__(
        self,
        settings: LogSettings,
        data_dir: Path,
        topics: Topics,
        queue: PayloadQueue,
        plugins: Plugins,
        services: ServicesFactory,
        metrics: GatewayMetrics,
        *,
        attempts: int,
        patience: Patience | None = None,
        look_seconds: float = _LOOK_SECONDS,
    ) -> None:
        self._settings = settings
        self._data_dir = data_dir
        self._topics = topics
        self._queue = queue
        self._plugins = plugins
        self._services = services
        self._metrics = metrics
        self._attempts = attempts
        self._patience = patience
        self._look_seconds = look_seconds

    async def run(self) -> None:
        """Until cancelled. Whatever goes wrong is logged, and begun anew after a while."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                self._queue.tidy()
                if self._is_due() and await self._deliver_if_first():
                    pause = _FIRST_PAUSE_SECONDS
            except Exception as error:  # the gateway lives, whatever befalls its delivery
                logger.exception("payload delivery broke", error=_described(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, _MAX_PAUSE_SECONDS)
            await beat(self._look_seconds)

    def _is_due(self) -> bool:
        return bool(self._plugins.receivers) or self._queue.waiting() > 0

    async def _deliver_if_first(self) -> bool:
        """Deliver while there is something to do; ``False`` where another process of the host does."""
        self._queue.root.mkdir(parents=True, exist_ok=True)
        lock = HostLock(self._queue.root / _LOCK_FILE)
        try:
            if not lock.try_to_keep():
                return False
            await self._deliver()
        finally:
            lock.close()
        return True

    async def _deliver(self) -> None:
        await asyncio.to_thread(remove_leftovers, self._queue.root)
        async with AsyncExitStack() as stack:
            pumps = [Pump(*ends) for ends in self._ends(stack)]
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(pump.run()) for pump in pumps]
                await self._watch(pumps)
                for task in running:
                    task.cancel()

    async def _watch(self, pumps: list[Pump]) -> None:
        """Until there is nothing to do for a while."""
        idle = 0
        while idle < _IDLE_LOOKS:
            self._queue.tidy()
            self._metrics.payloads_waiting.set(self._queue.waiting())
            is_busy = self._is_due() or any(pump.unfinished for pump in pumps)
            idle = 0 if is_busy else idle + 1
            await asyncio.sleep(self._look_seconds)

    def _ends(self, stack: AsyncExitStack) -> list[tuple[Source, Handle]]:
        """What is pumped where."""
        settings, topic = self._settings, self._topics.edge_payload.name
        queue = JournalSource(self._queue.root, Subscription(GROUP, (topic,)), settings.journal)
        if not settings.kafka.bootstrap_servers:
            return [(queue, self._receiving(stack, GROUP))]
        from sluice.eventlog.connect import open_source  # noqa: PLC0415 - Kafka's client, for who has a Kafka

        group = f"{settings.kafka.namespace}.{KAFKA_GROUP}"
        subscription = Subscription(group, (topic,), settings.kafka.client_id)
        publisher = self._publisher()
        stack.push_async_callback(publisher.close)
        return [
            (queue, Forwarding(publisher, topic).handle),
            (open_source(settings, self._data_dir, subscription), self._receiving(stack, group)),
        ]

    def _receiving(self, stack: AsyncExitStack, group: str) -> Handle:
        letters = DeadLetters(self._publisher, self._topics, group)
        stack.push_async_callback(letters.close)
        receiving = Receiving(self._plugins, self._services, letters, self._metrics, self._attempts, self._patience)
        stack.callback(receiving.close)
        return receiving.handle

    def _publisher(self) -> Publisher:
        settings = self._settings
        if not settings.kafka.bootstrap_servers:
            directory = collector_journal(self._data_dir, JOURNAL)
            return JournalPublisher(directory, JOURNAL, settings.journal, self._topics)
        from sluice.eventlog.kafka.publisher import KafkaPublisher  # noqa: PLC0415 - as above

        return KafkaPublisher(settings, self._topics)


def _described(error: Exception) -> str:
    first = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
    return f"{type(first).__name__}: {first}"[:300]
