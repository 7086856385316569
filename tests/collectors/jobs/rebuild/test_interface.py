"""What commands say of a swap."""

from __future__ import annotations

from collectors.jobs.rebuild.interface import Swapped


def test_scripts_are_told_everything() -> None:
    """By the same names as people."""
    facts = Swapped("budget", "b-2024.01.01", "refused", "why", "kept", 3).as_dict()
    assert facts == {
        "kind": "budget", "place": "b-2024.01.01", "state": "refused", "reason": "why", "kept": "kept", "events": 3
    }  # fmt: skip
