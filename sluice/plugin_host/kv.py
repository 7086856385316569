"""Plugins' key-value store: ``plugins.db``, shared by the processes of a host and by plugins of one id.

A read is made where it is asked for, on the loop: with the page cache warm it takes 5 µs, where a thread would take 30,
and readers of a write-ahead log wait for nobody. Everything that writes goes through one thread, one after the other.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import structlog

from sluice.clock import now_micros
from sluice.plugin_host.kv_database import BUSY_SECONDS, PURGE_ROWS, Entry, KvDatabase
from sluice.plugin_host.kv_schema import NEVER
from sluice.plugin_host.settings import KvSettings
from sluice.sdk.arguments import bytes_of, utf8_of
from sluice.sdk.errors import NotFound, ServiceError, ServiceUnavailable

T = TypeVar("T")

FILE_NAME = "plugins.db"
MAX_LISTED = 10_000
"""Keys that one ``list`` returns at most, whatever its limit."""
MAX_WAITING = 64
"""Writes of one plugin that wait for their turn; one more is refused."""
_TURN_SECONDS = 2 * BUSY_SECONDS
"""Who waited so long for a turn is not served any more: whoever asked has a deadline too."""

logger = structlog.get_logger(__name__)


class KvStore:
    """The store as one process has it; belongs to its loop. ``run`` beside the server, ``close`` at the end."""

    def __init__(self, path: Path, settings: KvSettings | None = None) -> None:
        self.settings = settings or KvSettings()
        self._path = path
        self._reader = KvDatabase(path, busy_seconds=0)
        self._writer = KvDatabase(path)
        self._is_open = False
        self._thread = ThreadPoolExecutor(1, "plugin-kv")
        self._waiting: Counter[int] = Counter()

    def of_plugin(self, plugin_id: int) -> PluginKv:
        """What one plugin sees of it."""
        return PluginKv(self, plugin_id)

    async def run(self) -> None:
        """Delete what has expired, every ``purge_seconds``, until cancelled. Makes no database where there is none."""
        while True:
            await asyncio.sleep(self.settings.purge_seconds)
            try:
                if self._path.exists():
                    await self.purge()
            except ServiceUnavailable as error:
                logger.warning("expired keys of plugins not deleted", problem=str(error))

    async def purge(self) -> int:
        """Delete what has expired; how many rows."""
        purged = 0
        while True:
            count = await self._in_thread(0, lambda: self._writer.purge(now_micros()))
            purged += count
            if count < PURGE_ROWS:
                return purged

    async def close(self) -> None:
        """What waits for its turn is not done any more; what is under way is."""
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        self._reader.close()
        self._writer.close()

    # for PluginKv

    async def read(self, plugin_id: int, key: bytes) -> bytes | None:
        """The value, if there is one. Raises ServiceUnavailable."""
        if self._is_open:
            try:
                return self._reader.read(plugin_id, key, now_micros())
            except ServiceUnavailable:  # while a database is recovered even readers wait: not on the loop
                self._is_open = False
        value = await self._in_thread(plugin_id, lambda: self._writer.read(plugin_id, key, now_micros()))
        self._is_open = True
        return value

    async def write(self, entry: Entry) -> bool:
        """Whether the key is new. Raises ServiceUnavailable and PayloadTooLarge."""
        bound = self.settings.max_plugin_bytes
        return await self._in_thread(entry.plugin_id, lambda: self._writer.write(entry, now_micros(), bound))

    async def delete(self, plugin_id: int, key: bytes) -> bool:
        """Whether there was one. Raises ServiceUnavailable."""
        return await self._in_thread(plugin_id, lambda: self._writer.delete(plugin_id, key, now_micros()))

    async def list(self, plugin_id: int, prefix: bytes, limit: int) -> list[bytes]:
        """Keys with this prefix, in order. Raises ServiceUnavailable."""
        return await self._in_thread(plugin_id, lambda: self._writer.list(plugin_id, prefix, limit, now_micros()))

    async def used_bytes(self, plugin_id: int) -> int:
        """What counts against ``max_plugin_bytes``. Raises ServiceUnavailable."""
        return await self._in_thread(plugin_id, lambda: self._writer.used_bytes(plugin_id))

    async def _in_thread(self, plugin_id: int, work: Callable[[], T]) -> T:
        if self._waiting[plugin_id] >= MAX_WAITING:
            message = f"kv: {MAX_WAITING} calls of the plugin wait already; wait for them first"
            raise ServiceUnavailable(message)
        deadline = time.monotonic() + _TURN_SECONDS

        def take_turn() -> T:
            if time.monotonic() > deadline:
                message = "kv: the database was busy for too long; try again"
                raise ServiceUnavailable(message)
            return work()

        self._waiting[plugin_id] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, take_turn)
        except RuntimeError as error:  # the thread takes no more work
            message = "kv: this process is ending"
            raise ServiceUnavailable(message) from error
        finally:
            self._waiting[plugin_id] -= 1
            if not self._waiting[plugin_id]:
                del self._waiting[plugin_id]


class PluginKv:
    """The ``KeyValue`` of one plugin: it can name no key of another's."""

    __slots__ = ("_plugin_id", "_store")

    def __init__(self, store: KvStore, plugin_id: int) -> None:
        self._store = store
        self._plugin_id = plugin_id

    async def read(self, key: str) -> bytes:
        """The value; raises NotFound where there is none or it has expired."""
        value = await self._store.read(self._plugin_id, self._encoded(key))
        if value is None:
            message = f"kv has no key {key!r}"
            raise NotFound(message)
        return value

    async def write(self, key: str, value: bytes, expires_at: int | None = None) -> bool:
        """Whether the key is new. Raises PayloadTooLarge, ServiceError where an argument is none."""
        bound = self._store.settings.max_value_bytes
        kept = bytes_of(value, "a kv value", bound, "plugin_host.kv.max_value_bytes")
        return await self._store.write(Entry(self._plugin_id, self._encoded(key), kept, _expiry(expires_at)))

    async def write_with_ttl(self, key: str, value: bytes, ttl_seconds: float) -> bool:
        """As ``write``, to expire so many seconds from now; they are more than 0."""
        if not ttl_seconds > 0:
            message = f"kv: ttl_seconds is {ttl_seconds}; it must be more than 0, or use write for what does not expire"
            raise ServiceError(message)
        if math.isinf(ttl_seconds):
            return await self.write(key, value)
        return await self.write(key, value, now_micros() + int(ttl_seconds * 1_000_000))

    async def delete(self, key: str) -> bool:
        """Whether there was one."""
        return await self._store.delete(self._plugin_id, self._encoded(key))

    async def list(self, prefix: str = "", limit: int = 1000) -> Sequence[str]:
        """Keys that begin so, in order of their code points: at most ``limit``, and ``MAX_LISTED``."""
        bound = max(0, min(limit, MAX_LISTED))
        found = await self._store.list(self._plugin_id, self._encoded(prefix), bound)
        return [key.decode() for key in found]

    def _encoded(self, key: str) -> bytes:
        bound = self._store.settings.max_key_bytes
        encoded = bytes_of(utf8_of(key, "a kv key"), "a kv key", bound, "plugin_host.kv.max_key_bytes")
        if b"\0" in encoded:
            message = f"a kv key has no NUL in it; {ascii(key)[:100]} has"
            raise ServiceError(message)
        return encoded


def _expiry(expires_at: int | None) -> int:
    return NEVER if expires_at is None else max(0, min(int(expires_at), NEVER))
