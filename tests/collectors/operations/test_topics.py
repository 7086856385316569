"""``sluice topics``: what it shows, and when it says that something is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.operations.running import UsageError
from collectors.operations.topics import create, is_endangered, show_lag, show_topics, topics, topics_of_groups
from collectors.settings import HostSettings
from sluice.eventlog.interface import Partition
from sluice.eventlog.survey import GroupLag, Survey, TopicFacts
from tests.collectors.operations.benches import Seen

NOW_MS = 1_764_000_000_000
DAY_MS = 86_400_000


class Found:
    """A log with these topics and groups."""

    def __init__(self, survey: Survey | None = None, lags: list[GroupLag] | None = None) -> None:
        self.survey, self.lags = survey or Survey(), lags or []

    async def topics(self) -> Survey:
        return self.survey

    async def lag(self, group: str = "") -> list[GroupLag]:
        return [lag for lag in self.lags if group in {"", lag.group}]

    async def create(self) -> list[str]:
        return [topic.name for topic in self.survey.topics if not topic.exists]


def lag_of(age_ms: int | None, retention_ms: int | None = 10 * DAY_MS) -> GroupLag:
    """Of a group whose oldest record is so old."""
    oldest = None if age_ms is None else NOW_MS - age_ms
    return GroupLag(
        "sluice.search", Partition("sluice.analytics.v1", 3), "sluice.analytics.v1", 7, 5, oldest, retention_ms
    )


WELL = TopicFacts("a", "events", exists=True, partitions=12, records=3, size_bytes=None, retention_ms=7 * DAY_MS)
DIFFERS = TopicFacts("b", "alerts", exists=True, differences=("retention.ms is 1, not 2",))
MISSING = TopicFacts("c", "budgets", exists=False)


@pytest.mark.parametrize(
    ("found", "is_kafka", "code", "said"),
    [
        ([WELL], True, 0, ""),
        ([WELL, DIFFERS], True, 1, "1 topics differ"),
        ([WELL, MISSING], True, 1, "sluice topics create"),
        ([WELL, MISSING], False, 0, ""),
    ],
)
async def test_what_is_missing_or_differs_is_wrong(
    found: list[TopicFacts], is_kafka: bool, code: int, said: str
) -> None:
    """1, and what to do about it; a journal has a topic with its first record."""
    seen = Seen(as_json=False)
    assert await show_topics(Found(Survey(found)), seen.printer, is_kafka=is_kafka) == code
    assert said in seen.err.getvalue()
    assert len(seen.lines) == len(found) + 1
    assert seen.lines[1].split()[:5] == ["a", "events", "12", "3", "-"]


async def test_scripts_get_documents() -> None:
    """One a topic, with what differs."""
    seen = Seen()
    await show_topics(Found(Survey([WELL, DIFFERS], ["DescribeConfigs is missing"])), seen.printer, is_kafka=True)
    assert [each["topic"] for each in seen.documents] == ["a", "b"]
    assert seen.documents[1]["differences"] == ["retention.ms is 1, not 2"]
    assert "DescribeConfigs is missing" in seen.err.getvalue()


async def test_made_topics_are_named() -> None:
    """And where none was made it says so."""
    for found, expected in (([WELL, MISSING], "created c\n"), ([WELL], "all topics exist\n")):
        seen = Seen(as_json=False)
        assert await create(Found(Survey(found)), seen.printer, is_kafka=True) == 0
        assert seen.out.getvalue() == expected


@pytest.mark.parametrize(
    ("lag", "endangered"),
    [
        (lag_of(None), False),
        (lag_of(DAY_MS), False),
        (lag_of(8 * DAY_MS), False),
        (lag_of(8 * DAY_MS + 1), True),
        (lag_of(11 * DAY_MS), True),
        (lag_of(900 * DAY_MS, None), False),
    ],
)
async def test_a_group_that_is_about_to_lose_records_is_wrong(lag: GroupLag, endangered: bool) -> None:
    """Where less than a fifth of the retention is left; what is kept for ever is never lost."""
    assert is_endangered(lag, NOW_MS) is endangered
    assert await show_lag(Found(lags=[lag]), "", Seen().printer, lambda: NOW_MS * 1_000) == int(endangered)


async def test_lag_is_shown_by_group_and_partition() -> None:
    """With the age of the oldest record that waits, and the time until the log deletes it."""
    seen, eyes = Seen(), Seen(as_json=False)
    for each in (seen, eyes):
        await show_lag(Found(lags=[lag_of(DAY_MS)]), "", each.printer, lambda: NOW_MS * 1_000)
    [found] = seen.documents
    assert (found["records"], found["oldest_age_seconds"], found["seconds_to_loss"]) == (5, 86_400.0, 9 * 86_400.0)
    assert eyes.lines[1].split() == ["sluice.search", "sluice.analytics.v1/3", "7", "5", "1d", "9d"]
    assert await show_lag(Found(), "nobody", seen.printer) == 1
    assert "NAMESPACE.SERVICE" in seen.err.getvalue()


def test_what_groups_read_is_in_the_settings(tmp_path: Path) -> None:
    """By service; where there is no file nothing is known."""
    path = tmp_path / "collectors.yaml"
    assert topics_of_groups(HostSettings(), path) == {}
    path.write_text('data_collection_plugins: [{name: s, path: "sink://database", hook_types: [budget]}]\n')
    assert topics_of_groups(HostSettings(), path) == {"sluice.s": ("sluice.budget.v1",)}


async def test_an_action_that_is_none_is_refused(tmp_path: Path) -> None:
    """With those there are."""
    with pytest.raises(UsageError, match="list, create, lag"):
        await topics("drop", tmp_path / "a", tmp_path / "b", "", Seen().printer)
