"""Records out: the original ones to the byte, or documents; always with the event's id."""

from __future__ import annotations

from typing import Any

import orjson

from collectors.sinks.kafka.records import records_of
from collectors.sinks.kafka.settings import KafkaSinkSettings
from tests.contracts.sink_laws import LogPart


def test_originals_are_kept_to_the_byte() -> None:
    """Key, value, headers and their order: another collector reads them as it reads the first log."""
    frame = LogPart().frame("proxy_log", 3)
    records = records_of(frame, KafkaSinkSettings(topic="copy.{kind}"))
    assert [(one.topic, one.key, one.value, one.headers) for one in records] == [
        ("copy.proxy-log", record.key, record.value, list(record.headers)) for record in frame.delivery.records
    ]


def test_documents_say_what_they_are() -> None:
    """JSON with the fields that other sinks have; the event's headers stay."""
    frame = LogPart().frame("analytics", 1)
    [record] = records_of(frame, KafkaSinkSettings(topic="t", body="json"))
    assert orjson.loads(record.value)["event_id"] == frame.rows["event_id"][0]
    headers = dict(record.headers)
    assert headers["content-type"] == b"application/json"
    assert headers["ce_id"].decode() == frame.rows["event_id"][0]


def test_an_id_is_added_where_no_header_has_it() -> None:
    """It is how a second copy is known."""
    frame = LogPart().frame("budget", 1)
    record: Any = frame.delivery.records[0]
    record.headers = [("traceparent", b"00-x")]
    [made] = records_of(frame, KafkaSinkSettings(topic="t"))
    assert made.headers == [("traceparent", b"00-x"), ("ce_id", frame.rows["event_id"][0].encode())]


def test_nothing_of_the_original_is_changed() -> None:
    """It may yet be a dead letter."""
    frame = LogPart().frame("budget", 1)
    before = list(frame.delivery.records[0].headers)
    records_of(frame, KafkaSinkSettings(topic="t", body="json"))
    assert list(frame.delivery.records[0].headers) == before
