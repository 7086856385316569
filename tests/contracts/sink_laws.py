"""What the contract tests of sinks stand on: each test runs on every sink, against the place it writes to.

A ``SinkBench`` is one sink with its place: it makes sinks, takes the place away and brings it back, makes the place
refuse some documents, and reads what lies there by a way that is not the sink's own. To add a sink: a bench here or
beside its own tests, and its row in ``BENCHES`` of ``test_sinks.py``.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from collectors.columns import Decoder
from collectors.deliveries import Delivery, Frame
from collectors.sinks.database import engines
from collectors.sinks.database.sink import DatabaseSink
from collectors.sinks.elasticsearch.settings import ElasticsearchSettings
from collectors.sinks.elasticsearch.sink import ElasticsearchSink
from collectors.sinks.interface import Sink
from collectors.sinks.settings import DatabaseSettings
from collectors.tracker import Lane
from schemas.codec import SchemaBook
from schemas.events import KINDS, Kind
from sluice.eventlog.interface import Partition, PolledRecord
from sluice.eventstore.tables import TABLE_NAMES
from tests.collectors.events import NOW_MICROS, TOPICS, make_record
from tests.collectors.scripted_elasticsearch import BulkItem, Error, ScriptedElasticsearch


class SinkBench(ABC):
    """One sink and its place, for one test."""

    is_exact: ClassVar[bool] = True
    """What the sink's row in the README promises: a second write of the same records changes nothing."""
    waits_for_its_place: ClassVar[bool] = True
    """``False`` where there is nothing to be away, such as the standard output."""
    check_sees_it_go: ClassVar[bool] = True
    """``False`` where a place can refuse writes and look well."""
    refuses_single_ones: ClassVar[bool] = True
    """``False`` where a write goes through or fails as a whole."""
    fixture: ClassVar[str] = ""
    """The fixture whose value is in ``server`` before ``open``, such as that of a real server."""
    server: Any = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def open(self) -> None:  # noqa: B027 - many have nothing to do
        """Make the place."""

    async def close(self) -> None:  # noqa: B027 - many have nothing to do
        """Take everything away."""

    @abstractmethod
    def make(self) -> Sink[Any]:
        """A sink on the place, not started; a second one is what a restart makes."""

    @abstractmethod
    async def ids(self) -> Counter[str]:
        """How often each event lies there, by its id; read by another way than the sink's."""

    async def finish(self, sink: Sink[Any]) -> None:  # noqa: B027 - many have nothing to do
        """Whatever the sink must do until what is durable can also be read."""

    async def go_away(self) -> None:
        """From now on the place cannot be reached, or not written to."""
        pytest.fail(f"{type(self).__name__} does not say how")

    async def come_back(self) -> None:
        """It is there again."""
        pytest.fail(f"{type(self).__name__} does not say how")

    async def go_away_in_use(self) -> None:
        """As ``go_away``, from under a sink that writes to it."""
        await self.go_away()

    async def come_back_in_use(self) -> None:
        """It is there again."""
        await self.come_back()

    async def refuse(self, frame: Frame, position: int) -> set[int]:
        """Make the place refuse the document at a position; returns all positions that it then refuses."""
        pytest.fail(f"{type(self).__name__} does not say how")


class LogPart:
    """One partition of each event's topic: every frame it makes lies behind the one before."""

    def __init__(self, number: int = 0, first_offset: int = 100) -> None:
        self._number = number
        self._next: dict[Kind, int] = dict.fromkeys(KINDS, first_offset)
        self._lanes: dict[Kind, Lane] = {}
        self.decoder = Decoder(SchemaBook())
        self.assign()

    def assign(self) -> None:
        """Give the partitions to us anew, as after a crash or a rebalance."""
        for kind in KINDS:
            old = self._lanes.get(kind)
            if old is not None:
                old.live = False
            self._lanes[kind] = Lane(Partition(TOPICS.event(kind).name, self._number))

    def frame(self, kind: Kind = "analytics", count: int = 3, **changes: Any) -> Frame:
        """Further events."""
        return self.of_records([make_record(kind, **changes) for _ in range(count)], kind)

    def of_records(self, records: Sequence[Any], kind: Kind) -> Frame:
        """These records as the next ones."""
        for record in records:
            record.partition, record.offset = self._number, self._next[kind]
            record.timestamp = NOW_MICROS // 1_000 + record.offset
            self._next[kind] += 1
        return self.deliver(records, kind)

    def deliver(self, records: Sequence[PolledRecord], kind: Kind) -> Frame:
        """The one frame of these, as the pipeline makes it."""
        lane, delivery = self._lanes[kind], Delivery()
        lane.deliver(records)
        delivery.add_lane(records, lane)
        [frame] = self.decoder.decode(delivery).frames
        return frame

    def redelivered(self, frame: Frame) -> Frame:
        """The same records once more, to a new assignment."""
        self.assign()
        return self.deliver(frame.delivery.records, frame.kind)


