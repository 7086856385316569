"""Records as they are shown: whatever is in them, somebody can read what it was, or why it cannot be read."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.operations.decoding import Decoding, Shown, fields_of, one_line, plain
from collectors.operations.printing import json_text, printable
from schemas.events import KINDS, Kind
from sluice.eventlog.interface import Partition, StoredRecord
from sluice.eventlog.settings import LogSettings
from tests.collectors.events import TOPICS, make_record

SCHEMA = {"type": "record", "name": "Other", "fields": []}


class Writers:
    """What has been published."""

    def __init__(self, *texts: bytes) -> None:
        self.texts, self.asked = list(texts), 0

    async def __call__(self) -> list[bytes]:
        self.asked += 1
        return self.texts


def decoding(writers: Writers | None = None) -> Decoding:
    """Of a log with these schemas."""
    return Decoding(LogSettings(), TOPICS, writers or Writers())


def shown(record: StoredRecord, using: Decoding | None = None) -> Shown:
    """The record as it is shown."""
    return asyncio.run((using or decoding()).show(record, Partition(record.topic, record.partition)))


def record(topic: str, value: bytes | None, **headers: bytes) -> StoredRecord:
    """One with any value; ``__`` in a header's name is a dot."""
    named = tuple((name.replace("__", "."), found) for name, found in headers.items())
    return StoredRecord(topic, 3, 17, 1_764_000_000_000, b"k\xff", value, named)


@pytest.mark.parametrize("kind", KINDS)
def test_events_have_their_fields(kind: Kind) -> None:
    """By name, times as RFC 3339, bodies as text; what is shown is JSON."""
    found = shown(make_record(kind))
    assert found.kind == kind
    assert found.event is not None
    assert set(found.event) == fields_of([kind])
    assert found.event["occurred_at"] == "2025-11-24T16:00:00.000000Z"
    assert json.loads(json_text(found.as_dict()))["event"]["app_id"] == 7
    assert found.headers["ce_id"] == found.event["event_id"]
    assert found.event["event_id"] in one_line(found)


def test_an_undecodable_record_is_shown_as_such() -> None:
    """With its reason, its size and its first bytes, and for scripts all of them."""
    for value, reason in ((b"\x00", "bad_frame"), (None, "null_value"), (b"\xc3\x01" + b"\0" * 20, "unknown_schema")):
        found = shown(record(TOPICS.event("analytics").name, value))
        assert (found.event, found.problem.partition(":")[0]) == (None, reason)
        assert f"undecodable: {reason}" in one_line(found)
        assert found.as_dict()["value_base64"] is not None


def test_an_unknown_schema_is_looked_up_once() -> None:
    """A flood of them does not ask the log for each."""
    writers = Writers(b"no schema", orjson.dumps(SCHEMA))
    using = decoding(writers)
    for _ in range(3):
        assert shown(record(TOPICS.event("budget").name, b"\xc3\x01" + b"\7" * 20), using).event is None
    assert writers.asked == 1


SHARED = decoding()


@settings(max_examples=50)
@given(st.binary(max_size=200))
def test_any_bytes_are_shown(value: bytes) -> None:
    """On any topic, without an error, as one printable line."""
    for topic in (TOPICS.event("analytics").name, TOPICS.alert.name, "somebody-else", "a.dlq"):
        found = shown(record(topic, value), SHARED)
        assert printable(one_line(found)).isprintable()
        assert json_text(found.as_dict()).isprintable()


def test_dead_letters_keep_what_is_theirs_apart() -> None:
    """``dlq.*`` says why; what stands beside it came with the event."""
    event = make_record("analytics")
    letter = record(
        TOPICS.event("analytics").name + ".dlq", event.value, ce_id=b"x", dlq__collector=b"s", dlq__error__type=b"why"
    )
    found = shown(letter)
    assert (found.kind, found.headers, found.dead_letter) == (
        "analytics", {"ce_id": "x"}, {"collector": "s", "error.type": "why"},
    )  # fmt: skip
    assert found.event is not None
    assert "DEAD why (s)" in one_line(found)
    assert found.id == "sluice.analytics.v1.dlq/3/17"


def test_other_topics_are_json() -> None:
    """Alerts by their sentence, others by what is in them; a list is no document."""
    alert = shown(record(TOPICS.alert.name, b'{"kind":"service_halted","message":"m"}'))
    assert (alert.kind, one_line(alert).endswith("service_halted: m")) == ("alert", True)
    report = shown(record(TOPICS.gateway_report.name, b'{"boot_id":"b"}'))
    assert (report.kind, one_line(report).endswith("boot_id=b")) == ("gateway-report", True)
    assert shown(record(TOPICS.alert.name, b"[]")).problem == "no_mapping"
    assert shown(record(TOPICS.alert.name, b"{")).problem == "bad_json"


def test_a_hostile_model_name_stays_text() -> None:
    """Escape codes are in what is decoded, and not in what is printed."""
    found = shown(make_record("analytics", model_name="\x1b[2Jgpt\n\u202e"))
    assert "\x1b" not in printable(one_line(found))
    assert "\n" not in printable(one_line(found))
    assert json.loads(json_text(found.as_dict()))["event"]["model_name"] == "\x1b[2Jgpt\n\u202e"


@pytest.mark.parametrize(("value", "expected"), [(b"\xff", "\ufffd"), ([b"a", {"b": b"c"}], ["a", {"b": "c"}]), (3, 3)])
def test_fields_are_plain(value: Any, expected: Any) -> None:
    """However deep."""
    assert plain(value) == expected


def test_an_event_in_a_topic_of_another_kind_is_shown() -> None:
    """By what is in it: somebody put it there, and has to be found."""
    for kind, topic in (("budget", "analytics"), ("analytics", "proxy_log"), ("proxy_log", "budget")):
        found = shown(record(TOPICS.event(topic).name, make_record(kind).value))  # type: ignore[arg-type]
        assert found.event is not None
        assert f"event_id={found.event['event_id']}" in one_line(found)


@pytest.mark.parametrize("timestamp_ms", [-1, 1 << 62, -(1 << 62), 253_402_300_800_000])
def test_any_time_of_a_record_is_shown(timestamp_ms: int) -> None:
    """Kafka takes whatever a producer says that the time is."""
    found = shown(StoredRecord(TOPICS.alert.name, 0, 1, timestamp_ms, None, b"{}", ()))
    assert one_line(found).startswith(found.appended_at[:20])
    assert json.loads(json_text(found.as_dict()))["appended_at"] == found.appended_at


def test_json_of_any_depth_is_shown() -> None:
    """What can be read can be written, though the library that reads it writes less deep."""
    deep = b'{"a":' * 900 + b"1" + b"}" * 900
    found = shown(record(TOPICS.alert.name, deep))
    assert json.loads(json_text(found.as_dict()))["event"] == json.loads(deep)
