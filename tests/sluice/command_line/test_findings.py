"""What the doctor finds: values that cannot change."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from sluice.command_line.findings import Finding, Fix, Installation


def test_a_finding_needs_no_more_than_its_verdict() -> None:
    """What is well has no remedy, no reason and no fix."""
    found = Finding(True, "fine")
    assert (found.remedy, found.why, found.fix) == ("", "", None)


def test_they_are_values() -> None:
    """Equal by what they say, and as they were made."""
    assert Finding(False, "a", "b") == Finding(False, "a", "b")
    with pytest.raises(FrozenInstanceError):
        Finding(True, "a").ok = False  # type: ignore[misc]


def test_collectors_are_looked_for_in_this_folder() -> None:
    """As by every other command."""
    assert Installation(Path("x")).collectors == Path("collectors.yaml")


def test_a_fix_does_nothing_until_it_is_applied() -> None:
    """Finding is not mending."""
    done: list[str] = []

    def apply() -> str:
        done.append("x")
        return "done"

    fix = Fix("mend", apply)
    assert done == []
    assert (fix.apply(), done) == ("done", ["x"])
