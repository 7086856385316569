"""Records whose schema nobody has shown us yet: they wait while it is looked for, together with those that follow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from collectors.deliveries import Delivery, Poison
from collectors.errors import Unprocessable
from schemas.codec import SchemaBook, UndecodableError
from sluice.eventlog.interface import EventLogError

_LOOK_SECONDS = 1.0
_READ_SECONDS = 30.0
"""A read that takes longer hangs, and is begun anew; Kafka's own bound is 20 s unless its timeouts are raised."""

_log = structlog.get_logger(__name__)


class SchemaWait:
    """Holds what cannot be decoded yet. ``clock`` is monotonic, in seconds."""

    def __init__(
        self,
        book: SchemaBook,
        read_schemas: Callable[[], Awaitable[Sequence[bytes]]],
        wait_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._book = book
        self._read_schemas = read_schemas
        self._wait_seconds = wait_seconds
        self._clock = clock
        self._held: dict[bytes, Delivery] = {}
        self._deadlines: dict[bytes, float] = {}
        self._wanted = asyncio.Event()

    def hold(self, fingerprint: bytes, delivery: Delivery) -> None:
        """Keep these until their schema is known, or given up.

        What was given up once is looked for only once more while it keeps coming: waiting again would hold its
        partition up for good.
        """
        now = self._clock()
        if self._has_stopped(fingerprint, now):
            del self._deadlines[fingerprint]
        self._held.setdefault(fingerprint, Delivery()).extend(delivery)
        self._deadlines.setdefault(fingerprint, now + self._wait_seconds)
        self._wanted.set()

    async def run(self, release: Callable[[Delivery], None], lose: Callable[[Poison], None]) -> None:
        """Look each second while something is held: ``release`` what can be decoded now, ``lose`` what is given up."""
        while True:
            await self._wanted.wait()
            if await self.look():
                self._settle(release, lose)
            if not self._held:
                self._wanted.clear()
            await asyncio.sleep(_LOOK_SECONDS)

    async def look(self) -> bool:
        """Read what writers have published; whether the log answered: without an answer nothing is given up."""
        try:
            async with asyncio.timeout(_READ_SECONDS):
                texts = await self._read_schemas()
        except (EventLogError, TimeoutError) as error:
            _log.warning("schemas could not be read", error=str(error) or type(error).__name__)
            return False
        for text in texts:
            self._learn(text)
        return True

    def _settle(self, release: Callable[[Delivery], None], lose: Callable[[Poison], None]) -> None:
        now = self._clock()
        for fingerprint in list(self._held):
            if fingerprint in self._book:
                release(self._held.pop(fingerprint))
            elif now >= self._deadlines[fingerprint]:
                self._deadlines[fingerprint] = now  # given up, for as long as it keeps coming
                lose(unknown_schema(fingerprint, self._held.pop(fingerprint)))
        for fingerprint in list(self._deadlines):
            if self._has_stopped(fingerprint, now):
                del self._deadlines[fingerprint]

    def _has_stopped(self, fingerprint: bytes, now: float) -> bool:
        """Whether a schema given up has not come for a whole wait: if it comes again it is waited for again."""
        return fingerprint not in self._held and now - self._deadlines.get(fingerprint, now) > self._wait_seconds

    def _learn(self, text: bytes) -> None:
        try:
            self._book.learn(text)
        except UndecodableError as error:
            _log.warning("published schema is none", error=str(error))


def unknown_schema(fingerprint: bytes, delivery: Delivery) -> Poison:
    """These as poison: redrivable once their schema is published."""
    poison, error = Poison(), Unprocessable("unknown_schema", f"no schema is published for {fingerprint.hex()}")
    for record, lane in zip(delivery.records, delivery.lanes, strict=True):
        poison.add(record, lane, error)
    return poison
