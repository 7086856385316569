"""What the event log's contract tests stand on: each test runs in memory, on journals, and on a real Kafka behind them.

A ``Bench`` makes what a test asks for, closes it at the end, and hides how each log is broken or made to forget.
"""

from __future__ import annotations

import asyncio
import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson
import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition

from schemas.avro_schema import schema_json
from schemas.codec import HEADER_BYTES, EncodedEvent
from schemas.confluent import frame_of, schema_text
from schemas.events import Kind
from schemas.topics import Topics
from sluice.clock import now_micros
from sluice.eventlog.interface import (
    Boot,
    CommitFailedError,
    EventLog,
    OffsetLostError,
    Partition,
    PolledRecord,
    Publisher,
    Source,
    Subscription,
)
from sluice.eventlog.journal.journal import Journal
from sluice.eventlog.journal.publisher import JournalPublisher
from sluice.eventlog.journal.ranges import JournalRanges
from sluice.eventlog.journal.source import JournalSource
from sluice.eventlog.kafka.config import connection_arguments
from sluice.eventlog.kafka.publisher import KafkaPublisher
from sluice.eventlog.kafka.ranges import KafkaRanges
from sluice.eventlog.kafka.source import KafkaSource
from sluice.eventlog.memory import MemoryBroker, MemoryEventLog, MemoryPublisher, MemorySource
from sluice.eventlog.modes import DurableLog
from sluice.eventlog.places import collector_journal, gateway_journal
from sluice.eventlog.ranges import RangeReader
from sluice.eventlog.relay import Relay
from sluice.eventlog.settings import JournalSettings, LogSettings
from tests.sluice.eventlog.journal.making import BOOK, FailingDisk, exchange
from tests.sluice.eventlog.kafka.securing import Secured
from tests.sluice.eventlog.registry.scripted import scripted_registry

SECONDS = 30.0
"""What a slow machine gets; nothing here takes so long."""
ROOM_EXCHANGES = 40
"""About so many exchanges fit."""
_DAY_MICROS = 86_400_000_000
_EXCHANGE_BYTES = 1 << 17

Polled = dict[Partition, list[PolledRecord]]
Hook = Callable[[], Awaitable[None]]


@dataclass
class Listener:
    """Remembers what it was told, and does ``at_revoke`` when it is told to give up."""

    name: str = ""
    told: list[tuple[str, str, Partition]] = field(default_factory=list)
    """(own name, ``assigned`` or ``revoked``, partition), in order; shared where order among sources matters."""
    ours: set[Partition] = field(default_factory=set)
    at_revoke: Hook | None = None

    async def on_assigned(self, partitions: Iterable[Partition]) -> None:
        own = [Partition(*partition) for partition in partitions]
        self.told += [(self.name, "assigned", partition) for partition in own]
        self.ours.update(own)

    async def on_revoked(self, partitions: Iterable[Partition]) -> None:
        own = [Partition(*partition) for partition in partitions]
        if self.at_revoke is not None:
            await self.at_revoke()
        self.told += [(self.name, "revoked", partition) for partition in own]
        self.ours.difference_update(own)


