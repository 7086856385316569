"""One partition in a folder: the file that grows, and those that are finished.

What is written is durable in the growing file (``.<topic>-<epoch>-<partition>-<generation>.part``) before it is
acknowledged. When that is large or old enough another generation is begun, and it is published under the name of its
offsets. The names, and the head of the growing file, tell where to go on.

Who takes a partition over, after a crash or a rebalance, first makes the next generation, which only one can, and then
finishes those before it. Whatever a process that was taken for dead still writes into an older generation is not
published by anybody; it was not acknowledged either, as its group has moved on.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import structlog

from collectors.errors import Halt, Retryable
from collectors.sinks.file.folder import publish, remove_leftovers, sync_folder, translated
from collectors.sinks.file.staging import StagedFile, is_abandoned, read_chunks
from collectors.sinks.formats import Format, format_of
from collectors.sinks.offset_names import OffsetNames
from collectors.sinks.ordering import Placed, Position
from collectors.sinks.settings import Compression, FormatName
from schemas.events import Kind
from sluice.eventlog.interface import Partition

_STAGED = ".*.part"

_log = structlog.get_logger(__name__)


class Content(msgspec.Struct, frozen=True):
    """What a growing file is, in its first chunk: it is finished so, whatever the settings are by then."""

    kind: Kind
    topic: str
    partition: tuple[str, int]
    format: FormatName
    compression: Compression
    log_id: str = ""
    """Which log its records are from, where that is known."""

    def names(self) -> OffsetNames:
        """Those of its partition."""
        return OffsetNames(self.topic, Partition(*self.partition))

    def format_(self) -> Format:
        """How it is finished."""
        return format_of(self.kind, self.format, self.compression)


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a file is finished. ``clock`` is monotonic, in seconds."""

    max_bytes: int
    max_age_seconds: float
    clock: Callable[[], float]


