"""Options of jobs survive a plan, and what differs is found by name."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from collectors.jobs.options import RangeOptions, differences
from collectors.jobs.replay.command import register_replay


def test_ranges_come_back_from_a_plan() -> None:
    """As they were."""
    wanted = RangeOptions(("analytics",), "-1h", "now", "occurred", ("0", "1"), 1, 2, "x/0/1", "app_id = 7")
    assert RangeOptions.of(wanted.as_dict()) == wanted
    assert RangeOptions.of(RangeOptions().as_dict()) == RangeOptions()


def test_what_was_not_given_does_not_differ() -> None:
    """Only what somebody said, and said otherwise."""
    default, planned = {"sink": "", "rate": 0.0}, {"sink": "es", "rate": 5.0}
    assert differences(planned, {"sink": "", "rate": 5.0}, default) == []
    assert differences(planned, {"sink": "rows", "rate": 0.0}, default) == ["sink"]


@pytest.mark.parametrize("rate", ["nan", "inf", "-1"])
def test_a_rate_is_a_number_of_events(rate: str) -> None:
    """What is none is refused as any option is."""
    app = typer.Typer()
    register_replay(app)
    answered = CliRunner().invoke(app, ["--rate", rate, "--sink", "x"])
    assert (answered.exit_code, "--rate" in answered.output) == (2, True)
