"""Journals and exchanges for tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from schemas.codec import EncodedEvent, SchemaBook, encode_exchange
from schemas.events import Kind
from schemas.ids import new_exchange_id
from schemas.topics import Topics
from sluice.eventlog.interface import Boot
from sluice.eventlog.journal.disk import Disk
from sluice.eventlog.journal.journal import Journal
from sluice.eventlog.journal.reader import JournalReader
from sluice.eventlog.settings import JournalSettings
from tests.schemas.samples import analytics, budget, common, proxy_log

TOPICS = Topics()
BOOT = Boot("gateway-1", "w0", "boot-1")
BOOK = SchemaBook()


def exchange(traceparent: str = "", exchange_id: str = "") -> list[EncodedEvent]:
    """The three events of one exchange."""
    shared = common()
    shared["exchange_id"] = exchange_id or new_exchange_id()
    return encode_exchange(shared, proxy_log(), analytics(), budget(), traceparent)


def opened(
    directory: Path, *, embedded: bool = True, disk: Disk | None = None, clock: Any = None, **settings: Any
) -> Journal:
    """A journal that is not begun yet."""
    options: dict[str, Any] = {"clock": clock} if clock is not None else {}
    return Journal(directory, JournalSettings(**settings), TOPICS, embedded=embedded, disk=disk, **options)


def begun(directory: Path, boot: Boot = BOOT, **options: Any) -> Journal:
    """A journal that is appended to."""
    journal = opened(directory, **options)
    journal.begin(boot)
    return journal


def ids_in(directory: Path) -> list[str]:
    """The event ids that a reader finds from the beginning."""
    reader = JournalReader(directory)
    found: list[str] = []
    while records := reader.read(1000):
        found += [record.event_id.decode() for record in records if record.event_id]
    reader.close()
    return found


def ids_of(exchanges: Sequence[Sequence[EncodedEvent]]) -> list[str]:
    """The event ids of exchanges, in order."""
    return [event.event_id for events in exchanges for event in events]


def sequences_in(directory: Path) -> dict[tuple[str, Kind], list[int]]:
    """The sequence numbers of every boot and kind, in the order of the journal."""
    reader = JournalReader(directory)
    found: dict[tuple[str, Kind], list[int]] = {}
    while records := reader.read(1000):
        for record in records:
            if record.event_id and record.value is not None:
                kind, event = BOOK.decode(record.value)
                found.setdefault((event["boot_id"], kind), []).append(event["sequence"])
    reader.close()
    return found


class FailingDisk(Disk):
    """A disk that fails when told to."""

    def __init__(self) -> None:
        self.fail: Callable[[str], OSError | None] = lambda _call: None
        self.short_bytes: int | None = None

    def _check(self, call: str) -> None:
        error = self.fail(call)
        if error is not None:
            raise error

    def create(self, path: Path) -> int:
        self._check("create")
        return super().create(path)

    def write(self, descriptor: int, data: bytes) -> None:
        if self.short_bytes is not None:
            super().write(descriptor, data[: self.short_bytes])
        self._check("write")
        super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        self._check("sync")
        super().sync(descriptor)

    def truncate(self, descriptor: int, length: int) -> None:
        self._check("truncate")
        super().truncate(descriptor, length)
