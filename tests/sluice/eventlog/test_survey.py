"""What is computed of what was found."""

from __future__ import annotations

import pytest

from sluice.eventlog.interface import Partition
from sluice.eventlog.survey import GroupLag


@pytest.mark.parametrize(
    ("oldest", "retention", "age", "left"),
    [
        (None, 1_000, None, None),
        (4_000, 10_000, 6.0, 4.0),
        (4_000, None, 6.0, None),
        (1_000, 2_000, 9.0, -7.0),
        (11_000, 10_000, 0.0, 10.0),
    ],
)
def test_ages_and_what_is_left(
    oldest: int | None, retention: int | None, age: float | None, left: float | None
) -> None:
    """Seconds to loss are the retention less the age, negative where it is due; a record of later has no age."""
    lag = GroupLag("g", Partition("t", 0), "t", 1, 1, oldest, retention)
    assert lag.age_seconds(10_000) == age
    assert lag.seconds_to_loss(10_000) == left
