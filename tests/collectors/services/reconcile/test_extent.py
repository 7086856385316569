"""What is older than the log is compared with nothing: where it begins is asked before anything is missed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from collectors.services.reconcile.extent import SLACK_MS, extent_of
from collectors.services.reconcile.stores import Span
from schemas.topics import Topics
from sluice.eventlog.interface import Partition, PolledRecord, StoredRecord
from sluice.eventlog.ranges import OffsetRange

TOPICS = Topics("tests", 1)
NAME = TOPICS.event("analytics").name
DAY_MS = 86_400_000
NOW_MS = 20_000 * DAY_MS
ASKED = Span.of_ms(NOW_MS - 10 * DAY_MS, NOW_MS)


@dataclass
class Log:
    """An ``Origin`` of one record a day, as far as it was not deleted."""

    topic: str = NAME
    kept_days: int = 100
    first: int = 0
    asked: list[Any] = field(default_factory=list)

    async def ranges(self, topics: Collection[str]) -> Mapping[Partition, OffsetRange]:
        return {Partition(self.topic, 0): OffsetRange(self.first, self.first + self.kept_days)}

    async def lost(self, ranges: Mapping[Partition, OffsetRange]) -> Mapping[Partition, int]:
        return {each: found.first for each, found in ranges.items() if found.first}

    async def log_ids(self, partitions: Iterable[Partition]) -> Mapping[Partition, str]:
        return {}

    async def offsets_at(self, ranges: Mapping[Partition, OffsetRange], moment_ms: int) -> Mapping[Partition, int]:
        day = max(0, self.kept_days - (NOW_MS - moment_ms) // DAY_MS)
        return {each: self.first + min(day, self.kept_days) for each in ranges}

    async def read(
        self, ranges: Mapping[Partition, OffsetRange], topics: Collection[str]
    ) -> AsyncGenerator[tuple[Partition, Sequence[PolledRecord]], None]:
        for partition, wanted in ranges.items():
            if self.kept_days:
                at = NOW_MS - self.kept_days * DAY_MS
                yield partition, [StoredRecord(NAME, 0, wanted.first, at, b"", b"", ())]


async def extent(log: Log, floor_days: float | None = None, kinds: Any = ("analytics",)) -> Any:
    """Of the last ten days."""
    floor = None if floor_days is None else floor_days * 86_400.0
    return await extent_of(log, TOPICS, kinds, ASKED, {"analytics": floor}, NOW_MS)  # type: ignore[arg-type]


async def test_a_log_that_is_whole_is_compared_as_asked() -> None:
    """It is read from an hour before the range, for clocks that differ; from the beginning where that is later."""
    found = await extent(Log())
    assert (found.spans["analytics"], found.begin_ms) == (ASKED, ASKED.start // 1_000 - SLACK_MS)
    assert (await extent(Log(kept_days=5))).begin_ms == 0


async def test_what_was_deleted_is_not_compared() -> None:
    """The range begins an hour behind the first record that is left, of a topic or of a journal alike."""
    for topic in (NAME, "gateway-1/w0"):
        found = await extent(Log(topic, kept_days=4, first=70))
        assert found.spans["analytics"] == Span.of_ms(NOW_MS - 4 * DAY_MS + SLACK_MS, NOW_MS)
        assert found.begin_ms == NOW_MS - 4 * DAY_MS


async def test_of_an_empty_log_nothing_is_compared() -> None:
    """All of it was deleted: the range is empty, and nothing is surplus."""
    found = await extent(Log(kept_days=0, first=70))
    assert found.spans["analytics"] == Span(ASKED.end, ASKED.end)


async def test_what_may_be_deleted_any_moment_is_not_compared() -> None:
    """Older than the topic keeps."""
    found = await extent(Log(), floor_days=2)
    assert found.spans["analytics"] == Span.of_ms(NOW_MS - 2 * DAY_MS, NOW_MS)


async def test_another_topic_s_loss_shortens_no_other_kind() -> None:
    """Each kind begins where its own topic does."""
    found = await extent(Log(kept_days=4, first=70), kinds=("analytics", "budget"))
    assert found.spans["budget"] == ASKED
