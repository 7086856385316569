"""Frames for tests, decoded from records as the pipeline does."""

from __future__ import annotations

from collections.abc import Sequence

from collectors.columns import Decoder
from collectors.deliveries import Delivery, Frame
from collectors.tracker import Lane
from schemas.codec import SchemaBook
from sluice.eventlog.interface import PolledRecord
from tests.collectors.events import partition_of


def delivery_of(records: Sequence[PolledRecord]) -> Delivery:
    """The records on one live lane."""
    lane = Lane(partition_of())
    lane.deliver(records)
    delivery = Delivery()
    delivery.add_lane(records, lane)
    return delivery


def frame_of_records(book: SchemaBook, records: Sequence[PolledRecord]) -> Frame:
    """The one frame that good records of one schema make."""
    [frame] = Decoder(book).decode(delivery_of(records)).frames
    return frame
