"""A link counts everything, and tells the log of a series once."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from sluice.sdk.testing import RecordingServices
from tests.sluice.plugin_host.plugins import answering, link


@pytest.fixture(name="clock")
def a_clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set."""
    now = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_a_flood_is_one_line(clock: list[float]) -> None:
    """Of each kind, every ten seconds, with how many were kept out."""
    services = RecordingServices()
    place = link("a", answering(None), services=services)
    for _ in range(1_000):
        place.count_failure("why")
        place.count_not_called("breaker")
        place.count_blocked_loop(150_000)
    clock[0] += 10
    place.count_failure("why")
    assert [(entry.event, *entry.values.values()) for entry in services.logger.entries] == [
        ("plugin failed", "post_auth", "why", False, 0),
        ("plugin not called", "post_auth", "breaker", False, 0),
        (
            "plugin blocked the loop", "post_auth", 150,
            "use async clients, or asyncio.to_thread for what computes", 0,
        ),
        ("plugin failed", "post_auth", "why", False, 999),
    ]  # fmt: skip
    tally = place.tally
    assert (tally.failures, tally.not_called, tally.blocked_loop) == (1_001, 1_000, 1_000)


def test_a_copy_for_another_place_shares_what_is_counted(clock: list[float]) -> None:
    """An attachment's own app makes no other plugin of it."""
    services = RecordingServices()
    place = link("a", answering(None), services=services)
    other = replace(place, app_id=7)
    place.count_failure("why")
    other.count_failure("why")
    other.skip_stream()
    assert (place.failures, place.tally.skipped_streams, len(services.logger.entries)) == (2, 1, 1)
    assert other.gate is place.gate
