"""Outlets for tests: a collector at work, on a fake sink."""

from __future__ import annotations

import asyncio
from typing import Any

from collectors.backoff import Backoff
from collectors.batching import Batching
from collectors.breaker import Breaker
from collectors.burial import Gate
from collectors.concurrency import Concurrency
from collectors.dead_letters import DeadLetterLimits
from collectors.entries import DatabaseEntry
from collectors.health import Health
from collectors.metrics import CollectorMetrics
from collectors.outcomes import Role
from collectors.outlet import Outlet
from collectors.redact import Redactor
from collectors.selection import Selection
from collectors.sinks.interface import Sink
from collectors.writer import Writer


def make_outlet(
    sink: Sink[Any], writer: Writer | None = None, redactor: Redactor | None = None, **settings: Any
) -> Outlet:
    """On the running loop's clock, as assembly makes one of such an entry."""
    clock = asyncio.get_running_loop().time
    entry = DatabaseEntry.model_validate({"name": "test", "path": "sink://database", **settings})
    return Outlet(
        name=entry.name,
        role=Role.REPLACES,
        selection=Selection(entry.hook_types, entry.include, entry.exclude, entry.sample),
        redactor=redactor,
        batching=Batching(entry.batch, clock),
        sink=sink,
        writer=writer or make_writer(sink),
        gate=Gate(DeadLetterLimits(entry.dead_letter, clock, lambda *_: None), Health("test", clock), 30.0),
    )


def make_writer(sink: Sink[Any]) -> Writer:
    """A writer of its own, whose health and metrics nobody looks at."""
    clock, entry = asyncio.get_running_loop().time, DatabaseEntry(name="test", path="sink://database")
    metrics, health = CollectorMetrics().of("test"), Health("test", clock)
    breaker, backoff = Breaker(entry.breaker, clock), Backoff(entry.retry)
    return Writer(sink, Concurrency(4), health, metrics, backoff, 30.0, clock, breaker=breaker)