class Bench(ABC):
    """One test's event log."""

    shares_groups: bool
    """Whether sources of a group share its partitions; else the second one is refused."""
    tells_loss_by: Literal["error", "alert"]
    """What says that records were deleted which a group had not read."""
    keeps_whole_entries = False
    """Whether a poll may give the rest of an exchange beyond ``max_records``."""
    max_marks = 0
    """How many offsets at most, beside each record's own, have no record: they count as lag until they are polled."""
    frames: Mapping[str, bytes] = {}
    """By topic what stands in front of its events, where that is not our own frame: the id that a registry gave."""
    quiet_seconds = 0.05
    """How long a poll waits before nothing counts as nothing."""

    def __init__(self, topics: Topics) -> None:
        self.topics = topics
        self.stack = AsyncExitStack()
        self._logs: dict[str, EventLog] = {}

    @property
    def events(self) -> tuple[str, ...]:
        """The topics of the three events."""
        return tuple(self.topics.events())

    @property
    def log(self) -> EventLog:
        """The first worker's."""
        return self.worker("w0")

    def worker(self, name: str) -> EventLog:
        """A worker's event log."""
        if name not in self._logs:
            self._logs[name] = self._open_log(name)
        return self._logs[name]

    async def commit(self, exchanges: Sequence[Sequence[EncodedEvent]], worker: str = "w0") -> None:
        """One after the other; returns when they can be polled."""
        for events in exchanges:
            await self.worker(worker).commit(events)
        await self.settle()

    def source(self, group: str = "group", topics: Sequence[str] = ()) -> Source:
        """A member of a group, not started."""
        source = self._open_source(Subscription(group, tuple(topics) or self.events))
        self.stack.push_async_callback(source.close)
        return source

    async def started(self, group: str = "group", topics: Sequence[str] = ()) -> Source:
        """A member of a group that has joined."""
        source = self.source(group, topics)
        await source.start(Listener())
        return source

    def stored(self, topic: str, value: bytes) -> bytes:
        """An encoded event as this log has it."""
        return self.frames[topic] + value[HEADER_BYTES:] if topic in self.frames else value

    async def no_lag(self, *sources: Source) -> bool:
        """Whether nothing waits: at once, but where transactions leave marks, which are lag until they are polled."""
        if self.max_marks:
            async with asyncio.timeout(SECONDS):
                while sum([await total_lag(source) for source in sources]):
                    assert [await source.poll(0.1, 100) for source in sources] == [{}] * len(sources)
        return not sum([await total_lag(source) for source in sources])

    async def nothing_comes(self, source: Source) -> bool:
        """Whether a poll that waits a little finds nothing."""
        return not await source.poll(self.quiet_seconds, 1000)

    def publisher(self) -> Publisher:
        """A service's."""
        publisher = self._open_publisher()
        self.stack.push_async_callback(publisher.close)
        return publisher

    @abstractmethod
    def _open_log(self, worker: str) -> EventLog: ...

    @abstractmethod
    def _open_source(self, subscription: Subscription) -> Source: ...

    @abstractmethod
    def _open_publisher(self) -> Publisher: ...

    @abstractmethod
    async def settle(self) -> None:
        """Return when everything committed so far can be polled."""

    @abstractmethod
    def break_writes(self, *, broken: bool) -> None:
        """From now on writes fail, or no longer."""

    @abstractmethod
    async def lose_before(self, partition: Partition, offset: int) -> None:
        """Delete at least what lies before this offset, as retention would."""


class MemoryBench(Bench):
    """A broker in memory."""

    shares_groups = True
    tells_loss_by = "error"

    def __init__(self, name: str) -> None:
        super().__init__(Topics(name, 2))
        self._broker = MemoryBroker(self.topics, max_records=3 * ROOM_EXCHANGES)

    def _open_log(self, worker: str) -> EventLog:
        return MemoryEventLog(self._broker, f"gateway-1/{worker}")

    def _open_source(self, subscription: Subscription) -> Source:
        return MemorySource(self._broker, subscription)

    def _open_publisher(self) -> Publisher:
        return MemoryPublisher(self._broker)

    async def settle(self) -> None:
        pass

    def break_writes(self, *, broken: bool) -> None:
        self._broker.error = CommitFailedError("broken") if broken else None

    async def lose_before(self, partition: Partition, offset: int) -> None:
        self._broker.drop_before(partition, offset)


class JournalBench(Bench):
    """Journals in one folder, which are the event log themselves."""

    shares_groups = False
    tells_loss_by: Literal["error", "alert"] = "alert"
    keeps_whole_entries = True
    embedded = True

    def __init__(self, folder: Path, topics: Topics) -> None:
        super().__init__(topics)
        self._folder = folder
        self._disk = FailingDisk()
        self._days = 0
        # whoever is behind when something becomes too old is detached: nothing holds it
        self._settings = JournalSettings(
            max_bytes=ROOM_EXCHANGES * _EXCHANGE_BYTES, max_exchange_bytes=_EXCHANGE_BYTES, max_lag_bytes=1
        )
        self._journals: dict[str, Journal] = {}

    def _open_log(self, worker: str) -> EventLog:
        directory = gateway_journal(self._folder, "gateway-1", worker)
        journal = Journal(
            directory, self._settings, self.topics, embedded=self.embedded, disk=self._disk, clock=self._clock
        )
        journal.begin(Boot("gateway-1", worker, f"boot-of-{worker}"))
        self._journals[worker] = journal
        self.stack.push_async_callback(journal.close)
        return DurableLog(journal)

    def _clock(self) -> int:
        return now_micros() + self._days * _DAY_MICROS

    def _open_source(self, subscription: Subscription) -> Source:
        return JournalSource(self._folder, subscription, self._settings)

    def _open_publisher(self) -> Publisher:
        return JournalPublisher(collector_journal(self._folder, "service"), "service", self._settings, self.topics)

    async def settle(self) -> None:
        pass

    def ranges(self) -> RangeReader:
        """Reads parts of the log, in no group."""
        reader = self._open_ranges()
        self.stack.push_async_callback(reader.close)
        return reader

    def _open_ranges(self) -> RangeReader:
        return JournalRanges(self._folder)

    def break_writes(self, *, broken: bool) -> None:
        error = OSError("broken")
        self._disk.fail = lambda call: error if broken and call == "write" else None

    async def lose_before(self, partition: Partition, offset: int) -> None:
        for _ in range(2):  # the segment ends, and then is too old
            self._days += 8
            self._journals[partition.topic.rpartition("/")[2]].housekeep()


