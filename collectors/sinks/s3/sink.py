"""``sink://s3``: each event once, in an object that is named by its offsets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from collectors.deliveries import Frame
from collectors.errors import Halt
from collectors.sinks.formats import format_of
from collectors.sinks.interface import Prepared, Verdict
from collectors.sinks.offset_names import OffsetNames
from collectors.sinks.ordering import OrderedWrites, Placed, placed
from collectors.sinks.s3.bucket import Bucket
from collectors.sinks.s3.settings import S3Settings
from collectors.sinks.s3.store import S3Store
from schemas.events import KINDS, Kind
from sluice.eventlog.interface import Partition

if TYPE_CHECKING:
    from collectors.entries import S3Entry
    from collectors.sinks.registry import SinkOpening

OWNER_NAME = ".owner"
"""Behind the prefix: an empty object whose metadata names the service and the entry whose prefix it is."""
_OWNER = "owner"
_THREADS_PER_WRITE = 4
"""A write has records of several partitions, each of which is put on its own."""


class S3Sink:
    """Objects below the prefix, which is its entry's alone. ``writes``: how many of the pipeline's at once."""

    def __init__(self, settings: S3Settings, *, owner: str, writes: int = 8) -> None:
        self._settings = settings
        self._owner = owner
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
        await self._writes.in_thread(self._take_prefix)

    def _take_prefix(self) -> None:
        key = self._settings.prefix + OWNER_NAME
        found = self._bucket.find(key)
        if found is None:
            ours = {_OWNER: quote(self._owner, safe="/")}
            found = ours if self._bucket.put(key, b"", "text/plain", ours) else self._bucket.metadata(key)
        owner = unquote(found.get(_OWNER, ""))
        if owner != self._owner:
            reason = f"bucket {self._settings.bucket}: prefix {self._settings.prefix!r} is that of {owner!r}"
            raise Halt(reason, f"give {self._owner!r} another prefix, or remove {key} and the objects beside it")
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
    owner = f"{opening.service or entry.service_name}/{entry.name}"
    return S3Sink(entry.config, owner=owner, writes=entry.flow.max_writes)
