"""One subscriber of messages: what waits for it, and the task that calls it."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from dataclasses import dataclass

import structlog

from sluice.plugin_host.deadline import run_within
from sluice.plugin_host.occasional import OccasionalLog
from sluice.sdk.services import Message, Subscriber

SUBSCRIBER_SECONDS = 30.0
"""A subscriber that holds on to a message for longer is cancelled, and gets the next."""
_MAX_QUEUED_BYTES = 64 << 20
"""Of one life of a plugin, however few its messages; one for each of its subscribers may wait beyond it."""

logger = structlog.get_logger(__name__)


@dataclass(slots=True)
class Counts:
    """Of all subscribers of a process."""

    dropped: int = 0
    """Messages that subscribers did not get because they did not keep up."""
    failed: int = 0
    """Calls of subscribers that raised, or held on for too long."""


@dataclass(slots=True)
class Backlog:
    """What waits for the subscribers of one life of a plugin: with a hundred of them it holds no more."""

    bytes: int = 0


class Subscription:
    """``put`` messages at any time; they are handed on once it was started."""

    def __init__(
        self,
        plugin_id: int,
        topic: str | None,
        subscriber: Subscriber,
        max_messages: int,
        counts: Counts,
        backlog: Backlog | None = None,
    ) -> None:
        """``topic`` is ``None`` for all; at most ``max_messages`` wait; the plugin's others share ``backlog``."""
        self.id = str(uuid.uuid4())
        self.topic = topic
        self._plugin_id = plugin_id
        self._subscriber = subscriber
        self._max_messages = max_messages
        self._counts = counts
        self._queue: deque[Message] = deque()
        self._backlog = backlog or Backlog()
        self._wake = asyncio.Event()
        self._has_ended = False
        self._task: asyncio.Task[None] | None = None
        self._log = OccasionalLog(logger, "message subscriber failed")

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Begin to call the subscriber."""
        self._task = tasks.create_task(self._run())

    def put(self, message: Message) -> None:
        """Queue it; the oldest give way where there are too many."""
        if self._has_ended:
            return
        self._queue.append(message)
        self._backlog.bytes += len(message.payload)
        while len(self._queue) > self._max_messages or (
            self._backlog.bytes > _MAX_QUEUED_BYTES and len(self._queue) > 1
        ):
            self._take()
            self._counts.dropped += 1
        self._wake.set()

    def end(self) -> None:
        """Begin no further message."""
        self._has_ended = True
        while self._queue:
            self._take()
        self._wake.set()

    def cancel(self) -> None:
        """End what is under way too, unless that is what asks for it."""
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    def _take(self) -> Message:
        message = self._queue.popleft()
        self._backlog.bytes -= len(message.payload)
        return message

    async def _run(self) -> None:
        while not self._has_ended:
            while self._queue:
                await self._call(self._take())
                await asyncio.sleep(0)  # a subscriber that waits for nothing would keep the loop until it is through
            self._wake.clear()
            if not self._has_ended:
                await self._wake.wait()

    async def _call(self, message: Message) -> None:
        async def call() -> None:
            await self._subscriber(message)

        try:
            await run_within(call(), SUBSCRIBER_SECONDS)
        except Exception as error:  # noqa: BLE001 - a subscriber's fault is nobody else's
            self._counts.failed += 1
            self._log.warning(plugin_id=self._plugin_id, topic=self.topic, error=type(error).__name__)
