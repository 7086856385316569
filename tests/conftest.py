"""What every test may ask for."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

pytest_plugins = [
    "tests.browser",
    "tests.servers",
    "tests.strict_elasticsearch",
    "tests.go_build",
    "tests.sluice.eventlog.kafka.securing",
    "tests.s3_server",
]

# 200 ms for an example are a bound on the machine, not on our code; in CI hypothesis has none by itself.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])

# Its own default shows every local of every frame: long to render where a snapshot is among them, and in the very
# loop in which the test waits.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.StackInfoRenderer(),
        structlog.dev.set_exc_info,
        structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.fixture(autouse=True)
def garbage_is_noticed_soon() -> Iterator[None]:
    """A command that runs in this process settles its memory as in one of its own: what tests leave unclosed would be
    found many tests later, and be another one's failure."""
    thresholds = gc.get_threshold()
    yield
    if gc.get_threshold() != thresholds:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
