"""Carries one journal to Kafka, from memory while it keeps up and from the file when it lags or after a crash.

A round: what is there is sent, all of it is acknowledged, the watermark moves. A crash in between sends the round again
under the same event ids. Kafka may be away at the start or at any time: rounds then wait, longer each time until one is
acknowledged, and the journal holds what comes. Records that the broker refuses for good go to ``refused.jsonl`` beside
the segments and are counted, once however often their round is sent.
"""

from __future__ import annotations

import asyncio
import base64
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import structlog

from schemas.topics import Topics
from sluice.clock import iso_micros, now_micros
from sluice.eventlog.interface import EventLogError
from sluice.eventlog.journal.entries import WrittenRecord
from sluice.eventlog.journal.header import BadHeaderError
from sluice.eventlog.journal.journal import Journal
from sluice.eventlog.journal.offsets import (
    RELAY_GROUP,
    CommittedOffset,
    load_offset,
    offset_path,
    split_offset,
    store_offset,
)
from sluice.eventlog.journal.reader import JournalReader
from sluice.eventlog.journal.segment import read_header, segment_path
from sluice.eventlog.journal.tail import JournalTail
from sluice.eventlog.kafka.batches import BatchProducer, Watermark
from sluice.eventlog.kafka.transactions import FencedError, TransactionalProducer
from sluice.eventlog.settings import LogSettings

REFUSED_FILE = "refused.jsonl"
_ROUND_RECORDS = 5_000
_ROUND_BYTES = 4 << 20
_GROWN_RECORDS = _ROUND_RECORDS // 2
"""A round of so many waits for no more: larger ones are hardly cheaper, and hold the loop for longer."""
_FIRST_BACKOFF_SECONDS = 0.2
_MAX_BACKOFF_SECONDS = 5.0
_STORE_SECONDS = 0.5
"""How often the watermark is written; after a kill so much is sent again at most."""
_LOOK_SECONDS = 0.2
_SILENT_SECONDS = 2.0
"""A round that takes longer means that Kafka does not acknowledge now."""

logger = structlog.get_logger(__name__)


@dataclass(slots=True)
class RelayCounters:
    """Of one relay, since it was made."""

    rounds: int = 0
    records: int = 0
    failures: int = 0
    """Rounds that failed, and connections that could not be made."""
    refused: int = 0
    """Records that the broker refused for good; they are in ``refused.jsonl``."""
    fell_behind: int = 0
    """Times that memory was given up for the file."""


