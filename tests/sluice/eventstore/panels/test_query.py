"""Questions are values: equal where they ask the same, and never changed."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from sluice.eventstore.panels.query import Measure, PanelQuery


def test_questions_are_values() -> None:
    """Two of the same are one key of a cache; nobody can change one that another holds."""
    one, two = PanelQuery("analytics", 0, 1), PanelQuery("analytics", 0, 1, (Measure(),))
    assert one == two
    assert len({one, two}) == 1
    with pytest.raises(FrozenInstanceError):
        one.limit = 5  # type: ignore[misc]
