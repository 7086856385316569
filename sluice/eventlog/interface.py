"""What the event log is to those who use it: where events wait, whatever stands behind it.

The gateway *publishes* through an ``EventLog``; collectors *poll* from a ``Source`` and *commit* next offsets; both
publish side records (dead letters, alerts, reports) through a ``Publisher``. Behind each stand the in-memory log, the
journal and Kafka, held to one contract suite.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

from schemas.codec import EncodedEvent


class EventLogError(Exception):
    """Anything that keeps records from being published or polled."""


class CommitFailedError(EventLogError):
    """The log could not make the records durable (disk full, I/O error, broker's refusal): they are not in it."""


class CommitTimeoutError(EventLogError):
    """No answer in time: whether the records are in the log is not known."""


class NotAcknowledgedError(CommitTimeoutError):
    """The records are in the journal, and Kafka's acknowledgement did not come in time (mode ``strict``)."""


class OffsetLostError(EventLogError):
    """A committed offset no longer exists (retention, a restored copy); going on anywhere else could lose or repeat."""


class Record(NamedTuple):
    """Something to publish that is not one of the three events."""

    topic: str
    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class Partition(NamedTuple):
    """An ordered part of the log; equal to aiokafka's ``TopicPartition``. A journal is one, named by its directory."""

    topic: str
    partition: int


class PolledRecord(Protocol):
    """A record as polled; aiokafka's ``ConsumerRecord`` is one as it is. Its next offset is ``offset + 1``."""

    @property
    def topic(self) -> str:
        """The topic it was published to."""
        ...

    @property
    def partition(self) -> int:
        """The partition it lies in."""
        ...

    @property
    def offset(self) -> int:
        """Its offset there."""
        ...

    @property
    def timestamp(self) -> int:
        """When the log appended it, in milliseconds since the epoch."""
        ...

    @property
    def key(self) -> bytes | None:
        """Its key."""
        ...

    @property
    def value(self) -> bytes | None:
        """Its value; ``None`` is a tombstone."""
        ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Its headers, in order."""
        ...


@dataclass(slots=True)
class StoredRecord:
    """A ``PolledRecord`` of the logs that are ours."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


@dataclass(frozen=True, slots=True)
class Boot:
    """One life of one worker: what event sequences are counted by."""

    gateway_id: str
    worker: str
    boot_id: str


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """How far a group is behind on one partition."""

    records: int
    oldest_at_ms: int | None = None
    """Append time of the oldest record not yet committed, where known."""
    retention_ms: int | None = None
    """After which age the log deletes, where it does: ``seconds_to_loss`` = retention - age of the oldest."""


class EventLog(Protocol):
    """Where the gateway's exchanges become durable. One per worker, used from its loop alone."""

    def reserve(self) -> bool:
        """Set room aside for one exchange's events; ``False`` where there is none. Called before the vendor is."""
        ...

    def release(self) -> None:
        """Give back what ``reserve`` set aside; called once for each ``True``, after ``commit`` or without one."""
        ...

    def has_room_for_refusals(self) -> bool:
        """Whether exchanges refused before an app was known may be recorded: the last fifth is not for them."""
        ...

    async def commit(self, events: Sequence[EncodedEvent]) -> None:
        """Make one exchange's events durable as the durability mode says: all of them or none.

        Raises ``CommitFailedError`` or ``CommitTimeoutError``; of a ``Draft`` what its builder does, and then none is.
        """
        ...

    async def close(self) -> None:
        """Write what is waiting and stop; bounded in time."""
        ...


class Publisher(Protocol):
    """Publishes side records: dead letters, alerts, reports, schemas."""

    async def publish(self, records: Sequence[Record]) -> None:
        """Return when every record is acknowledged; raises ``EventLogError``, after which some may be in the log."""
        ...

    async def close(self) -> None:
        """Stop; what ``publish`` returned for stays."""
        ...


class RebalanceListener(Protocol):
    """Told by a ``Source`` which partitions come and go; exceptions of either are the listener's own to count."""

    async def on_assigned(self, partitions: Iterable[Partition]) -> None:
        """These are ours from now on, at the committed offsets."""
        ...

    async def on_revoked(self, partitions: Iterable[Partition]) -> None:
        """These will be another's when this returns: drain within a bound, commit, then forget them."""
        ...


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a collector's group reads."""

    group: str
    topics: tuple[str, ...]
    client_id: str = "sluice"
    group_instance_id: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class NamedLogs(Protocol):
    """A source that knows which log a partition is: the id changes when the log is made anew under the same name."""

    async def log_ids(self, partitions: Iterable[Partition]) -> Mapping[Partition, str]:
        """The ids of partitions that have one now; never raises, and takes a few seconds at most."""
        ...


class Source(Protocol):
    """One consumer of one group. Used from one loop; ``poll`` never overlaps itself."""

    async def start(self, listener: RebalanceListener) -> None:
        """Join the group; raises ``EventLogError`` with the cause and the remedy."""
        ...

    async def poll(self, timeout_seconds: float, max_records: int) -> Mapping[Partition, Sequence[PolledRecord]]:
        """Records not yet polled, in order per partition; empty after the timeout. Raises ``OffsetLostError``."""
        ...

    async def commit(self, next_offsets: Mapping[Partition, int]) -> bool:
        """Store the group's next offsets; ``False`` where they are not ours any more (then do not retry)."""
        ...

    def pause(self, partitions: Iterable[Partition]) -> None:
        """Poll nothing from these until resumed; the membership stays alive."""
        ...

    def resume(self, partitions: Iterable[Partition]) -> None:
        """Undo ``pause``."""
        ...

    async def lag(self) -> Mapping[Partition, PartitionLag]:
        """How far behind the committed offsets are, for the partitions that are ours."""
        ...

    async def read_schemas(self) -> Sequence[bytes]:
        """Every schema that writers have published, as JSON text: looked up afresh at each call."""
        ...

    async def close(self) -> None:
        """Leave the group; nothing is committed here."""
        ...
