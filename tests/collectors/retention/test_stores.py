"""What was found is the sum of what is due."""

from __future__ import annotations

from collectors.retention.stores import Due, Found


def test_events_are_those_of_everything_due() -> None:
    """None where nothing is."""
    assert Found().events == 0
    assert Found((Due("a", 3), Due("b", 4))).events == 7
