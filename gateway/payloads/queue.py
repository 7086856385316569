"""Where a host's payloads wait: a journal for each worker and plugin that sends, apart from those of the exchanges.

Apart, because nobody else's room, order or reading may depend on what a plugin sends: a flood fills its own queue and
is refused, a payload that waits holds up those behind it alone, and whoever delivers reads nothing but payloads. What
is delivered is deleted; what is not stays, however old it is.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.access.host_lock import HostLock
from gateway.payloads.count import GROUP, Count
from schemas.ids import new_boot_id
from sluice.eventlog.interface import Boot, CommitFailedError
from sluice.eventlog.journal.journal import Journal
from sluice.eventlog.journal.offsets import NOTHING_COMMITTED, load_offset, offset_path, store_offset
from sluice.eventlog.journal.segment import segment_numbers
from sluice.eventlog.places import gateway_journal

if TYPE_CHECKING:
    from schemas.topics import Topics
    from sluice.eventlog.interface import Record
    from sluice.eventlog.settings import JournalSettings

FOLDER = "edge-payloads"
"""In ``data_dir``."""
QUEUE_BYTES = 128 << 20
"""Of one plugin in one worker, with what is delivered and not deleted yet; at 70 % of it nothing more is taken."""
_FOLDERS_LOCK = "folders.lock"
_SEGMENT_BYTES = 4 << 20
_RETENTION_SECONDS = 1.0
"""Of what is delivered. What is not is never deleted: it does not get far enough behind for that."""
_HOUSEKEEP_SECONDS = 1.0


@contextmanager
def making_or_removing(root: Path) -> Iterator[None]:
    """For who makes or removes the folder of a queue: one at a time of a host. Raises OSError. Run it in a thread."""
    root.mkdir(parents=True, exist_ok=True)
    lock = HostLock(root / _FOLDERS_LOCK)
    try:
        with lock:
            yield
    finally:
        lock.close()


class PayloadQueue:
    """One worker's; it also counts those of the others. Used from one loop."""

    def __init__(self, data_dir: Path, gateway_id: str, worker: str, settings: JournalSettings, topics: Topics) -> None:
        self.root = data_dir / FOLDER
        self._boot = Boot(gateway_id, worker, new_boot_id())
        self._settings = _settings_of(settings)
        self._topics = topics
        self._journals: dict[int, Journal] = {}
        self._under_way: dict[int, asyncio.Future[Journal]] = {}
        """Being opened in a thread."""
        self._opening: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._housekept: dict[int, float] = {}
        self._untidy: set[int] = set()
        """Plugins whose journals may have something to delete."""
        self._count = Count(self.root)
        self._is_closed = False

    async def append(self, plugin_id: int, record: Record) -> None:
        """Return when it is durable. Raises EventLogError; CommitFailedError also where the queue is full."""
        journal = self._journals.get(plugin_id) or await self._open(plugin_id)
        self._housekeep(plugin_id, journal)
        if not journal.room.fits():
            message = f"the queue of payloads in {journal.directory} is full"
            raise CommitFailedError(message)
        await journal.append_records([record])
        self._untidy.add(plugin_id)
        self._count.added()

    def tidy(self) -> None:
        """Delete what was delivered; to be called each second, for a plugin that sends no more does not ask for it."""
        for plugin_id in tuple(self._untidy):
            journal = self._journals[plugin_id]
            self._housekeep(plugin_id, journal)
            if len(segment_numbers(journal.directory)) == 1:
                self._untidy.discard(plugin_id)

    def waiting(self) -> int:
        """How many payloads of this host nobody has taken off its queues yet, at most a tenth of a second old."""
        return self._count.value()

    async def _open(self, plugin_id: int) -> Journal:
        async with self._opening[plugin_id]:
            if plugin_id in self._journals:
                return self._journals[plugin_id]
            if self._is_closed:
                message = "this worker ends: it takes no more payloads"
                raise CommitFailedError(message)
            try:
                journal = await self._opened(plugin_id)
                await self._begin(journal)
            except OSError as error:
                message = f"the queue of payloads of plugin {plugin_id} cannot be written: {error}"
                raise CommitFailedError(message) from error
            self._journals[plugin_id] = journal
            return journal

    async def _opened(self, plugin_id: int) -> Journal:
        """Locked, and cut where it was torn, in a thread. Who gives up meanwhile leaves it to the next to ask."""
        found = self._under_way.get(plugin_id)
        if found is None:
            make = partial(self._journal, plugin_id)
            found = self._under_way[plugin_id] = asyncio.get_running_loop().run_in_executor(None, make)
        try:
            return await asyncio.shield(found)
        finally:
            if found.done():
                self._under_way.pop(plugin_id, None)

    def _journal(self, plugin_id: int) -> Journal:
        directory = gateway_journal(self.root, f"{self._boot.gateway_id}@{self._boot.worker}", str(plugin_id))
        with making_or_removing(self.root):
            return Journal(directory, self._settings, self._topics, embedded=True)

    async def _begin(self, journal: Journal) -> None:
        try:
            offset_file = offset_path(journal.directory, GROUP)
            if load_offset(offset_file) is None:
                store_offset(offset_file, NOTHING_COMMITTED)  # everything is kept for delivery from the first record on
            journal.begin(self._boot)
        except BaseException:
            await journal.close()  # lets its lock go: the next try may succeed
            raise

    def _housekeep(self, plugin_id: int, journal: Journal) -> None:
        now = time.monotonic()
        if now >= self._housekept.get(plugin_id, 0.0):
            self._housekept[plugin_id] = now + _HOUSEKEEP_SECONDS
            journal.housekeep()

    async def close(self) -> None:
        """Seal the journals; nothing is taken any more."""
        self._is_closed = True
        late = await asyncio.gather(*self._under_way.values(), return_exceptions=True)
        opened = [journal for journal in late if isinstance(journal, Journal)]
        for journal in (*self._journals.values(), *opened):
            await journal.close()
        self._journals.clear()
        self._untidy.clear()
        self._under_way.clear()
        self._count.close()


def _settings_of(journal: JournalSettings) -> JournalSettings:
    """Small segments, soon deleted; and refused before anybody could be so far behind as to lose something."""
    size = min(QUEUE_BYTES, journal.max_bytes)
    return journal.model_copy(
        update={
            "max_bytes": size,
            "max_exchange_bytes": size * 3 // 10,
            "max_lag_bytes": size,
            "segment_max_bytes": min(_SEGMENT_BYTES, size // 8),
            "retention_seconds": _RETENTION_SECONDS,
        }
    )
