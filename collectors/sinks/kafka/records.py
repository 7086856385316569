"""Frames as records: the original ones, or documents, each with its event's id in ``ce_id``."""

from __future__ import annotations

from collections.abc import Sequence

from collectors.deliveries import Frame
from collectors.documents import document_lines
from collectors.sinks.kafka.settings import KafkaSinkSettings
from schemas.cloudevents import EVENT_ID
from sluice.eventlog.kafka.forwarder import OutgoingRecord

Headers = list[tuple[str, bytes]]

_TYPE = "content-type"


def records_of(frame: Frame, settings: KafkaSinkSettings) -> list[OutgoingRecord]:
    """One for each row."""
    topic, originals = settings.topic_of(frame.kind), frame.delivery.records
    ids = frame.rows["event_id"].to_list()
    if settings.body == "json":
        values: Sequence[bytes | None] = document_lines(frame.kind, frame.rows)
        further: Headers = [(_TYPE, b"application/json")]
    else:
        values, further = [record.value for record in originals], []
    return [
        OutgoingRecord(topic, record.key, value or b"", _headers(record.headers, event_id, further))
        for record, value, event_id in zip(originals, values, ids, strict=True)
    ]


def _headers(originals: Sequence[tuple[str, bytes]], event_id: str, further: Headers) -> Headers:
    """The original ones, in order; the id is added where no header tells it."""
    replaced = {name for name, _ in further}
    headers = [(name, value) for name, value in originals if name not in replaced]
    if not any(name == EVENT_ID for name, _ in headers):
        headers.append((EVENT_ID, event_id.encode()))
    return headers + further
