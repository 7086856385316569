"""``--to-topic``: records into another topic of the same log, key, value and headers byte for byte."""

from __future__ import annotations

from collections.abc import Sequence

from collectors.deliveries import Frame
from collectors.errors import Halt, Retryable
from collectors.jobs.interface import Origin
from collectors.sinks.interface import Prepared, Verdict
from sluice.eventlog.interface import EventLogError, Publisher, Record

_PUBLISH_BYTES = 4 << 20


class TopicSink:
    """A ``Sink``, at least once: a job that was killed and is resumed may publish its last records again."""

    def __init__(self, topic: str, publisher: Publisher, origin: Origin) -> None:
        self._topic = topic
        self._publisher = publisher
        self._origin = origin

    async def start(self) -> None:
        """The origin must have originals; whether the topic takes them shows when it is given them."""
        if not self._origin.has_originals:
            raise Halt(
                f"{self._origin.where} has the events, and not the records that they were",
                "replay it into a sink, or read from the log",
            )

    def prepare(self, frame: Frame) -> Prepared[Record]:
        """The records as they came."""
        records = frame.delivery.records
        return Prepared([Record(self._topic, each.key or b"", each.value, tuple(each.headers)) for each in records])

    async def write(self, documents: Sequence[Record]) -> Verdict:
        """Acknowledged by the log when it returns; where it fails some may be there."""
        verdict = Verdict()
        start, size = 0, 0
        for at, record in enumerate(documents):
            size += len(record.value or b"")
            if size >= _PUBLISH_BYTES or at + 1 == len(documents):
                try:
                    await self._publisher.publish(documents[start : at + 1])
                except EventLogError as error:
                    verdict.postpone(range(start, len(documents)), Retryable(str(error)))
                    break
                start, size = at + 1, 0
        return verdict

    async def check(self) -> None:
        """It shows with the next write."""

    async def close(self) -> None:
        """Stop; what was acknowledged stays."""
        await self._publisher.close()
