"""The doctor's rounds: everything is looked at, everything is told, and nothing is done unasked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from sluice.command_line import doctor
from sluice.command_line.doctor import Ailment, examine, mend
from sluice.command_line.findings import Check, Finding, Fix, Installation

HERE = Installation(Path("sluice.yaml"))


def fix(said: str = "done", error: Exception | None = None) -> Fix:
    """Says so, or fails so."""

    def apply() -> str:
        if error is not None:
            raise error
        return said

    return Fix("mend it", apply)


def always(*findings: Finding) -> Check:
    """A check that finds these."""
    return lambda _: findings


def broken(_: Installation) -> Iterator[Finding]:
    """Finds one thing, and meets what it did not expect."""
    yield Finding(True, "first")
    message = "disk on fire"
    raise RuntimeError(message)


def test_a_check_that_fails_hides_no_other() -> None:
    """What it found before stands, its failure is a finding, and the others are looked at."""
    found = examine({"a": broken, "b": always(Finding(True, "fine"))}, HERE)
    assert [(each.area, each.finding.ok) for each in found] == [("a", True), ("a", False), ("b", True)]
    assert "RuntimeError: disk on fire" in found[1].finding.what
    assert not doctor.is_well(found)


def test_a_check_that_cannot_even_begin_is_a_finding() -> None:
    """As one that fails midway."""

    def dead(_: Installation) -> NoReturn:
        raise OSError(5, "no")

    [found] = examine({"a": dead}, HERE)
    assert not found.finding.ok


def test_each_fix_is_asked_for_by_itself() -> None:
    """In their order; what has none is not asked about."""
    asked: list[str] = []

    def ask(what: str) -> bool:
        asked.append(what)
        return len(asked) == 1

    found = [Ailment("a", Finding(False, "1", fix=fix())), Ailment("a", Finding(False, "2")),
             Ailment("b", Finding(True, "3", fix=fix()))]  # fmt: skip
    assert [(each.area, each.state, each.said) for each in mend(found, ask)] == [
        ("a", "done", "done"), ("b", "declined", ""),
    ]  # fmt: skip
    assert asked == ["mend it"] * 2


@pytest.mark.parametrize("error", [PermissionError(13, "no"), ValueError("x"), RuntimeError("y")])
def test_a_fix_that_fails_is_told_and_the_next_is_tried(error: Exception) -> None:
    """No traceback, and no silence."""
    found = [Ailment("a", Finding(False, "1", fix=fix(error=error))), Ailment("a", Finding(False, "2", fix=fix()))]
    first, second = mend(found, lambda _: True)
    assert (first.state, second.state) == ("failed", "done")
    assert type(error).__name__ in first.said


def test_yes_asks_nobody() -> None:
    """As in scripts."""
    assert doctor.asks(yes=True)("anything")


def shown(capsys: pytest.CaptureFixture[str], act: Callable[[], None]) -> str:
    """What it writes."""
    act()
    return capsys.readouterr().out


def test_people_are_told_what_why_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    """In this order, below one another; markup in what is told stays text."""
    found = [Ailment("kafka", Finding(False, "[red]away[/red]", "start it", "events wait", fix()))]
    lines = shown(capsys, lambda: doctor.show(found)).splitlines()
    assert lines == [
        "kafka", "  BAD  [red]away[/red]", "       why: events wait", "       → start it",
        "       sluice doctor --fix can mend it",
    ]  # fmt: skip


def test_scripts_are_told_what_became_of_fixes(capsys: pytest.CaptureFixture[str]) -> None:
    """With ``--fix`` alone; a finding without one has none."""
    found = [Ailment("a", Finding(False, "1", fix=fix("made"))), Ailment("a", Finding(True, "2"))]
    repairs = mend(found, lambda _: True)
    first, second = json.loads(shown(capsys, lambda: doctor.write_json(found, repairs)))
    assert first["repair"] == {"state": "done", "said": "made"}
    assert "repair" not in second
    assert "repair" not in json.loads(shown(capsys, lambda: doctor.write_json(found, None)))[0]


def test_what_was_done_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each."""
    found = [Ailment("a", Finding(False, "1", fix=fix("made"))), Ailment("a", Finding(False, "2", fix=fix()))]
    answers = iter([True, False])
    text = shown(capsys, lambda: doctor.show_repairs(mend(found, lambda _: next(answers))))
    assert text == "done     mend it: made\ndeclined mend it\n"
