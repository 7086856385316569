"""A report tells everything to people and to scripts alike."""

from __future__ import annotations

import io
from typing import Any

import orjson
import pytest

from collectors.jobs.report import Report
from collectors.operations.printing import Printer
from tests.collectors.jobs.bench import silent


def shown(printer: Printer) -> tuple[str, str]:
    """What it printed, and what it said beside that."""
    out, err = printer._out, printer._err
    assert isinstance(out, io.StringIO)
    assert isinstance(err, io.StringIO)
    return out.getvalue(), err.getvalue()


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"state": "complete"}, 0),
        ({"state": "counted"}, 0),
        ({"state": "stopped"}, 1),
        ({"state": "running"}, 1),
        ({"state": "complete", "failed": 1}, 1),
        ({"state": "counted", "failed": 1}, 1),
        ({"state": "complete", "problems": ["x"]}, 1),
        ({"state": "complete", "notes": ["x"]}, 0),
    ],
)
def test_exit_codes(given: dict[str, Any], code: int) -> None:
    """0 where everything is where it should be."""
    assert Report("replay", "job", **given).exit_code == code


def test_as_json_it_is_one_line() -> None:
    """Times as RFC 3339, the rate of what was read."""
    report = Report("replay", "job", "complete", read=100, seconds=4.0, first_at=1_700_000_000_000_000)
    printer = silent(as_json=True)
    report.show(printer)
    found = orjson.loads(shown(printer)[0])
    assert (found["first_at"], found["last_at"]) == ("2023-11-14T22:13:20.000000Z", None)
    assert (found["rate"], found["read"], found["state"]) == (25.0, 100, "complete")
    assert Report("replay", "job").rate == 0.0


def test_for_eyes_it_is_a_table() -> None:
    """What is wrong stands beside it, and a dry run does not speak of writing."""
    printer = silent()
    Report("replay", "job", "complete", written=7, passed=2, problems=["look there"], details={"x": 5, "y": {}}).show(
        printer
    )
    table, beside = shown(printer)[0], shown(printer)[1]
    assert "written        7" in table
    assert "passed" in table
    assert "x " in table
    assert beside == "look there\n"
    printer = silent()
    Report("replay", "job", "counted", undecodable=3).show(printer)
    table = shown(printer)[0]
    assert "written" not in table
    assert "undecodable" in table
