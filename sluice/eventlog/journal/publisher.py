"""A collector's own journal, where there is no Kafka: its dead letters and alerts wait there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from schemas.ids import new_boot_id
from schemas.topics import Topics
from sluice.eventlog.interface import Boot, CommitFailedError, Record
from sluice.eventlog.journal.journal import Journal
from sluice.eventlog.places import COLLECTORS_FOLDER
from sluice.eventlog.settings import JournalSettings


class JournalPublisher:
    """Publishes side records into a journal that it opens with the first of them."""

    def __init__(self, directory: Path, service: str, settings: JournalSettings, topics: Topics) -> None:
        self._directory = directory
        self._service = service
        self._settings = settings
        self._topics = topics
        self._journal: Journal | None = None

    async def publish(self, records: Sequence[Record]) -> None:
        """Return when they are in the journal; raises EventLogError."""
        try:
            journal = await self._opened()
            journal.housekeep()
        except OSError as error:
            message = f"{self._directory} cannot be written: {error}"
            raise CommitFailedError(message) from error
        if not journal.room.fits():
            message = f"{self._directory} is full: raise journal.max_bytes, or make room on its disk"
            raise CommitFailedError(message)
        await journal.append_records(records)

    async def _opened(self) -> Journal:
        if self._journal is None:
            journal = Journal(self._directory, self._settings, self._topics, embedded=True)
            try:
                journal.begin(Boot(COLLECTORS_FOLDER, self._service, new_boot_id()))
            except BaseException:
                await journal.close()  # lets its lock go: the next try may succeed
                raise
            self._journal = journal
        return self._journal

    async def close(self) -> None:
        """Seal the journal, if it was opened."""
        if self._journal is not None:
            await self._journal.close()
            self._journal = None
