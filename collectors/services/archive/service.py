"""The archive as a service of ``sluice collect``: looks every now and then whether an hour is over, and archives it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Protocol

import structlog

from collectors.alerts import Alerts
from collectors.columns import Decoder
from collectors.errors import CollectorError, Halt
from collectors.jobs.interface import Origin
from collectors.jobs.origins import open_origin
from collectors.operations.running import UsageError
from collectors.operations.tail import topics_named
from collectors.services.archive.archiver import Archiver, Log
from collectors.services.archive.chain import Gap, apply_progress, progress_of
from collectors.services.archive.files import Form
from collectors.services.archive.owner import Owner, claim, cluster_of
from collectors.services.archive.places import BucketPlace, FolderPlace, Place
from collectors.services.archive.settings import ALL, ArchiveSettings
from collectors.settings import HostSettings
from collectors.sinks.file.folder import leftovers, replace
from schemas.codec import SchemaBook
from schemas.events import Kind
from schemas.topics import Topics
from sluice.clock import now_micros
from sluice.eventlog.connect import open_publisher, topics_of
from sluice.eventlog.interface import EventLogError
from sluice.eventlog.journal.lock import FileLock, JournalBusyError
from sluice.eventlog.places import LOCKS_FOLDER
from sluice.eventlog.settings import KafkaSettings

SERVICE = "archive"
_LOCK = "archive.lock"
_FOLDER = "archiving"
"""Of this host's own notes, below ``data_dir``."""
_PROGRESS = "progress.json"
_LOG_ID = "log-id"
_MS = 1_000
_FIRST_WAIT_SECONDS = 1.0

_log = structlog.get_logger(__name__)


class Meter(Protocol):
    """What is counted; the process's metrics."""

    def archived(self, topic: str, records: int, size_bytes: int) -> None:
        """Of one topic in one hour that is complete."""
        ...

    def lost(self, topic: str, offsets: int) -> None:
        """The log deleted these before they were archived."""
        ...

    def well(self) -> None:
        """Everything that is due is archived."""
        ...

    def failed(self, waiting_seconds: float) -> None:
        """It could not be archived what is due, since so long."""
        ...


class NoMeter:
    """Of commands and tests."""

    def archived(self, topic: str, records: int, size_bytes: int) -> None:
        """Nobody asks."""

    def lost(self, topic: str, offsets: int) -> None:
        """Nobody asks."""

    def well(self) -> None:
        """Nobody asks."""

    def failed(self, waiting_seconds: float) -> None:
        """Nobody asks."""


class _Notes:
    """To the log file, the alerts and the meter."""

    def __init__(self, alerts: Alerts, meter: Meter) -> None:
        self._alerts = alerts
        self._meter = meter

    def archived(self, topic: str, records: int, size_bytes: int) -> None:
        _log.info("an hour is archived", topic=topic, records=records, bytes=size_bytes)
        self._meter.archived(topic, records, size_bytes)

    def lost(self, topic: str, where: str, gap: Gap) -> None:
        first, last = gap
        message = f"the log deleted offsets {first} to {last} of {where} before they were archived"
        facts = {"topic": topic, "partition": where, "first": str(first), "last": str(last)}
        self._alerts.send("archive_gap", message, facts)
        self._meter.lost(topic, last - first + 1)

    def another_log(self, topic: str, where: str, epoch: int) -> None:
        message = f"{where} is another log than the one that was archived: names have epoch {epoch} from now on"
        self._alerts.send("archive_log_anew", message, {"topic": topic, "partition": where, "epoch": str(epoch)})


def open_place(settings: ArchiveSettings, folder: Path) -> Place:
    """Where the settings say; ``folder`` is where relative paths begin."""
    if settings.s3 is not None:
        return BucketPlace(settings.s3)
    assert settings.folder is not None  # noqa: S101 - one of them is there
    return FolderPlace((folder / settings.folder).absolute())


def topics_in(settings: ArchiveSettings, topics: Topics) -> dict[str, Kind | None]:
    """The topics that are archived, each with the kind of its events; raises Halt naming one that there is not."""
    names: list[str] = []
    for word in settings.topics:
        try:
            names += [topic.name for topic in topics.all()] if word == ALL else topics_named(word, topics)
        except UsageError as error:
            raise Halt(f"archive.topics: {error}", "or all, for every topic") from error
    return {name: topics.events().get(name) for name in dict.fromkeys(names)}