class KafkaBench(JournalBench):
    """Journals with a relay each, and Kafka behind them."""

    shares_groups = True
    tells_loss_by = "error"
    keeps_whole_entries = False
    quiet_seconds = 0.3
    embedded = False

    def __init__(self, folder: Path, settings: LogSettings, tasks: asyncio.TaskGroup) -> None:
        super().__init__(folder, Topics(settings.kafka.namespace, 2))
        self._tasks = tasks
        self._kafka = settings
        self._relays: list[Relay] = []

    def _open_log(self, worker: str) -> EventLog:
        log = super()._open_log(worker)
        journal = self._journals[worker]
        relay = Relay(journal.directory, self._kafka, self.topics, f"gateway-1/{worker}")
        relay.attach(journal)
        self._relays.append(relay)
        running = self._tasks.create_task(relay.run())

        async def stop() -> None:
            await relay.drain(SECONDS)  # aiokafka leaves sockets open where it is cancelled while it connects
            running.cancel()

        self.stack.push_async_callback(stop)
        return log

    async def settle(self) -> None:
        for relay in self._relays:
            assert await relay.drain(SECONDS)

    def _open_source(self, subscription: Subscription) -> Source:
        own = Subscription(f"{self.topics.namespace}.{subscription.group}", subscription.topics)
        return KafkaSource(self._kafka, self.topics, own)

    def _open_publisher(self) -> Publisher:
        return KafkaPublisher(self._kafka, self.topics)

    def _open_ranges(self) -> RangeReader:
        return KafkaRanges(self._kafka, self.topics)

    async def lose_before(self, partition: Partition, offset: int) -> None:
        admin = AIOKafkaAdminClient(**connection_arguments(self._kafka.kafka))
        await admin.start()
        try:
            await admin.delete_records({TopicPartition(*partition): RecordsToDelete(before_offset=offset)})
        finally:
            await admin.close()


LOGS = ("memory", "journal", "kafka")
_ROUNDS = {"linger_seconds": 0.1}
_QUICK = {"heartbeat_interval_seconds": 0.2}
"""Members hear of a rebalance with their heartbeat."""
Law = Callable[..., Coroutine[Any, Any, None]]


def on_every_log(*, secured: str = "") -> Callable[[Law], Callable[..., None]]:
    """Run a test of a ``Bench`` on each log.

    ``secured`` says what of Kafka with everything on (SASL, TLS, ACLs, a schema registry, ``relay.exactly_once``) could
    break this law, where something could: then it runs there too. Laws of writing are the journal's, in front of it.
    """
    return _on((*LOGS, "secured") if secured else LOGS)


def on_durable_logs() -> Callable[[Law], Callable[..., None]]:
    """The same on those logs that outlive a process."""
    return _on(("journal", "kafka"))


def _on(kinds: Sequence[str]) -> Callable[[Law], Callable[..., None]]:
    marks = {kind: [pytest.mark.kafka] if kind == "kafka" else [] for kind in kinds}

    def decorate(test: Law) -> Callable[..., None]:
        def run(request: pytest.FixtureRequest, kind: str, tmp_path: Path, unique_name: str) -> None:
            fixture = {"kafka": "kafka_server", "secured": "secured"}.get(kind)
            server = request.getfixturevalue(fixture) if fixture else None
            asyncio.run(_on_bench(test, kind, tmp_path, server, unique_name))

        assert list(inspect.signature(test).parameters) == ["bench"]
        run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
        return pytest.mark.parametrize("kind", [pytest.param(kind, marks=marks[kind]) for kind in kinds])(run)

    return decorate


async def _on_bench(test: Law, kind: str, folder: Path, server: Any, name: str) -> None:
    unhandled: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(str(context)))
    async with asyncio.timeout(2 * SECONDS), AsyncExitStack() as around, asyncio.TaskGroup() as tasks:
        bench: Bench
        if kind == "memory":
            bench = MemoryBench(name)
        elif kind == "journal":
            bench = JournalBench(folder, Topics(name, 2))
        elif kind == "kafka":
            own = {"bootstrap_servers": server.bootstrap_servers, "single_broker": True, "namespace": name, **_QUICK}
            settings = LogSettings.model_validate({"kafka": {**own, "partitions": 2}, "relay": _ROUNDS})
            bench = KafkaBench(folder, settings, tasks)
        else:
            settings, frames = await _with_everything(server, name, around)
            bench = KafkaBench(folder, settings, tasks)
            bench.max_marks, bench.frames = 1, frames
        async with bench.stack:
            await test(bench)
    assert unhandled == []


