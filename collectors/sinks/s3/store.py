"""One partition in a bucket: an object for each write, under the hour in which the log appended its records.

``<prefix><kind>/year=…/month=…/day=…/hour=…/<topic>-<epoch>-<partition>-<first>.<ext>``

An object has records of one hour only, so the objects that may hold what comes again are found by listing from that
hour on, however many there are from before. Where it ends stands beside it (metadata) and not in its key: of two
owners that go on at one place only one can, and the other finds out, looks again and goes on behind it.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from collectors.errors import Halt, Retryable
from collectors.sinks.formats import Format
from collectors.sinks.offset_names import OffsetNames, Published
from collectors.sinks.ordering import Placed, Position
from collectors.sinks.s3.bucket import Bucket
from schemas.events import Kind
from sluice.clock import at_micros

_HOUR_MS = 3_600_000
_log = structlog.get_logger(__name__)
NEWEST = "newest-ms"
"""The metadata that says when the log appended the last record of an object, or of one before it."""
LAST = "last-offset"
"""Where the object ends."""
LOG = "log-id"
"""Which log its records are from, where that is known."""
DIGEST = "sha256"
"""Of the object: whether what lies under a key is what was to be put there."""
_CONTENT_TYPES = {".parquet": "application/vnd.apache.parquet", ".jsonl": "application/x-ndjson"}


@dataclass(frozen=True, slots=True)
class _Put:
    """An object of which it may not be known whether it is there."""

    epoch: int
    key: str
    body: bytes
    offsets: tuple[int, ...]
    metadata: dict[str, str]


class S3Store:
    """A ``Store``."""

    def __init__(
        self,
        bucket: Bucket,
        prefix: str,
        kind: Kind,
        names: OffsetNames,
        format_: Format,
        *,
        least_epoch: int,
        max_object_bytes: int,
        is_conditional: bool = True,
    ) -> None:
        """``is_conditional``: puts replace nothing. Where they may, the key says where the object ends, too, so that
        two owners leave some events twice and none is lost."""
        self._bucket = bucket
        self._prefix = f"{prefix}{kind}/"
        self._names = names
        self._format = format_
        self._epoch = least_epoch
        self._max_object_bytes = max_object_bytes
        self._is_conditional = is_conditional
        self._newest_ms = 0
        self._log_id = ""
        self._unknown: _Put | None = None

    def open(self, first: Placed) -> Position:
        """List from the hour before the first record on: clocks of logs may step back a little."""
        start = f"{self._prefix}{_hour(first.appended_at_ms - _HOUR_MS)}"
        keys = {key.rpartition("/")[2]: key for key in self._bucket.keys(self._prefix, start)}
        found = self._names.begun(keys)
        self._epoch = max([self._epoch, *(each.epoch for each in found)])
        position, before = self._position([each for each in found if each.epoch == self._epoch], keys)
        self._log_id = first.lane.log_id or before
        if before not in {"", self._log_id}:
            _log.warning("the log was made anew", topic=self._names.topic, partition=self._names.partition)
            return self.begin_epoch()
        unknown = self._unknown
        if unknown is not None and (unknown.epoch != self._epoch or unknown.offsets[0] < position.next_offset):
            self._unknown = None
        self._newest_ms = position.newest_ms or 0
        return position

    def _position(self, found: Sequence[Published], keys: dict[str, str]) -> tuple[Position, str]:
        """How far these go, and which log they are from."""
        if not found:
            return Position(), ""
        key = keys[max(found, key=lambda each: (each.first, each.last)).name]
        metadata = self._bucket.metadata(key)
        last, newest = metadata.get(LAST, ""), metadata.get(NEWEST, "")
        if not last.isdecimal():
            message = "copy it again with its metadata, or set epoch to a number that no name has"
            raise Halt(f"object {key} does not say where it ends: it has no {LAST} beside it", message)
        next_offset = 1 + max(int(last), *(each.last for each in found))
        return Position(next_offset, int(newest) if newest.isdecimal() else None), metadata.get(LOG, "")

    def append(self, documents: Sequence[Placed]) -> int:
        """As many as belong into one object. Where an answer was lost the same object is put again first."""
        put = self._unknown
        if put is None or not _begins_with(documents, put.offsets):
            put = self._made(self._part(documents))
        self._unknown = put
        try:
            self._put(put)
        except Retryable:
            raise
        except BaseException:
            self._unknown = None
            raise
        self._unknown = None
        self._newest_ms = int(put.metadata[NEWEST])
        return len(put.offsets)

    def _put(self, put: _Put) -> None:
        is_new = self._bucket.put(put.key, put.body, self._content_type(), put.metadata)
        if is_new or self._bucket.metadata(put.key).get(DIGEST) == put.metadata[DIGEST]:
            return
        self._unknown = None  # it is not there for sure
        raise Retryable(f"object {put.key} is another's: it has written on, and it is looked up what")

    def _part(self, documents: Sequence[Placed]) -> Sequence[Placed]:
        """Those of the first one's hour, up to the bound."""
        hour, size = _hour(documents[0].appended_at_ms), 0
        for at, document in enumerate(documents):
            size += document.size_bytes
            if at and (size > self._max_object_bytes or _hour(document.appended_at_ms) != hour):
                return documents[:at]
        return documents

    def _made(self, documents: Sequence[Placed]) -> _Put:
        offsets = tuple(document.offset for document in documents)
        content = io.BytesIO()
        self._format.write((document.body for document in documents), content)
        newest = max(self._newest_ms, *(document.appended_at_ms for document in documents))
        body = content.getvalue()
        metadata = {NEWEST: str(newest), LAST: str(offsets[-1]), "events": str(len(offsets))}
        metadata |= {LOG: self._log_id} if self._log_id else {}
        metadata[DIGEST] = hashlib.sha256(body).hexdigest()
        key = f"{self._prefix}{_hour(documents[0].appended_at_ms)}{self._name(offsets)}{self._format.extension}"
        return _Put(self._epoch, key, body, offsets, metadata)

    def _name(self, offsets: Sequence[int]) -> str:
        if self._is_conditional:
            return self._names.name_of_first(self._epoch, offsets[0])
        return self._names.name(self._epoch, offsets[0], offsets[-1])

    def _content_type(self) -> str:
        extension = self._format.extension
        if extension.endswith(".gz"):
            return "application/gzip"
        return _CONTENT_TYPES.get(extension, "application/octet-stream")

    def begin_epoch(self) -> Position:
        """Names with the next number."""
        self._epoch += 1
        self._newest_ms, self._unknown = 0, None
        return Position()

    def tend(self) -> None:
        """Nothing is ever due."""

    def close(self) -> None:
        """Nothing is open."""


def _begins_with(documents: Sequence[Placed], offsets: Sequence[int]) -> bool:
    return [document.offset for document in documents if document.offset <= offsets[-1]] == list(offsets)


def _hour(appended_at_ms: int) -> str:
    """The folder of an hour, UTC."""
    return at_micros(max(0, appended_at_ms) * 1_000).strftime("year=%Y/month=%m/day=%d/hour=%H/")