class FileStore:
    """A ``Store``."""

    def __init__(self, folder: Path, content: Content, rotation: Rotation, least_epoch: int = 0) -> None:
        self._folder = folder
        self._content = content
        self._names = content.names()
        self._format = content.format_()
        self._rotation = rotation
        self._epoch = least_epoch
        self._position = Position()
        self._staged: StagedFile | None = None
        self._generation = 0
        self._since = 0.0
        """When the first event came into the growing file."""
        self._through: dict[int, int] = {}
        """The last offset that has a name, by epoch: the folder is listed when the partition is taken over, no more."""
        self._ended: list[tuple[int, int]] = []
        """Epochs and generations that are ended and not published yet."""

    def open(self, first: Placed) -> Position:
        """Go on with what is ours; else take over whatever lies there. What is another log's is another epoch."""
        with translated(self._folder):
            if not self._is_newest() or first.lane.log_id not in {"", self._content.log_id}:
                self._take_over(first.lane.log_id)
            return Position(self._position.next_offset, self._position.newest_ms)

    def recover(self) -> None:
        """Finish what was left here."""
        with translated(self._folder):
            self._take_over()
            self._let_go()

    def _is_newest(self) -> bool:
        """Whether nobody took the partition over since, not even one that died of it."""
        if self._staged is None or not self._staged.is_ours():
            return False
        return max(self._names.staged(self._listed())) == (self._epoch, self._generation)

    def _take_over(self, log_id: str = "") -> None:
        self._let_go()
        names = self._listed()
        older = self._names.staged(names)
        epochs = [epoch for epoch, _ in older] + [found.epoch for found in self._names.published(names)]
        epoch = max([self._epoch, *epochs])
        before = self._log_id(epoch, older)
        if log_id and before and before != log_id:
            _log.warning("the log was made anew", topic=self._names.topic, partition=self._names.partition)
            epoch += 1
        self._content = msgspec.structs.replace(self._content, log_id=log_id or before)
        generation = max((generation for _, generation in older), default=-1) + 1
        # once this is there whoever had the partition before has lost it, and what lies there is read after that
        self._begin(epoch, generation, lambda: self._known(epoch, older))
        self._ended = older
        remove_leftovers(self._folder, self._names.stem(epoch))
        self._try(self._publish_ended)

    def _log_id(self, epoch: int, older: Sequence[tuple[int, int]]) -> str:
        """Of the log that an epoch's growing files are from."""
        heads = [_content(self._path(*each)) for each in reversed(older) if each[0] == epoch]
        return next((head.log_id for head in heads if head is not None and head.log_id), "")

    def _begin(self, epoch: int, generation: int, find: Callable[[], Position]) -> None:
        """Go on in a new growing file, or leave none."""
        path = self._path(epoch, generation)
        try:
            staged = StagedFile.create(path)
        except FileExistsError as error:
            raise Retryable(f"{path} is another process's: it took the partition over") from error
        try:
            position = find()
            head = msgspec.json.encode(self._content)
            staged.append(position.next_offset, position.newest_ms or 0, array("Q"), head)
            sync_folder(self._folder)
        except BaseException:
            path.unlink(missing_ok=True)
            staged.close()
            raise
        self._let_go()
        self._staged, self._epoch, self._generation, self._position = staged, epoch, generation, position

    def _known(self, epoch: int, older: Sequence[tuple[int, int]]) -> Position:
        """How far an epoch is written, by names and by what the unfinished files say."""
        self._through = {}
        for found in self._names.published(self._listed()):
            self._through[found.epoch] = max(self._through.get(found.epoch, -1), found.last)
        by_name = self._through.get(epoch, -1) + 1
        next_offset, newest_ms = 0, 0
        for old_epoch, generation in older:
            if old_epoch == epoch:
                for chunk in read_chunks(self._path(epoch, generation)):
                    next_offset, newest_ms = max(next_offset, chunk.next_offset), max(newest_ms, chunk.newest_ms)
        if by_name > next_offset:
            return Position(by_name, None)  # files that came from elsewhere: their records' times are not known
        return Position(next_offset, newest_ms or None)

    def _listed(self) -> list[str]:
        return [path.name for path in self._folder.iterdir()]

    def _path(self, epoch: int, generation: int) -> Path:
        return self._folder / self._names.staged_name(epoch, generation)

    def append(self, documents: Sequence[Placed]) -> int:
        """All of them into the growing file, which is finished where it is large enough."""
        try:
            with translated(self._folder):
                self._append(documents)
        except BaseException:
            self._let_go()  # what is in it is looked up before anything else is written
            raise
        if self._staged is not None and self._staged.size_bytes >= self._rotation.max_bytes:
            self._try(self._rotate)
        return len(documents)

    def _append(self, documents: Sequence[Placed]) -> None:
        staged = self._staged
        if staged is None:
            raise Retryable("the file is not open")
        times = [document.appended_at_ms for document in documents]
        newest = max(self._position.newest_ms or 0, *times)
        next_offset = documents[-1].offset + 1
        offsets = array("Q", [document.offset for document in documents])
        packed = self._format.pack([document.body for document in documents])
        if not staged.events:
            self._since = self._rotation.clock()
        staged.append(next_offset, newest, offsets, packed)
        if not staged.is_ours():
            raise Retryable(f"{staged.path} was taken over by another process, or removed")
        self._position = Position(next_offset, newest)

    def _try(self, finish: Callable[[], None]) -> None:
        """What is durable stays acknowledged, whatever comes of this; it is tried again."""
        try:
            with translated(self._folder):
                finish()
        except (Retryable, Halt) as cause:
            _log.warning("a file cannot be finished now", folder=str(self._folder), cause=str(cause))
        except Exception:  # noqa: BLE001 - as little reason to refuse events, or to end the service
            _log.exception("a file cannot be finished", folder=str(self._folder))

    def begin_epoch(self) -> Position:
        """Finish the old one's files, and count from the beginning."""
        with translated(self._folder):
            self._end(self._epoch + 1, Position())
            self._try(self._publish_ended)
        return Position()

    def _rotate(self) -> None:
        """Begin the next generation, then publish the one before."""
        self._end(self._epoch, self._position)
        self._publish_ended()

    def _end(self, epoch: int, position: Position) -> None:
        if self._staged is None or not self._staged.is_ours():
            raise Retryable("the file is not open")
        ended = (self._epoch, self._generation)
        self._begin(epoch, self._generation + 1, lambda: position)
        self._ended.append(ended)

    def _publish_ended(self) -> None:
        while self._ended:
            self._finish(*self._ended[0])
            del self._ended[0]

    def _finish(self, epoch: int, generation: int) -> None:
        """Publish what of a generation is not published yet, and remove it."""
        path = self._path(epoch, generation)
        content = _content(path)
        if content is not None:
            through = self._through.get(epoch, -1)
            offsets = [offset for chunk in read_chunks(path) for offset in chunk.offsets if offset > through]
            if offsets:
                format_ = content.format_()
                name = self._names.name(epoch, offsets[0], offsets[-1]) + format_.extension
                publish(self._folder, name, lambda file: format_.write(_pieces(path, format_, through), file))
                self._through[epoch] = offsets[-1]
        elif path.exists() and path.stat().st_size:
            damaged = path.with_suffix(".damaged")
            _log.error("a growing file has no readable beginning: it is kept", path=str(path), as_=damaged.name)
            path.rename(damaged)
        path.unlink(missing_ok=True)

    def tend(self) -> None:
        """Finish a file that is old enough, and what could not be finished before."""
        self._try(self._publish_ended)
        staged, rotation = self._staged, self._rotation
        if staged is not None and staged.events and rotation.clock() >= self._since + rotation.max_age_seconds:
            self._try(self._rotate)

    def close(self) -> None:
        """Finish the file, whatever its age."""
        if self._staged is not None and self._staged.events:
            self._try(self._rotate)
        self._let_go()

    def _let_go(self) -> None:
        if self._staged is not None:
            self._staged.close()
            self._staged = None


def _content(path: Path) -> Content | None:
    """What a growing file is; ``None`` where its first chunk never came to be, and so no event either."""
    try:
        head = next(read_chunks(path), None)
        return None if head is None else msgspec.json.decode(head.packed, type=Content)
    except (FileNotFoundError, msgspec.DecodeError):  # somebody else has finished it, or it is none of ours
        return None


def _pieces(path: Path, format_: Format, through: int) -> Iterator[Any]:
    for chunk in read_chunks(path):
        if chunk.offsets and chunk.offsets[0] > through:
            yield from format_.unpack_whole(chunk.packed)
        elif chunk.offsets:
            pieces = format_.unpack(chunk.packed)
            yield from (piece for offset, piece in zip(chunk.offsets, pieces, strict=True) if offset > through)


def abandoned(folder: Path) -> list[Content]:
    """The partitions that have something unfinished, and whose newest growing file nobody who lives writes to."""
    newest: dict[tuple[str, tuple[str, int]], tuple[int, int, Path, Content]] = {}
    with_events: set[tuple[str, tuple[str, int]]] = set()
    for path in folder.glob(_STAGED):
        content = _content(path)
        if content is None:
            continue
        key = (content.topic, content.partition)
        for epoch, generation in content.names().staged([path.name]):
            if key not in newest or newest[key][:2] < (epoch, generation):
                newest[key] = (epoch, generation, path, content)
        if any(chunk.offsets for chunk in read_chunks(path)):
            with_events.add(key)
    return [newest[key][3] for key in with_events if key in newest and is_abandoned(newest[key][2])]
