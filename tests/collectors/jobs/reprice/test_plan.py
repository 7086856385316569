"""Tests of ``collectors.jobs.reprice.plan``: what contradicts itself is refused before anything is read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from collectors.jobs.folder import JobFolder
from collectors.jobs.interface import UsageError
from collectors.jobs.options import JobOptions, RangeOptions
from collectors.jobs.rebuild.job import RebuildOptions
from collectors.jobs.reprice.plan import RepriceOptions, made_plan, resumed_options, resumed_plan
from tests.collectors.events import TOPICS
from tests.collectors.jobs.bench import origin_of

ASKED = RepriceOptions("2", corrections=True, wanted=RangeOptions(where="app_id = 7"), how=JobOptions(rate=5.0))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"version": ""}, "--price-version"),
        ({"rebuild": RebuildOptions(rebuild=True)}, "--sink NAME"),
        ({"sink": "search"}, "add --rebuild"),
        ({"corrections": False, "how": JobOptions(job="x")}, "a report alone is no job"),
        ({"rebuild": RebuildOptions(swap=True)}, "--swap"),
        ({"rebuild": RebuildOptions(rebuild=True), "sink": "s", "how": JobOptions(dry_run=True)}, "--rebuild"),
    ],
)
def test_what_contradicts_itself_is_refused(changes: dict[str, Any], says: str) -> None:
    """By the option's name."""
    ASKED.check()
    with pytest.raises(UsageError, match=says):
        replace(ASKED, **changes).check()


async def test_a_plan_reads_all_analytics_of_the_range(tmp_path: Path) -> None:
    """Those too that the filter leaves at their price; and is the same when it is gone on with."""
    origin = origin_of(5)
    plan = await made_plan(origin, TOPICS, ASKED, "sum")
    assert plan.replay.chosen.tests == ()
    assert plan.replay.coverage().leaves_out == ()
    assert plan.wants is not None
    assert replace(plan, options=RepriceOptions("2")).wants is None
    with JobFolder.begin(tmp_path, "job", plan.as_dict()) as folder:
        options = resumed_options(folder, RepriceOptions("", how=JobOptions(resume="job")))
        assert options.as_dict() == ASKED.as_dict()
        again = await resumed_plan(origin, TOPICS, folder, options, "sum")
        assert again.replay.chosen.ranges == plan.replay.chosen.ranges
        for changes, says in (
            ({"version": "3"}, "another version"), ({"estimated": True}, "another estimated"),
            ({"wanted": RangeOptions(where="app_id = 8")}, "another where"),
            ({"how": JobOptions(resume="job", dry_run=True)}, "--dry-run"),
            ({"rebuild": RebuildOptions(swap=True)}, "without --rebuild"),
        ):  # fmt: skip
            given: dict[str, Any] = {"version": "", "how": JobOptions(resume="job"), **changes}
            with pytest.raises(UsageError, match=says):
                resumed_options(folder, RepriceOptions(**given))


async def test_a_bad_filter_is_refused_before_the_log_is_asked() -> None:
    """With the column that was meant."""
    origin = origin_of(5)
    with pytest.raises(UsageError, match="app_id"):
        await made_plan(origin, TOPICS, replace(ASKED, wanted=RangeOptions(where="appid = 7")), "sum")
    assert origin.reads == 0


def test_another_command_s_job_is_not_gone_on_with(tmp_path: Path) -> None:
    """It says by which it is."""
    with JobFolder.begin(tmp_path, "job", {"command": "replay"}) as folder, pytest.raises(UsageError, match="replay"):
        resumed_options(folder, RepriceOptions("", how=JobOptions(resume="job")))
