"""A job is what it was asked for, whoever goes on with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from collectors.jobs.choosing import Chosen, Moments
from collectors.jobs.folder import JobFolder, is_running
from collectors.jobs.interface import UsageError
from collectors.jobs.options import JobOptions, RangeOptions
from collectors.jobs.replay.plan import Plan, ReplayOptions, check, resumed
from collectors.jobs.resuming import Fixed
from collectors.settings import HostSettings
from sluice.eventlog.interface import Partition
from sluice.eventlog.ranges import OffsetRange
from tests.collectors.events import TOPICS

WANTED = RangeOptions(("analytics",), "-1h", "", "occurred", where="app_id = 7")
CHOSEN = Chosen(("sluice.analytics.v1",), ("analytics",), {Partition("sluice.analytics.v1", 3): OffsetRange(5, 9)})


def plan() -> Plan:
    """Of events that occurred since a moment."""
    return Plan(WANTED, "search", "", 5.0, CHOSEN, Moments(1_000, None))


def begun(data_dir: Path) -> HostSettings:
    """A job of that plan is there."""
    JobFolder.begin(data_dir, "job", plan().as_dict()).close()
    return HostSettings(data_dir=data_dir)


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    """Ranges, moments (which are of when it began) and what rows are asked."""
    with resumed(begun(tmp_path), ReplayOptions(how=JobOptions(resume="job"))) as folder:
        found = Plan.of(folder.plan, TOPICS)
    assert (found.wanted, found.sink, found.rate, found.moments) == (WANTED, "search", 5.0, Moments(1_000, None))
    assert (found.chosen.ranges, found.chosen.kinds, len(found.chosen.tests)) == (CHOSEN.ranges, ("analytics",), 2)


def test_one_that_was_written_before_logs_had_ids_is_gone_on_with() -> None:
    """It says less of its log; what it says stays, and what it says now comes back as it was."""
    fixed = Fixed({Partition("sluice.analytics.v1", 3): "one"}, 1_000)
    facts = replace(plan(), fixed=fixed).as_dict()
    assert Plan.of(facts, TOPICS).fixed == fixed
    del facts["logs"]
    assert Plan.of(facts, TOPICS).fixed == Fixed(began_ms=1_000)
    del facts["began_ms"]
    assert Plan.of(facts, TOPICS).fixed == Fixed()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"wanted": RangeOptions(since="-2h")}, "another --from ('-1h')"),
        ({"wanted": RangeOptions(where="app_id = 8")}, "another --filter"),
        ({"wanted": RangeOptions(topics=("budget",))}, "another --topic"),
        ({"sink": "other"}, "another --sink"),
        ({"to_topic": "x"}, "another --to-topic"),
        ({"how": JobOptions(resume="job", job="x")}, "leave --job"),
        ({"how": JobOptions(resume="job", dry_run=True)}, "--dry-run"),
        ({"how": JobOptions(resume="jo")}, "there are: job"),
    ],
)
def test_what_differs_is_refused_by_name(given: dict[str, Any], words: str, tmp_path: Path) -> None:
    """And lets the job go."""
    host = begun(tmp_path)
    with pytest.raises(UsageError) as refused:
        resumed(host, ReplayOptions(**{"how": JobOptions(resume="job"), **given}))
    assert words in str(refused.value)
    assert not is_running(tmp_path, "job")


def test_what_is_the_same_or_only_faster_may_be_said_again(tmp_path: Path) -> None:
    """Whoever repeats the command with --resume is not sent away."""
    how = JobOptions(resume="job", rate=100.0, yes=True)
    resumed(begun(tmp_path), ReplayOptions(WANTED, how, "search")).close()


def test_another_command_s_job_is_refused(tmp_path: Path) -> None:
    """It is named."""
    JobFolder.begin(tmp_path, "job", {"command": "redrive"}).close()
    with pytest.raises(UsageError, match="a job of sluice redrive"):
        resumed(HostSettings(data_dir=tmp_path), ReplayOptions(how=JobOptions(resume="job")))


def test_where_to_is_said_once() -> None:
    """A dry run needs no target; a topic that collectors read needs --yes."""
    for options in (ReplayOptions(), ReplayOptions(sink="a", to_topic="b")):
        with pytest.raises(UsageError, match="one of them"):
            check(options, TOPICS)
    budget = RangeOptions(topics=("budget",))
    with pytest.raises(UsageError, match="--yes"):
        check(ReplayOptions(budget, to_topic="sluice.budget.v1"), TOPICS)
    check(ReplayOptions(budget, to_topic="sluice.budget.v1", how=JobOptions(yes=True)), TOPICS)
    check(ReplayOptions(how=JobOptions(dry_run=True)), TOPICS)


@pytest.mark.parametrize(
    ("to_topic", "topics", "words"),
    [
        ("sluice.schema.v1", (), "takes no events"),
        ("sluice.analytics.v1.dlq", (), "takes no events"),
        ("analytics", (), "did you mean sluice.analytics.v1?"),
        ("sluice.budget.v1", ("analytics",), "add --topic sluice.budget.v1"),
        ("sluice.budget.v1", (), "add --topic sluice.budget.v1"),
    ],
)
def test_topics_of_ours_are_given_what_their_readers_take(to_topic: str, topics: tuple[str, ...], words: str) -> None:
    """Whatever is said: one record of another kind is poison there."""
    options = ReplayOptions(RangeOptions(topics=topics), JobOptions(yes=True), to_topic=to_topic)
    with pytest.raises(UsageError, match=r"^--to-topic") as refused:
        check(options, TOPICS)
    assert words in str(refused.value)