async def _with_everything(
    secured: Secured, name: str, around: AsyncExitStack
) -> tuple[LogSettings, Mapping[str, bytes]]:
    """Settings for the secured broker, and by topic the frame of its registry's id; ``BOOK`` knows them."""
    registry = await around.enter_async_context(scripted_registry())
    frames = {}
    for topic, kind in Topics(name, 2).events().items():
        schema_id = registry.add(f"{topic}-value", schema_json(kind).decode())
        frames[topic] = frame_of(schema_id)
        BOOK.learn(schema_text(schema_id, schema_json(kind)))
    await secured.allow_everything(name)
    everything = {"relay": {"exactly_once": True, **_ROUNDS}, "schema_registry": registry.settings(), **_QUICK}
    return secured.settings(name, "SASL_SSL", request_timeout_seconds=10, **everything), frames


# what laws are told in


async def poll_until(source: Source, count: int, most: int = 1000) -> Polled:
    """Everything polled until so many records have come."""
    found: Polled = {}
    async with asyncio.timeout(SECONDS):
        while sum(map(len, found.values())) < count:
            add(found, await source.poll(0.5, most))
    return found


def add(found: Polled, more: Mapping[Partition, Sequence[PolledRecord]]) -> None:
    """What one more poll gave, behind what came before."""
    for partition, records in more.items():
        found.setdefault(Partition(*partition), []).extend(records)


def next_offsets(found: Polled) -> dict[Partition, int]:
    """Behind everything found."""
    return {partition: records[-1].offset + 1 for partition, records in found.items()}


def flat(found: Polled) -> list[PolledRecord]:
    """All of them, in order within each partition."""
    return [record for records in found.values() for record in records]


def ids(records: Iterable[PolledRecord]) -> list[str]:
    """The event ids in the headers."""
    return [dict(record.headers)["ce_id"].decode() for record in records]


def exchanges(count: int) -> list[list[EncodedEvent]]:
    """So many, of three events each."""
    return [exchange() for _ in range(count)]


def numbers_of(records: Sequence[PolledRecord]) -> dict[Kind, list[int]]:
    """The sequence numbers of each kind, in the order in which they came."""
    found: dict[Kind, list[int]] = {}
    for record in records:
        assert record.value is not None
        kind, event = BOOK.decode(record.value)
        found.setdefault(kind, []).append(event["sequence"])
    return found


async def total_lag(source: Source) -> int:
    """Over all partitions that are ours."""
    return sum(lag.records for lag in (await source.lag()).values())


async def is_told_of_loss(bench: Bench, source: Source) -> bool:
    """Whether polls raise, each of them; or, where the log tells by alert, whether there is one."""
    if bench.tells_loss_by == "alert":
        operators = await bench.started("operators", [bench.topics.alert.name])
        (alert,) = flat(await poll_until(operators, 1))
        return bool(orjson.loads(alert.value or b"")["kind"] == "group_detached")
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 30
    try:
        while loop.time() < deadline:  # one that finds nothing yet may only have come too soon
            await source.poll(1.0, 1000)
    except OffsetLostError:
        with pytest.raises(OffsetLostError, match="are gone"):
            await source.poll(0.1, 1000)
        return True
    return False


async def share(first: Source, second: Source, listeners: tuple[Listener, Listener], found: Polled) -> None:
    """The second joins: what the first commits while it gives up is not read again, and nothing is left to nobody."""
    mine, theirs = listeners
    commits: list[bool] = []

    async def commit() -> None:
        commits.append(await first.commit(next_offsets(found)))

    mine.at_revoke = commit
    told = mine.told
    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as tasks:
        joining = tasks.create_task(second.start(theirs))
        while not joining.done() or not theirs.ours or not mine.ours:
            assert await first.poll(0.1, 100) == {}
            if joining.done():
                assert await second.poll(0.1, 100) == {}
    mine.at_revoke = None
    assert commits == [True]
    assert not mine.ours & theirs.ours
    assert set(found) <= mine.ours | theirs.ours, (mine, theirs)
    for partition in theirs.ours:
        assert told.index(("first", "revoked", partition)) < told.index(("second", "assigned", partition))
        assert not await first.commit({partition: 0})
    assert set(await first.lag()) == mine.ours
