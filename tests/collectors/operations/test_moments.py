"""A moment is what people write, or an error that says how to write it."""

from __future__ import annotations

import pytest

from collectors.operations.moments import ago, moment_ms
from collectors.operations.running import UsageError

NOW_MICROS = 1_764_000_000_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("beginning", 0),
        ("now", NOW_MICROS // 1_000),
        ("-10m", NOW_MICROS // 1_000 - 600_000),
        ("-1.5h", NOW_MICROS // 1_000 - 5_400_000),
        (" -2d ", NOW_MICROS // 1_000 - 172_800_000),
        ("-999999999w", 0),
        ("2025-11-24T16:00:00Z", NOW_MICROS // 1_000),
        ("2025-11-24T17:00:00+01:00", NOW_MICROS // 1_000),
        ("2025-11-24T16:00:00", NOW_MICROS // 1_000),
        ("2025-11-24", NOW_MICROS // 1_000 - 57_600_000),
    ],
)
def test_moments(text: str, expected: int) -> None:
    """Relative ones are before now; a time without a zone is UTC; nothing is before the epoch."""
    assert moment_ms(text, "--from", lambda: NOW_MICROS) == expected


@pytest.mark.parametrize("text", ["", "10m", "-10", "-10y", "yesterday", "2025-13-01", "-1e9d", "--1m", "\x1b[0m"])
def test_what_is_none_is_refused_with_the_form(text: str) -> None:
    """The error names the option and what can be written."""
    with pytest.raises(UsageError, match=r"--from: .*-10m"):
        moment_ms(text, "--from")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0, "0s"), (59.9, "59s"), (61, "1m1s"), (3_600, "1h"), (90_061, "1d1h"), (-120, "-2m")],
)
def test_ages_are_short(seconds: float | None, text: str) -> None:
    """Two units at most."""
    assert ago(seconds) == text
