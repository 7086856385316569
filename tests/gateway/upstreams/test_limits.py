"""Tests of ``gateway.upstreams.limits``."""

from __future__ import annotations

from dataclasses import asdict

from gateway.upstreams.client import Timeouts
from gateway.upstreams.limits import DEFAULT_LIMITS


def test_the_defaults_fit_together() -> None:
    """Everything has a bound; a connection idles out before it grows old; deadlines are looked at often enough to be
    kept within a tenth."""
    assert all(value > 0 for value in asdict(DEFAULT_LIMITS).values())
    assert DEFAULT_LIMITS.max_idle_seconds < DEFAULT_LIMITS.max_age_seconds
    assert DEFAULT_LIMITS.sweep_seconds <= min(asdict(Timeouts()).values()) / 10
