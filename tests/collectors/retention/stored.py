"""Events of given days in real stores, written by the sinks themselves."""

from __future__ import annotations

from typing import Any

from collectors.columns import Decoder
from collectors.deliveries import Delivery, Frame
from collectors.sinks.interface import Sink
from collectors.tracker import Lane
from schemas.codec import SchemaBook
from schemas.events import Kind
from tests.collectors.events import make_record, partition_of

DAY_MICROS = 86_400_000_000
NOW = 20_000 * DAY_MICROS + DAY_MICROS // 2
"""Noon of a day."""


def micros(days_ago: float) -> int:
    """So long before ``NOW``."""
    return NOW - int(days_ago * DAY_MICROS)


def frame_of(kind: Kind, *days_ago: float, first: int = 0, partition: int = 0, **changes: Any) -> Frame:
    """An event of each of these days, in a partition from an offset on."""
    delivery = Delivery()
    for number, days in enumerate(days_ago):
        record = make_record(kind, offset=first + number, partition=partition, occurred_at=micros(days), **changes)
        delivery.add(record, Lane(partition_of(kind, partition)))
    [frame] = Decoder(SchemaBook()).decode(delivery).frames
    return frame


async def store(sink: Sink[Any], frame: Frame) -> None:
    """All of it."""
    prepared = sink.prepare(frame)
    assert not prepared.poison
    verdict = await sink.write(prepared.documents)
    assert (verdict.cause, verdict.poison) == (None, {})