class Relay:
    """One journal's. ``attach`` it to the live journal, or let it read a directory that nobody writes to."""

    def __init__(self, directory: Path, settings: LogSettings, topics: Topics, gateway_id: str) -> None:
        self.counters = RelayCounters()
        self._directory = directory
        self._settings = settings
        make = TransactionalProducer if settings.relay.exactly_once else BatchProducer
        self._producer = make(settings, topics, gateway_id, self._refuse, directory)
        self._linger_seconds = settings.relay.linger_seconds
        self._offset_file = offset_path(directory, RELAY_GROUP)
        self._committed = load_offset(self._offset_file)
        self._reader = JournalReader(directory, self._committed)
        self._tail = JournalTail(directory)
        self._next = self._committed.offset if self._committed else 0
        """Behind the last record acknowledged."""
        self._stored_at = 0.0
        self._journal: Journal | None = None
        """The live one; ``None`` where nobody writes to the directory."""
        self._from_memory = False
        self._must_seek = True
        self._memory: deque[WrittenRecord] = deque()
        self._memory_bytes = 0
        self._max_memory_bytes = settings.relay.max_memory_bytes
        self._grown_bytes = min(_ROUND_BYTES, self._max_memory_bytes // 2)
        """So much waits for no more either: lingering alone must never give memory up."""
        self._something = asyncio.Event()
        self._caught_up = asyncio.Event()
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._connected = False
        self.is_fenced = False
        """Whether another relay carries this journal now, as far as is known."""
        self._round_since = 0.0
        self._grows_until = 0.0
        """When the next round begins at the latest; long past after a quiet while."""
        self._grown = asyncio.Event()
        self._draining = 0
        """How many wait for the end of all that is there."""
        self._refused: set[int] = set()
        """Offsets refused in the present round: sent again it writes no second line."""

    def attach(self, journal: Journal) -> None:
        """Take what the journal makes durable from now on."""
        self._journal = journal
        journal.subscribe(self._take)

    def _take(self, records: Sequence[WrittenRecord]) -> None:
        """Called by the journal for each durable batch."""
        if self._caught_up.is_set():  # else it looks again before it waits
            self._caught_up.clear()
            self._something.set()
        if not self._from_memory:
            return
        self._memory.extend(records)
        size = self._memory_bytes
        for record in records:
            size += len(record.value or b"")
        self._memory_bytes = size
        if self._is_large:
            self._grown.set()
        if size > self._max_memory_bytes:
            self.counters.fell_behind += 1
            self._read_from_file()

    def _read_from_file(self) -> None:
        """From behind what is acknowledged: the reader still stands where memory took over from it."""
        self._from_memory, self._must_seek = False, True
        self._memory.clear()
        self._memory_bytes = 0

    # what others ask

    @property
    def is_acknowledging(self) -> bool:
        """Whether Kafka answers now, as far as is known."""
        since = self._round_since
        return self._connected and (not since or asyncio.get_running_loop().time() - since < _SILENT_SECONDS)

    @property
    def lag_records(self) -> int:
        """Records of the journal that Kafka has not acknowledged."""
        total = None if self._journal is None else self._journal.total_records
        return self._tail.lag_records(self._committed, total)

    @property
    def gaps(self) -> int:
        """Places of the journal's files where reading could not simply go on; what was there may be lost."""
        counters = self._reader.counters
        return counters.offset_mismatches + counters.damaged + counters.unreadable_segments + counters.segments_gone

    async def wait_for(self, next_offset: int) -> None:
        """Return when everything before this offset is acknowledged."""
        if self._next >= next_offset:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((next_offset, done))
        self._grown.set()
        await done

    async def drain(self, timeout_seconds: float) -> bool:
        """Wait until nothing is left to send; whether that came true in time. ``run`` must be running."""
        self._draining += 1
        self._grown.set()
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._caught_up.wait()
        except TimeoutError:
            return False
        finally:
            self._draining -= 1
        return True

    # the work

    async def run(self) -> None:
        """Until cancelled."""
        backoff = _FIRST_BACKOFF_SECONDS
        try:
            while True:
                rounds = self.counters.rounds
                try:
                    await self._producer.start()
                    self._resume(await self._producer.watermark())
                    self._connected = True
                    await self._carry()
                except FencedError as error:
                    self.counters.failures += 1
                    self._lose_connection()
                    await self._producer.close()
                    await self._stand_by(error)
                except EventLogError as error:
                    self.counters.failures += 1
                    logger.warning("relay waits for kafka", error=str(error), journal=str(self._directory))
                finally:
                    self._lose_connection()
                    await self._producer.close()
                if self.counters.rounds > rounds:
                    backoff = _FIRST_BACKOFF_SECONDS  # a broker that only lets us connect is not back
                await asyncio.sleep(backoff * (0.5 + random.random() / 2))
                backoff = min(backoff * 2, _MAX_BACKOFF_SECONDS)
        finally:
            self._store()
            self.close()

    def _lose_connection(self) -> None:
        self._connected, self._round_since = False, 0.0
        self._read_from_file()

    def _resume(self, watermark: Watermark | None) -> None:
        """Go on where Kafka says that this journal was carried to: it may know of a round that we never heard of."""
        if watermark is None or watermark.place.offset <= self._next:
            return
        if not watermark.is_ours:  # of an earlier life, which was killed: the file is behind
            self._reader.close()
            self._reader = JournalReader(self._directory, watermark.place)
        self._advance(watermark.place)

    async def _stand_by(self, fenced: FencedError) -> None:
        """While another relay carries this journal; returns when that one leaves something lying, or never was: then
        our own transaction timed out (this host slept, or the broker was away)."""
        self.is_fenced = True
        logger.warning("relay stands by", reason=str(fenced), journal=str(self._directory))
        is_left_lying = True
        try:
            while True:
                await asyncio.sleep(self._settings.relay.transaction_timeout_seconds)
                watermark, before = await self._producer.watermark(), self._next
                if watermark is None or watermark.is_ours:
                    break
                self._resume(watermark)
                waits = self._next == before and self.lag_records > 0
                if waits and is_left_lying:
                    break
                is_left_lying = waits
        except EventLogError as error:
            logger.warning("watermark not read", error=str(error), journal=str(self._directory))
        finally:
            self.is_fenced = False
        logger.warning("relay connects anew", journal=str(self._directory))

    def close(self) -> None:
        """Let go of the files; ``run`` does so at its end."""
        self._reader.close()
        self._tail.close()

    async def _carry(self) -> None:
        """Rounds without end; raises EventLogError where one fails."""
        loop = asyncio.get_running_loop()
        while True:
            records = self._collect()
            if not records:
                self._caught_up.set()
                self._store()
                await self._wait_for_more()
                continue
            self._round_since = loop.time()
            self._grows_until = self._round_since + self._linger_seconds
            end = self._committed_at(records[-1].offset + 1)
            await self._producer.send(records, end)
            self._round_since = 0.0
            self.counters.rounds += 1
            self.counters.records += len(records)
            self._advance(end)
            if loop.time() - self._stored_at > _STORE_SECONDS:
                self._store()
            await self._linger()

    def _collect(self) -> list[WrittenRecord]:
        """What is sent next. The file is left for memory in the very moment in which it has no more."""
        if self._from_memory:
            return self._collect_memory()
        if self._must_seek:
            self._reader.seek(self._next)
            self._must_seek = False
        self._something.clear()
        records = self._reader.read(_ROUND_RECORDS, _ROUND_BYTES)
        if not records and self._journal is not None:
            self._from_memory = True
        return records

    def _collect_memory(self) -> list[WrittenRecord]:
        """A journal that syncs may tell of records which were read from the file already: those are passed over."""
        self._something.clear()
        memory = self._memory
        while memory and memory[0].offset < self._next:
            self._memory_bytes -= len(memory.popleft().value or b"")
        if len(memory) <= _ROUND_RECORDS and self._memory_bytes <= _ROUND_BYTES:  # the usual round: all there is
            records = [*memory]
            memory.clear()
            self._memory_bytes = 0
            return records
        records, size = [], 0
        while memory and len(records) < _ROUND_RECORDS and size < _ROUND_BYTES:
            record = memory.popleft()
            size += len(record.value or b"")
            records.append(record)
        self._memory_bytes -= size
        return records

    async def _wait_for_more(self) -> None:
        """Until the journal has something; of one that nobody writes to, look again now and then."""
        if self._journal is not None:
            await self._something.wait()
            await self._linger()
        else:
            await asyncio.sleep(_LOOK_SECONDS)

    async def _linger(self) -> None:
        """Let a round grow, for a round costs the same whatever is in it: it begins ``linger_seconds`` after the one
        before, sooner where it is large or a client waits, and at once after a quiet while."""
        loop = asyncio.get_running_loop()
        seconds = self._grows_until - loop.time()
        if seconds <= 0 or not self._from_memory or self._waiting or self._draining or self._is_large:
            return
        self._grown.clear()
        timer = loop.call_later(seconds, self._grown.set)
        try:
            await self._grown.wait()
        finally:
            timer.cancel()

    @property
    def _is_large(self) -> bool:
        return len(self._memory) >= _GROWN_RECORDS or self._memory_bytes >= self._grown_bytes

    def _advance(self, end: CommittedOffset) -> None:
        self._next = end.offset
        self._refused.clear()
        self._committed = end
        while self._waiting and self._waiting[0][0] <= end.offset:
            _, done = self._waiting.popleft()
            if not done.done():
                done.set_result(None)

    def _committed_at(self, next_offset: int) -> CommittedOffset:
        number, record = split_offset(next_offset)
        known = self._committed
        if known is not None and known.segment == number and known.segment_id:
            return CommittedOffset(number, record, known.segment_id)
        try:
            segment_id = read_header(segment_path(self._directory, number)).id
        except (BadHeaderError, OSError):
            segment_id = b""
        return CommittedOffset(number, record, segment_id)

    def _store(self) -> None:
        """Write the watermark; where that fails more is sent again after a crash, and nothing is lost."""
        if self._committed is None:
            return
        self._stored_at = asyncio.get_running_loop().time()
        try:
            store_offset(self._offset_file, self._committed)
        except OSError as error:
            logger.warning("watermark not stored", file=str(self._offset_file), error=str(error))

    def _refuse(self, record: WrittenRecord, reason: str) -> None:
        """Keep what Kafka will never take where somebody can find it; where that fails the round does."""
        if record.offset in self._refused:
            return
        line = {
            "refused_at": iso_micros(now_micros()),
            "reason": reason,
            "topic": record.topic,
            "offset": record.offset,
            "key": base64.b64encode(record.key or b"").decode(),
            "value": base64.b64encode(record.value or b"").decode(),
        }
        path = self._directory / REFUSED_FILE
        try:
            with path.open("ab") as file:
                file.write(orjson.dumps(line) + b"\n")
        except OSError as error:
            raise EventLogError(f"{path} cannot be written: {error}") from error
        self._refused.add(record.offset)
        self.counters.refused += 1
        logger.error("kafka refused a record for good", topic=record.topic, offset=record.offset, reason=reason)
