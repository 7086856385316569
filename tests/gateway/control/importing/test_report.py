"""Reports: a line for each, what stayed behind where it is seen, JSON for scripts."""

from __future__ import annotations

import json

import pytest

from gateway.control.importing.plan import Plan
from gateway.control.importing.report import Report, show_report


def test_lines_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """What is not carried over stands on the error output, with its reason."""
    plan = Plan()
    plan.leave("LLM a", "no such\x1b vendor")
    plan.note("know this")
    report = Report(made=["app x"], existed=["app y"])
    report.leave("app z", "refused")
    report.take(plan)
    show_report(report, as_json=False, is_dry=False)
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        "made: app x",
        "exists already: app y",
        "note: know this",
        "1 made, 1 there already, 2 not carried over",
    ]
    assert shown.err.splitlines() == ["not carried over: LLM a: no such  vendor", "not carried over: app z: refused"]


def test_nothing_was_made_in_a_dry_run(capsys: pytest.CaptureFixture[str]) -> None:
    """And it does not say so."""
    show_report(Report(made=["app x"]), as_json=False, is_dry=True)
    assert capsys.readouterr().out.startswith("would be made: app x\n1 would be made")


def test_json_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    """All of it on one output."""
    report = Report(made=["a"])
    report.leave("b", "c")
    show_report(report, as_json=True, is_dry=False)
    wanted = {"made": ["a"], "existed": [], "left": [{"what": "b", "reason": "c"}], "notes": []}
    assert json.loads(capsys.readouterr().out) == wanted