class Archive:
    """The service of one process. ``clock`` is in microseconds."""

    def __init__(
        self,
        settings: ArchiveSettings,
        host: HostSettings,
        folder: Path,
        *,
        meter: Meter | None = None,
        clock: Callable[[], int] = now_micros,
        open_log: Callable[[HostSettings], Origin] = open_origin,
        name_cluster: Callable[[KafkaSettings], Awaitable[str]] = cluster_of,
    ) -> None:
        self._settings = settings
        self._host = host
        self._folder = folder
        self._meter = meter or NoMeter()
        self._clock = clock
        self._open_log = open_log
        self._name_cluster = name_cluster
        self._owner: Owner | None = None
        self._waiting_since: int | None = None

    async def run(self) -> None:
        """Until cancelled. Never raises for what the log or the archive's place does."""
        publisher = open_publisher(self._host, self._host.data_dir, SERVICE)
        alerts = Alerts(publisher, topics_of(self._host).alert.name, SERVICE, self._clock)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(alerts.run())
                wait = _FIRST_WAIT_SECONDS
                while True:
                    is_well = await self._sweep_safely(alerts)
                    await asyncio.sleep(self._settings.every if is_well else min(wait, self._settings.every))
                    wait = _FIRST_WAIT_SECONDS if is_well else 2 * wait
        finally:
            if self._waiting_since is not None:
                self._meter.well()  # whoever does not archive any more waits for nothing
            await alerts.close()

    async def _sweep_safely(self, alerts: Alerts) -> bool:
        try:
            await self.sweep(alerts)
        except JournalBusyError:
            _log.info("the archive is another process's")
            return True
        except (EventLogError, CollectorError) as error:
            _log.error("nothing can be archived now", cause=str(error))
        except Exception:  # noqa: BLE001 - a fault of ours here is no reason to stop carrying events
            _log.exception("the archive broke")
        else:
            self._waiting_since = None
            self._meter.well()
            return True
        since = self._waiting_since = self._waiting_since or self._clock()
        self._meter.failed((self._clock() - since) / 1_000_000)
        return False

    async def sweep(self, alerts: Alerts) -> int:
        """Archive every hour that is over; how many those were. Raises EventLogError, Retryable, Halt."""
        lock = FileLock(self._host.data_dir / LOCKS_FOLDER / _LOCK, "it archives there already: wait until it is done")
        try:
            async with self._opened(alerts) as archiver:
                count = 0
                while (found := await archiver.next_hour()) is not None:
                    await archiver.archive(*found)
                    count += 1
                    await asyncio.to_thread(self._remember, archiver)
                return count
        finally:
            lock.release()

    @contextlib.asynccontextmanager
    async def _opened(self, alerts: Alerts) -> AsyncIterator[Archiver]:
        settings = self._settings
        place = open_place(settings, self._folder)
        origin = self._open_log(self._host)
        try:
            topics = topics_in(settings, topics_of(self._host))
            await self._own(place)
            archiver = Archiver(
                Log(origin, topics, bool(self._host.kafka.bootstrap_servers)),
                place,
                Form(settings.format, settings.compression, settings.max_file_bytes),
                Decoder(SchemaBook(has_registry=bool(self._host.schema_registry.url))),
                _Notes(alerts, self._meter),
                grace_ms=int(settings.grace * _MS),
                clock_ms=lambda: self._clock() // _MS,
            )
            await archiver.load()
            await asyncio.to_thread(self._recall, archiver, place.where)
            yield archiver
        finally:
            await origin.close()
            place.close()

    async def _own(self, place: Place) -> None:
        """An archive is of one log; raises Halt where it is another's."""
        is_first = self._owner is None
        if self._owner is None:
            kafka = self._host.kafka
            self._owner = (
                Owner(f"kafka {kafka.namespace}", await self._name_cluster(kafka))
                if kafka.bootstrap_servers
                else Owner(await asyncio.to_thread(self._journals))
            )
        found = await asyncio.to_thread(claim, place, self._owner)
        if is_first and not (found.is_certain and self._owner.is_certain):
            _log.warning("of which cluster the archive is cannot be verified", archive=place.where, log=found.log)

    def _journals(self) -> str:
        """Journals have no name of their own that another host's cannot have too."""
        folder = self._host.data_dir / _FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / _LOG_ID
        if not path.exists():
            replace(folder, _LOG_ID, f"journals {secrets.token_hex(8)}".encode())
        return path.read_text("utf-8")

    def _remember(self, archiver: Archiver) -> None:
        folder = self._host.data_dir / _FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        for each in leftovers(folder, "*"):  # of a process that was killed: the lock is ours
            each.unlink(missing_ok=True)
        where = open_place(self._settings, self._folder).where
        replace(folder, _PROGRESS, progress_of(where, archiver.chains.values()))

    def _recall(self, archiver: Archiver, where: str) -> None:
        with contextlib.suppress(OSError):
            apply_progress((self._host.data_dir / _FOLDER / _PROGRESS).read_bytes(), where, archiver.chains)
