"""Dead letters: records that can never be written, kept as they were, with the reason beside them.

They are acknowledged by the log before the tracker passes the record. Too many of them mean that something else is
wrong: the service then halts instead of draining its topics into them. Limits count per reason and producer, and a
producer that reaches one alone only raises an alert: one gateway with a wrong clock cannot halt a service for all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from collectors.deliveries import Poison
from collectors.entries import DeadLetterSettings
from collectors.errors import Halt, Unprocessable, without_values
from collectors.letter_headers import PREFIX, REDRIVEN_FROM, REDRIVES
from collectors.tracker import Lane
from schemas.codec import HEADER_BYTES, UndecodableError, split_frame
from schemas.topics import DLQ_EXTRA_BYTES, DLQ_SUFFIX, MAX_EVENT_BYTES
from sluice.clock import iso_micros, now_micros
from sluice.eventlog.interface import PolledRecord, Publisher, Record, StoredRecord

MAX_LETTER_BYTES = MAX_EVENT_BYTES + DLQ_EXTRA_BYTES
"""``max.message.bytes`` of the dead-letter topics."""

_FRAMING_BYTES = 4_096  # room for what the log puts around key, value and headers
_MAX_PUBLISH_BYTES = 4 << 20
UNKNOWN_PRODUCER = "unknown"
_SOURCE_HEADER = "ce_source"
_MAX_PRODUCERS = 1_000
_OTHER = "other"
_WELL_SECONDS = 60.0
_ALERT_SECONDS = 3_600.0
_WINDOW = 10  # times min_records: a tally beyond it is halved, so that a good past does not hide a bad present


@dataclass(slots=True)
class RedrivenRecord(StoredRecord):
    """The record that a dead letter was, given to its collector once more."""

    letter: str = ""
    """Where the letter lies, as ``sluice dead-letters`` shows it."""
    redrives: int = 0
    """How often it was given back before this time."""
    facts: Mapping[str, bytes] = field(default_factory=dict)
    """What the letter says of the record and must not be forgotten: names without ``dlq.``."""


class DeadLetters:
    """Makes dead letters of one service's poison and publishes them."""

    def __init__(
        self, publisher: Publisher, *, service: str, group: str, version: str, clock: Callable[[], int] = now_micros
    ) -> None:
        self._publisher = publisher
        self._service = service
        self._group = group
        self._version = version
        self._clock = clock

    async def publish(self, poison: Poison) -> None:
        """Return when the log has all of them; raises EventLogError, after which some may be there."""
        for run in _runs(self.letters(poison)):
            await self._publisher.publish(run)

    def letters(self, poison: Poison) -> list[Record]:
        """The records to publish, in the order of the poison."""
        if poison.first_failed_at is None:
            poison.first_failed_at = self._clock()
        return [
            self._letter(record, lane, error, poison)
            for record, lane, error in zip(poison.delivery.records, poison.delivery.lanes, poison.errors, strict=True)
        ]

    def _letter(self, record: PolledRecord, lane: Lane, error: Unprocessable, poison: Poison) -> Record:
        kept = [(name, value) for name, value in record.headers if not name.startswith(PREFIX) or name == REDRIVES]
        facts = {
            "error.type": without_values(error.reason),
            "error.reason": without_values(error.detail),
            "status": "" if error.status is None else str(error.status),
            "collector": poison.collector or self._service,
            "group": self._group,
            "topic": record.topic,
            "partition": str(record.partition),
            "offset": str(record.offset),
            "timestamp": str(record.timestamp),
            "attempts": str(poison.attempts),
            "first_failed_at": iso_micros(poison.first_failed_at or self._clock()),
            "schema": _schema(record.value),
            "version": self._version,
        }
        if lane.partition.topic != record.topic:
            facts["journal"] = lane.partition.topic  # a record of a journal does not name it, and its offset is there
        ours = [(PREFIX + name, value.encode("utf-8", "replace")) for name, value in facts.items()]
        if isinstance(record, RedrivenRecord):
            ours = _as_before(record, ours, is_refused=bool(poison.collector))
        return _within_bounds(record, kept, ours)


def _as_before(
    record: RedrivenRecord, ours: Sequence[tuple[str, bytes]], *, is_refused: bool
) -> list[tuple[str, bytes]]:
    """What is new of it is why it failed this time; where the record lay, and since when it fails, is as it was.

    One that still cannot be decoded is still whose it was.
    """
    facts = dict(ours)
    facts.pop(PREFIX + "journal", None)
    facts |= {PREFIX + name: value for name, value in record.facts.items() if name != "collector" or not is_refused}
    return [*facts.items(), (REDRIVES, b"%d" % (record.redrives + 1)), (REDRIVEN_FROM, record.letter.encode())]


def _schema(value: bytes | None) -> str:
    """The fingerprint in front of the body, where there is one."""
    try:
        return split_frame(value).hex()
    except UndecodableError:
        return ""


