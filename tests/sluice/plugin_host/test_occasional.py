"""Tests of ``sluice.plugin_host.occasional``: a flood is one line, and the next one says how much was not said."""

from __future__ import annotations

import pytest
import structlog
from structlog.testing import capture_logs

from sluice.plugin_host.occasional import QUIET_SECONDS, OccasionalLog


def test_a_flood_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first at once, the next after ``QUIET_SECONDS`` with the number of those between."""
    now = [100.0]
    monkeypatch.setattr("sluice.plugin_host.occasional.time.monotonic", lambda: now[0])
    with capture_logs() as lines:
        log = OccasionalLog(structlog.get_logger("test"), "it failed")
        for number in range(1000):
            log.warning(number=number)
        now[0] += QUIET_SECONDS
        log.warning(number=-1)
    assert [(line["event"], line["number"], line["not_logged"]) for line in lines] == [
        ("it failed", 0, 0),
        ("it failed", -1, 999),
    ]
