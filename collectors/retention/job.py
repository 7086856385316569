"""Retention as a job: one process of a host at a time looks at every store, and deletes what is due.

What is deleted is found first and counted; a dry run ends there, so that its counts are the real ones. A store that
does not answer holds no other up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import structlog

from collectors.errors import Halt, Retryable
from collectors.retention.expired_keys import delete_expired
from collectors.retention.floors import Floors, check_floors, floors_of
from collectors.retention.opening import open_store
from collectors.retention.settings import Limit, RetentionSettings
from collectors.retention.stores import Due, Found, Store
from collectors.settings import HostSettings, Settings
from schemas.events import Kind
from sluice.clock import now_micros
from sluice.eventlog.interface import EventLogError
from sluice.eventlog.journal.lock import FileLock, JournalBusyError
from sluice.eventlog.places import LOCKS_FOLDER

KV = "expired_kv"
_LOCK = "retention.lock"

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Result:
    """Of one kind in one store."""

    store: str
    kind: str
    due: Sequence[Due] = ()
    events: int = 0
    """Due, and without a dry run deleted."""
    excess_bytes: int = 0
    problem: str = ""


@dataclass(slots=True)
class Sweep:
    """What to do, and whom to tell."""

    is_dry: bool = False
    store: str = ""
    """Empty is all."""
    progress: Callable[[int, int, str], None] = field(default=lambda _done, _total, _what: None)


class _Task(NamedTuple):
    name: str
    store: Store
    kind: Kind
    limit: Limit


class Retention:
    """The job of one host. ``floors`` says what the log keeps; ``clock`` is in microseconds."""

    def __init__(
        self,
        settings: Settings,
        host: HostSettings,
        folder: Path,
        *,
        floors: Callable[[HostSettings], Awaitable[Floors]] = floors_of,
        clock: Callable[[], int] = now_micros,
        note: Callable[[str, str, int], None] = lambda _store, _kind, _events: None,
    ) -> None:
        self._settings = settings
        self._host = host
        self._folder = folder
        self._floors = floors
        self._clock = clock
        self._note = note
        """Told store, kind and how many events were deleted, -1 where it failed; without names of all stores."""

    @property
    def retention(self) -> RetentionSettings:
        """What is wanted."""
        return self._settings.retention or RetentionSettings()

    async def run(self) -> None:
        """Sweep now and every ``retention.every``, until cancelled. Never raises for what a store or the log does."""
        while True:
            try:
                await self.sweep(Sweep())
                self._note("", "", 0)
            except JournalBusyError:
                _log.info("retention is another process's")
            except EventLogError as error:
                _log.error("retention deleted nothing", problem=str(error))
                self._note("", "", -1)
            except Exception:  # noqa: BLE001 - a fault of ours here is no reason to stop carrying events
                _log.exception("retention broke")
                self._note("", "", -1)
            await asyncio.sleep(self.retention.every)

    async def sweep(self, sweep: Sweep) -> list[Result]:
        """Raises TooYoungError, EventLogError where the log does not tell what it keeps, JournalBusyError."""
        with self._alone():
            floors = await self._floors(self._host)
            check_floors(self.retention, floors)
            results: list[Result] = []
            for name, limits in self.retention.stores.items():
                if sweep.store in {"", name} and limits.kinds:
                    results += await self._sweep_store(name, floors, sweep)
            if self.retention.expired_kv and sweep.store in {"", KV}:
                results.append(await self._sweep_keys(sweep))
        return results

    @contextmanager
    def _alone(self) -> Iterator[None]:
        path = self._host.data_dir / LOCKS_FOLDER / _LOCK
        lock = FileLock(path, "retention runs there already: wait until it is done")
        try:
            yield
        finally:
            lock.release()

    async def _sweep_store(self, name: str, floors: Floors, sweep: Sweep) -> list[Result]:
        limits = self.retention.stores[name]
        try:
            store = open_store(name, self._settings, self._host, self._folder)
        except (Retryable, Halt) as cause:  # a driver that is not installed, a certificate that cannot be read
            return [self._failed(Result(name, kind), cause) for kind in limits.kinds]
        try:
            tasks = [_Task(name, store, kind, limit) for kind in limits.kinds if (limit := limits.of(kind)) is not None]
            return [await self._sweep_kind(task, floors[task.kind] or 0.0, sweep) for task in tasks]
        finally:
            await store.close()

    async def _sweep_kind(self, task: _Task, floor_seconds: float, sweep: Sweep) -> Result:
        result = Result(task.name, task.kind)
        try:
            found = await task.store.find(task.kind, task.limit, int(floor_seconds * 1_000_000), self._clock())
            result.due, result.events, result.excess_bytes = found.due, found.events, found.excess_bytes
            if not sweep.is_dry:
                result.events = await self._delete(task, found, sweep) if found.due else self._nothing(task)
        except (Retryable, Halt) as cause:
            return self._failed(result, cause)
        if result.excess_bytes:
            _log.warning("more is kept than max_bytes: the log still has it", store=task.name, kind=task.kind)
        return result

    def _nothing(self, task: _Task) -> int:
        """Was due: that is as well."""
        self._note(task.name, task.kind, 0)
        return 0

    def _failed(self, result: Result, cause: Retryable | Halt) -> Result:
        result.problem = str(cause)
        self._note(result.store, result.kind, -1)
        _log.error("retention could not delete", store=result.store, kind=result.kind, cause=result.problem)
        return result

    async def _delete(self, task: _Task, found: Found, sweep: Sweep) -> int:
        deleted, shown = 0, 0
        what = f"{task.name} {task.kind}"

        def progress(count: int) -> None:
            nonlocal shown
            shown += count
            sweep.progress(min(shown, found.events), found.events, what)

        try:
            for due in found.due:
                deleted += await task.store.delete(task.kind, due, progress)
        finally:
            self._note(task.name, task.kind, deleted)
        names = [due.name for due in found.due]
        _log.info(
            "retention deleted", store=task.name, kind=task.kind, events=deleted, first=names[0], parts=len(names)
        )
        return deleted

    async def _sweep_keys(self, sweep: Sweep) -> Result:
        result = Result(KV, "")
        try:
            result.events = await asyncio.to_thread(delete_expired, self._host.data_dir, self._clock(), sweep.is_dry)
        except Retryable as cause:
            return self._failed(result, cause)
        if not sweep.is_dry:
            self._note(KV, "", result.events)
        return result