def ids_of(frame: Frame) -> Counter[str]:
    """Each event of a frame, once."""
    return Counter(frame.rows["event_id"].to_list())


async def within(condition: Callable[[], Awaitable[bool]], seconds: float = 60.0) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - nothing tells when it comes true
            await asyncio.sleep(0.02)


class DatabaseBench(SinkBench):
    """SQLite. It is away while its folder is none; from under a sink, while somebody else holds the file."""

    check_sees_it_go = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._holder: sqlite3.Connection | None = None

    @property
    def path(self) -> Path:
        return self.folder / "rows" / "events.db"

    def make(self) -> Sink[Any]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engines, "BUSY_SECONDS", 0.3)  # what waits here waits no better for longer
            return DatabaseSink(DatabaseSettings(url=f"sqlite:///{self.path}"))

    async def ids(self) -> Counter[str]:
        connection = sqlite3.connect(self.path)
        try:
            return Counter(
                row[0]
                for table in TABLE_NAMES.values()
                for row in connection.execute(f"SELECT event_id FROM {table}")  # noqa: S608 - our own names
            )
        finally:
            connection.close()

    async def go_away(self) -> None:
        """The folder is another's: a file lies where it should be."""
        if self.path.parent.exists():
            self.path.parent.rename(self.folder / "elsewhere")
        self.path.parent.write_text("in the way")

    async def come_back(self) -> None:
        self.path.parent.unlink()
        if (self.folder / "elsewhere").exists():
            (self.folder / "elsewhere").rename(self.path.parent)

    async def go_away_in_use(self) -> None:
        self._holder = sqlite3.connect(self.path, isolation_level=None)
        self._holder.execute("BEGIN EXCLUSIVE")

    async def come_back_in_use(self) -> None:
        if self._holder is not None:
            self._holder.execute("COMMIT")
            self._holder.close()

    async def refuse(self, frame: Frame, position: int) -> set[int]:
        event_id = frame.rows["event_id"][position]
        table = TABLE_NAMES[frame.kind]
        connection = sqlite3.connect(self.path)
        with connection:
            connection.execute(
                f"CREATE TRIGGER refusing BEFORE INSERT ON {table} WHEN NEW.event_id = '{event_id}' "
                "BEGIN SELECT RAISE(ABORT, 'refused'); END"
            )
        connection.close()
        return {position}


class ScriptedElasticsearchBench(SinkBench):
    """The scripted server; it is away while it does not listen."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.server = ScriptedElasticsearch()
        self.refused: set[str] = set()
        self.server.item_rules = self._judge

    def _judge(self, item: BulkItem) -> Error | None:
        return (400, "document_parsing_exception", "refused") if item.id in self.refused else None

    async def open(self) -> None:
        await self.server.start()

    async def close(self) -> None:
        await self.server.close()

    def make(self) -> Sink[Any]:
        settings = {"elasticsearch_url": self.server.url, "timeout": 60, "oldest_days": 3650}
        return ElasticsearchSink(ElasticsearchSettings.model_validate(settings), KINDS, clock=lambda: NOW_MICROS)

    async def ids(self) -> Counter[str]:
        return Counter(event_id for _, event_id in self.server.documents)

    async def go_away(self) -> None:
        await self.server.close()

    async def come_back(self) -> None:
        await self.server.start()

    async def refuse(self, frame: Frame, position: int) -> set[int]:
        self.refused.add(frame.rows["event_id"][position])
        return {position}


def skip_as_root() -> None:
    """Rights mean nothing to who has all of them."""
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
