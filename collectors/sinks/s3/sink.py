"""``sink://s3``: each event once, in an object that is named by its offsets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from collectors.deliveries import Frame
from collectors.errors import Halt, Retryable
from collectors.sinks.formats import format_of
from collectors.sinks.interface import Prepared, Verdict
from collectors.sinks.offset_names import OffsetNames
from collectors.sinks.ordering import OrderedWrites, Placed, placed
from collectors.sinks.s3.bucket import Bucket
from collectors.sinks.s3.settings import S3Settings
from collectors.sinks.s3.store import S3Store
from schemas.events import KINDS, Kind
from sluice.eventlog.interface import EventLogError, Partition

if TYPE_CHECKING:
    from collectors.entries import S3Entry
    from collectors.sinks.registry import SinkOpening

OWNER_NAME = ".owner"
"""Behind the prefix: an empty object whose metadata names the service and the entry whose prefix it is."""
_OWNER = "owner"
_LOG = "log"
"""Which cluster the owner's events come from: another installation may have names of service and entry like ours."""
_THREADS_PER_WRITE = 4
"""A write has records of several partitions, each of which is put on its own."""


class S3Sink:
    """Objects below the prefix, which is its entry's alone. ``writes``: how many of the pipeline's at once."""

    def __init__(
        self, settings: S3Settings, *, owner: str, writes: int = 8, name_log: Callable[[], Awaitable[str]] | None = None
    ) -> None:
        """``name_log``: which log the events come from; raises EventLogError."""
        self._settings = settings
        self._owner = owner
        self._name_log = name_log
        threads = writes * _THREADS_PER_WRITE
        self._bucket = Bucket(settings, threads + 1)
        self._formats = {kind: format_of(kind, settings.format, settings.compression) for kind in KINDS}
        self._writes = OrderedWrites(self._open_store, threads, "s3-sink")

    def _open_store(self, kind: Kind, topic: str, partition: Partition) -> S3Store:
        return S3Store(
            self._bucket,
            self._settings.prefix,
            kind,
            OffsetNames(topic, partition),
            self._formats[kind],
            least_epoch=self._settings.epoch,
            max_object_bytes=self._settings.max_object_bytes,
            is_conditional=self._settings.if_none_match,
        )

    async def start(self) -> None:
        """Find credentials, and see that the bucket is there and can be written to, and that the prefix is ours."""
        await self.check()
        await self._writes.in_thread(partial(self._take_prefix, await self._log()))

    async def _log(self) -> str:
        try:
            return "" if self._name_log is None else await self._name_log()
        except EventLogError as error:
            raise Retryable(f"the log does not say which it is: {error}") from error

    def _take_prefix(self, log: str) -> None:
        key = self._settings.prefix + OWNER_NAME
        found = self._bucket.find(key)
        if found is None:
            ours = {_OWNER: quote(self._owner, safe="/")} | ({_LOG: log} if log else {})
            found = ours if self._bucket.put(key, b"", "text/plain", ours) else self._bucket.metadata(key)
        owner = unquote(found.get(_OWNER, ""))
        if owner != self._owner:
            reason = f"bucket {self._settings.bucket}: prefix {self._settings.prefix!r} is that of {owner!r}"
            raise Halt(reason, f"give {self._owner!r} another prefix, or remove {key} and the objects beside it")
        if log and found.get(_LOG, log) != log:
            reason = f"bucket {self._settings.bucket}: prefix {self._settings.prefix!r} has the events of {found[_LOG]}"
            remedy = (
                f"this service reads {log}: give it another prefix, or remove {key} where its topics have moved there"
            )
            raise Halt(reason, remedy)
        if self._settings.if_none_match and self._bucket.put(key, b"", "text/plain", found):
            reason = f"bucket {self._settings.bucket}: the server replaces objects although If-None-Match forbids it"
            raise Halt(reason, "set if_none_match: false, and see in the README what that means")

    async def check(self) -> None:
        """Whether the bucket may be listed."""
        await self._writes.in_thread(self._bucket.check)

    def prepare(self, frame: Frame) -> Prepared[Placed]:
        """The lines or rows of the format."""
        return Prepared(placed(frame, self._formats[frame.kind].pieces(frame.rows)))

    async def write(self, documents: Sequence[Placed]) -> Verdict:
        """An object, or several, of each partition."""
        return await self._writes.write(documents)

    async def close(self) -> None:
        """Wait for what runs, then close the connections."""
        await self._writes.close()
        self._bucket.close()


def open_sink(entry: S3Entry, opening: SinkOpening) -> S3Sink:
    """The sink of an entry."""
    owner, kafka = f"{opening.service or entry.service_name}/{entry.name}", opening.host.kafka

    async def name_log() -> str:
        """Journals have names and ids of their own, and any number of hosts may write theirs below one prefix."""
        if not kafka.bootstrap_servers:
            return ""
        from sluice.eventlog.kafka.cluster import cluster_id  # noqa: PLC0415 - an extra, where the log is not Kafka

        known = await cluster_id(kafka)
        return f"Kafka cluster {known}" if known else ""

    return S3Sink(entry.config, owner=owner, writes=entry.flow.max_writes, name_log=name_log)
