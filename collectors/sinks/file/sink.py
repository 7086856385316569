"""``sink://file``: each event once in a file that is named by its offsets, or in the totals of budgets."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from collectors.deliveries import Frame
from collectors.errors import Halt
from collectors.sinks.file.aggregate import AggregateFile, AggregateStore, usages
from collectors.sinks.file.folder import replace, translated
from collectors.sinks.file.settings import FileSettings
from collectors.sinks.file.store import Content, FileStore, Rotation, abandoned
from collectors.sinks.formats import format_of
from collectors.sinks.interface import Prepared, Verdict
from collectors.sinks.offset_names import OffsetNames
from collectors.sinks.ordering import OrderedWrites, Placed, Store, placed
from schemas.events import KINDS, Kind
from sluice.eventlog.interface import Partition

if TYPE_CHECKING:
    from collectors.entries import FileEntry
    from collectors.sinks.registry import SinkOpening

OWNER_NAME = ".owner"
"""Names the service and the entry whose folder it is."""
_PROBE = ".probe"
_TEND_SECONDS = 1.0


class FileSink:
    """Files in ``folder``, which is its owner's alone. ``clock`` is monotonic, in seconds."""

    def __init__(
        self,
        settings: FileSettings,
        folder: Path,
        *,
        owner: str,
        threads: int = 8,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._owner = owner
        self._rotation = Rotation(settings.max_bytes, settings.max_age, clock)
        self._formats = {kind: format_of(kind, settings.format_name(kind), settings.compression) for kind in KINDS}
        self._totals = AggregateFile(folder)
        self._writes = OrderedWrites(self._open_store, threads, "file-sink")

    def _open_store(self, kind: Kind, topic: str, partition: Partition) -> Store:
        if self._is_aggregated(kind):
            return AggregateStore(self._totals, OffsetNames(topic, partition), least_epoch=self._settings.epoch)
        settings = self._settings
        content = Content(kind, topic, partition, settings.format_name(kind), settings.compression)
        return FileStore(self._folder, content, self._rotation, settings.epoch)

    def _is_aggregated(self, kind: Kind) -> bool:
        return kind == "budget" and self._settings.aggregate_mode

    async def start(self) -> None:
        """Make the folder, see that it is ours and can be written to, and finish what a killed process left."""
        await self._writes.in_thread(self._take_folder)
        await self._writes.in_thread(self._recover)

    def _recover(self) -> None:
        with translated(self._folder):
            self._totals.tidy()
            for path in self._folder.glob(f"{_PROBE}.*"):
                path.unlink(missing_ok=True)
            for content in abandoned(self._folder):
                FileStore(self._folder, content, self._rotation).recover()

    def _take_folder(self) -> None:
        with translated(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / OWNER_NAME
            if not path.exists():
                replace(self._folder, OWNER_NAME, self._owner.encode())
            found = path.read_bytes().decode("utf-8", "replace")
            if found != self._owner:
                reason = f"output_directory {self._folder} is that of {found!r}"
                raise Halt(reason, f"give {self._owner!r} another, or remove {path} and the files beside it")
        self._probe()

    async def check(self) -> None:
        """Write something beside the files."""
        await self._writes.in_thread(self._probe)

    def _probe(self) -> None:
        with translated(self._folder):
            path = self._folder / f"{_PROBE}.{secrets.token_hex(4)}"
            with path.open("xb") as file:
                file.write(b"\0")
                os.fsync(file.fileno())
            path.unlink(missing_ok=True)  # a start of another process tidies up

    def prepare(self, frame: Frame) -> Prepared[Placed]:
        """The lines or rows of the kind's format."""
        if self._is_aggregated(frame.kind):
            return Prepared(placed(frame, usages(frame.rows)))
        return Prepared(placed(frame, self._formats[frame.kind].pieces(frame.rows)))

    async def write(self, documents: Sequence[Placed]) -> Verdict:
        """Durable when it returns, whether the file is finished or not."""
        return await self._writes.write(documents)

    async def keep(self) -> None:
        """Finish files by their age."""
        while True:
            await asyncio.sleep(_TEND_SECONDS)
            await self._writes.tend()

    async def close(self) -> None:
        """Finish every file."""
        await self._writes.close()


def open_sink(entry: FileEntry, opening: SinkOpening) -> FileSink:
    """The sink of an entry."""
    folder = (opening.folder / entry.config.output_directory).absolute()
    owner = f"{opening.service or entry.service_name}/{entry.name}"
    return FileSink(entry.config, folder, owner=owner, threads=entry.flow.max_writes)