def _within_bounds(
    record: PolledRecord, kept: Sequence[tuple[str, bytes]], ours: Sequence[tuple[str, bytes]]
) -> Record:
    """The letter; what no dead-letter topic could hold loses its headers, then its tail, and says so."""
    topic, key, value = record.topic + DLQ_SUFFIX, record.key or b"", record.value
    room = MAX_LETTER_BYTES - _FRAMING_BYTES - len(key) - _size(ours)
    if len(value or b"") + _size(kept) > room:
        ours = [*ours, ("dlq.truncated", b"true")]
        kept = []
        value = value if value is None else value[: max(room, HEADER_BYTES)]
    return Record(topic, key, value, (*kept, *ours))


def _size(headers: Iterable[tuple[str, bytes]]) -> int:
    return sum([len(name) + len(value or b"") + 8 for name, value in headers])  # Kafka has headers without a value


def _runs(letters: Sequence[Record]) -> Iterator[list[Record]]:
    """What is published at once."""
    run: list[Record] = []
    size = 0
    for letter in letters:
        length = len(letter.value or b"") + _size(letter.headers)
        if run and size + length > _MAX_PUBLISH_BYTES:
            yield run
            run, size = [], 0
        run.append(letter)
        size += length
    if run:
        yield run


@dataclass(slots=True)
class _Tally:
    """What became of one producer's records."""

    records: int = 0
    dead: Counter[str] = field(default_factory=Counter)
    consecutive: Counter[str] = field(default_factory=Counter)
    delivered_at: float | None = None

    def halve(self) -> None:
        self.records //= 2
        self.dead = Counter({reason: count // 2 for reason, count in self.dead.items()})


class DeadLetterLimits:
    """How many dead letters are too many. ``clock`` is monotonic, in seconds."""

    def __init__(
        self,
        settings: DeadLetterSettings,
        clock: Callable[[], float],
        alert: Callable[[str, str, dict[str, str]], None],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._alert = alert
        self._tallies: dict[str, _Tally] = {}
        self._alerted_at: dict[tuple[str, str], float] = {}

    def delivered(self, producers: Mapping[str, int]) -> None:
        """So many records of these producers are in the sink."""
        for producer, count in producers.items():
            tally = self._tally(producer)
            tally.records += count
            tally.consecutive.clear()
            tally.delivered_at = self._clock()
            if tally.records > _WINDOW * self._settings.min_records:
                tally.halve()

    def admit(self, poison: Poison) -> None:
        """Count these as dead letters, or raise ``Halt`` and count nothing."""
        producers = map(self._known, map(_producer, poison.delivery.records, poison.producers))
        counts = Counter(zip(producers, _reasons(poison), strict=True))
        for (producer, reason), count in counts.items():
            limit = self._limit(producer, reason, count)
            if limit is not None:
                self._beyond(producer, reason, limit)
        for (producer, reason), count in counts.items():
            tally = self._tally(producer)
            tally.records += count
            tally.dead[reason] += count
            tally.consecutive[reason] += count

    def _limit(self, producer: str, reason: str, count: int) -> str | None:
        """Which limit ``count`` more would exceed."""
        tally, settings = self._tally(producer), self._settings
        if tally.consecutive[reason] + count > settings.max_consecutive:
            return f"more than dead_letter.max_consecutive ({settings.max_consecutive}) in a row"
        records, dead = tally.records + count, tally.dead[reason] + count
        if records >= settings.min_records and dead > settings.max_ratio * records:
            return f"more than dead_letter.max_ratio ({settings.max_ratio}) of the last {records}"
        return None

    def _beyond(self, producer: str, reason: str, limit: str) -> None:
        found = f"{reason}: {limit} records of producer {producer!r} would be dead letters"
        if not self._others_are_well(producer):
            raise Halt(found, "remove the cause, or raise that limit and restart")
        now = self._clock()
        if now - self._alerted_at.get((producer, reason), -_ALERT_SECONDS) >= _ALERT_SECONDS:
            self._alerted_at[producer, reason] = now
            self._alert("dead_letter_limit", found, {"producer": producer, "reason": reason})

    def _others_are_well(self, producer: str) -> bool:
        """Whether records of somebody else got through lately: then it is this producer's fault, not the service's."""
        earliest = self._clock() - _WELL_SECONDS
        return any(
            tally.delivered_at is not None and tally.delivered_at >= earliest
            for name, tally in self._tallies.items()
            if name != producer
        )

    def _tally(self, producer: str) -> _Tally:
        return self._tallies.setdefault(self._known(producer), _Tally())

    def _known(self, producer: str) -> str:
        """By this name a producer is counted, alerted of, and told from others: beyond a bound all are one."""
        is_counted = producer in self._tallies or len(self._tallies) < _MAX_PRODUCERS
        return producer if is_counted else _OTHER


def _producer(record: PolledRecord, gateway_id: str | None) -> str:
    """Who made a record: what its row says, else its ``ce_source`` header."""
    if gateway_id is not None:
        return gateway_id
    for name, value in record.headers:
        if name == _SOURCE_HEADER:
            return (value or b"").decode("latin-1")[:100] or UNKNOWN_PRODUCER
    return UNKNOWN_PRODUCER


def _reasons(poison: Poison) -> Iterator[str]:
    return (error.reason for error in poison.errors)
