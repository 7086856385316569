"""Sinks on real stores, for the tests of what those say."""

from __future__ import annotations

import asyncio
from typing import Any

from collectors.deliveries import Frame
from collectors.sinks.elasticsearch.settings import ElasticsearchSettings
from collectors.sinks.elasticsearch.sink import ElasticsearchSink
from collectors.sinks.interface import Verdict
from schemas.codec import SchemaBook
from schemas.events import KINDS, Kind
from tests.collectors.events import NOW_MICROS, make_record, numbered
from tests.collectors.frames import frame_of_records

SETTLE_SECONDS = 30.0


def sink_of(url: str, name: str, **config: Any) -> ElasticsearchSink:
    """All events into indices of these names; the wall clock stands still."""
    indices = {key: f"{name}-{key.replace('_', '-')}" for key in ("proxy_logs", "analytics", "budget")}
    settings = {"elasticsearch_url": url, "timeout": "30s", "indices": indices, **config}
    return ElasticsearchSink(ElasticsearchSettings.model_validate(settings), KINDS, clock=lambda: NOW_MICROS)


def frame(count: int = 3, kind: Kind = "analytics", **changes: Any) -> Frame:
    """Good events."""
    return frame_of_records(SchemaBook(), numbered(make_record(kind, **changes) for _ in range(count)))


async def write(sink: ElasticsearchSink, made: Frame) -> Verdict:
    """What becomes of a frame."""
    return await sink.write(sink.prepare(made).documents)


async def write_until_settled(sink: ElasticsearchSink, made: Frame) -> int:
    """As the pipeline does; returns how many documents had to be sent again."""
    documents, pending, again = sink.prepare(made).documents, list(range(len(made.delivery))), 0
    async with asyncio.timeout(SETTLE_SECONDS):
        while pending:
            verdict = await sink.write([documents[at] for at in pending])
            assert not verdict.poison
            pending = [pending[at] for at in verdict.retry]
            again += len(pending)
            await asyncio.sleep(0.02)
    return again
