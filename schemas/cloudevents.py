"""CloudEvents 1.0, Kafka binary mode: the headers beside an event."""

from __future__ import annotations

from datetime import UTC, datetime

EVENT_ID = "ce_id"


def cloudevent_headers(
    topic: str, event_id: str, source: str, occurred_at_micros: int, traceparent: str = ""
) -> list[tuple[str, bytes]]:
    """The five ``ce_`` attributes and, where there is one, ``traceparent``."""
    seconds, micros = divmod(occurred_at_micros, 1_000_000)
    at = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    headers = [
        (EVENT_ID, event_id.encode()),
        ("ce_type", topic.encode()),
        ("ce_source", source.encode()),
        ("ce_time", f"{at}.{micros:06d}Z".encode()),
        ("ce_specversion", b"1.0"),
    ]
    if traceparent:
        headers.append(("traceparent", traceparent.encode()))
    return headers
