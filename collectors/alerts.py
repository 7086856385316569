"""Alerts of a service: what operators must see, published beside the events and logged."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

import orjson
import structlog

from sluice.clock import iso_micros, now_micros
from sluice.eventlog.interface import EventLogError, Publisher, Record

_MAX_WAITING = 100
"""Older ones go first where the log does not take them: they are in the log file too."""

_RETRY_SECONDS = 5.0
_CLOSE_SECONDS = 5.0
_OWN = frozenset({"kind", "at", "service", "message", "event"})
"""The last is what a line of a log file calls its phrase."""

_log = structlog.get_logger(__name__)


class Alerts:
    """Publishes alerts of one service, best effort: nothing waits for them."""

    def __init__(self, publisher: Publisher, topic: str, service: str, clock: Callable[[], int] = now_micros) -> None:
        self._publisher = publisher
        self._topic = topic
        self._service = service
        self._clock = clock
        self._waiting: deque[Record] = deque(maxlen=_MAX_WAITING)
        self._wanted = asyncio.Event()

    def send(self, kind: str, message: str, facts: dict[str, str]) -> None:
        """Log it, and publish it when there is time. No fact can take the place of what an alert says of itself."""
        said = {"kind": kind, "service": self._service, "message": message}
        facts = {name: value for name, value in facts.items() if name not in _OWN}
        _log.warning("alert", **said, **facts)
        body = {**said, "at": iso_micros(self._clock()), **facts}
        self._waiting.append(Record(self._topic, self._service.encode(), orjson.dumps(body)))
        self._wanted.set()

    async def run(self) -> None:
        """Publish what was sent, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            if not await self.flush():
                await asyncio.sleep(_RETRY_SECONDS)
                self._wanted.set()

    async def flush(self) -> bool:
        """Publish what waits; whether the log took it."""
        while self._waiting:
            alert = self._waiting[0]
            try:
                await self._publisher.publish((alert,))
            except EventLogError as error:
                _log.warning("alert could not be published", error=str(error))
                return False
            if self._waiting and self._waiting[0] is alert:
                self._waiting.popleft()
        return True

    async def close(self) -> None:
        """Publish what waits and close the publisher, of whoever has it alone. For a while, and never raises: why it
        ends must not be hidden by how."""
        for last in (self.flush, self._publisher.close):
            with contextlib.suppress(EventLogError, TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await last()
