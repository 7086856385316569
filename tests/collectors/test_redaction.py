"""Redaction: nothing that a rule names reaches a sink, and every row keeps its place."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from collectors.documents import document_lines, row_lines, table_rows
from collectors.redact import RedactSettings
from collectors.redaction import Redaction
from schemas.codec import SchemaBook
from schemas.events import KINDS, Kind
from tests.collectors.events import make_record, numbered
from tests.collectors.frames import frame_of_records

SECRET = r"sk-[a-z]+"
ADA = b"ada@example.com"
JSON = b'{"to": "ada@example.com"}'


def rows_of(settings: dict[str, Any], *changes: dict[str, Any], kind: Kind = "proxy_log") -> list[dict[str, Any]]:
    """The rows of these events, as a sink sees them; their places, types and records are what they were."""
    frame = frame_of_records(SchemaBook(), numbered([make_record(kind, **each) for each in changes]))
    shown = Redaction(RedactSettings.model_validate(settings)).apply(frame)
    assert (shown.delivery, shown.rows.schema) == (frame.delivery, frame.rows.schema)
    assert shown.rows["event_id"].to_list() == frame.rows["event_id"].to_list()
    return shown.rows.to_dicts()


def row_of(settings: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Of one proxy log."""
    return rows_of(settings, changes)[0]


def test_patterns_are_masked_in_headers_and_bodies() -> None:
    """Every place of every pattern; bytes that are no text are not passed through unseen."""
    row = row_of(
        {"patterns": [SECRET, "Bob"]},
        request_headers=["x-a: sk-abc", "x-b: fine"],
        request_body=b"sk-abc and sk-def of Bob",
        response_body=b"\xff sk-abc",
    )
    assert row["request_headers"] == ["x-a: ***", "x-b: fine"]
    assert row["request_body"] == b"*** and *** of ***"
    assert (row["response_body"], row["response_body_truncated"]) == (None, True)


def test_redacted_redacts_every_kind_in_every_field() -> None:
    """And changes no size, no id, no clean text."""
    row = row_of(
        {"bodies": "redacted"},
        request_body=JSON, request_body_bytes=25, response_body=gzip.compress(JSON), response_body_bytes=99,
        response_headers=["content-encoding: gzip", "x-mail: ada@example.com"], path="/v1?mail=ada%40example.com",
        error_message="of ada@example.com", labels=["user:ada@example.com", "team:red"],
        response_content_type="application/json",
    )  # fmt: skip
    assert row["request_body"] == row["response_body"] == b'{"to": "[email]"}'
    assert (row["request_body_bytes"], row["response_body_bytes"]) == (25, 99)
    assert row["response_headers"] == ["content-encoding: gzip", "x-mail: [email]"]
    assert (row["path"], row["error_message"]) == ("/v1?mail=[email]", "of [email]")
    assert row["labels"] == ["user:[email]", "team:red"]


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_redacted_in_every_event(kind: Kind) -> None:
    """All three have them."""
    assert rows_of({"rules": ["email"]}, {"labels": ["user:ada@example.com"]}, kind=kind)[0]["labels"] == [
        "user:[email]"
    ]


def test_metadata_keeps_sizes_and_types() -> None:
    """And no byte of a body."""
    row = row_of({"bodies": "metadata"}, request_body=b"abc", request_body_bytes=3)
    assert (row["request_body"], row["response_body"], row["request_body_bytes"]) == (None, None, 3)
    assert row["request_body_truncated"]
    assert row["request_content_type"] == "application/json"


def test_none_keeps_nothing_that_was_said() -> None:
    """Of the rows that it holds for alone."""
    said = {"path": "/v1?a=ada", "error_message": "ada", "request_headers": ["x: ada"], "remote_addr": "192.0.2.1"}
    first, second = rows_of({"apps": {7: "none"}}, {**said, "app_id": 7}, {**said, "app_id": 8})
    assert (first["path"], first["error_message"], first["request_headers"], first["remote_addr"]) == (
        "/v1",
        "",
        [],
        "",
    )
    assert {name: second[name] for name in said} == said


def test_each_app_has_its_policy() -> None:
    """Those that are not named have the entry's, also events of no app."""
    policies = {"bodies": "metadata", "apps": {1: "full", 2: "redacted", 3: "none"}}
    apps = [1, 2, 3, 4, None]
    rows = rows_of(policies, *({"app_id": app, "request_body": JSON, "request_body_bytes": 25} for app in apps))
    assert [row["request_body"] for row in rows] == [JSON, b'{"to": "[email]"}', None, None, None]


def test_bodies_are_cut_between_characters() -> None:
    """And flagged; their true size stays."""
    row = row_of({"max_body_bytes": 4}, request_body="aéé".encode(), request_body_bytes=5, request_body_truncated=False)
    assert (row["request_body"], row["request_body_truncated"], row["request_body_bytes"]) == ("aé".encode(), True, 5)
    whole = row_of(
        {"max_body_bytes": 5}, request_body="aéé".encode(), request_body_bytes=5, request_body_truncated=False
    )
    assert (whole["request_body"], whole["request_body_truncated"]) == ("aéé".encode(), False)


@pytest.mark.parametrize(
    "body",
    [
        JSON, b'{"to": "ada\\u0040example.com"}', b'{"n": 4111111111111111}', b"a%40b.example",
        b"x \\nDE89370400440532013000",
        b'data: {"a": "x"}\n\n', b'[{"a": "ada@exam"},{"a": "ple.com"}]', b"plain 12",
        ADA.decode().encode("utf-16-le"),
    ],
)  # fmt: skip
def test_the_short_way_is_the_long_one(body: bytes) -> None:
    """What passes the columns unseen is what bodies looked at one by one would be."""
    settings = {"bodies": "redacted", "fields": ["request_body"]}
    row = row_of(settings, request_body=body, request_body_truncated=False, request_content_type="text/plain")
    one = Redaction(RedactSettings.model_validate(settings))._redactor.body(body, "text/plain", "", 9_999, is_cut=False)
    assert (row["request_body"], row["request_body_truncated"]) == one


def test_no_document_has_what_is_hidden() -> None:
    """Of any form that sinks write."""
    record = make_record("proxy_log", request_body=JSON, response_body=JSON, request_headers=["x: ada@example.com"])
    frame = frame_of_records(SchemaBook(), numbered([record]))
    for settings in ({"bodies": "redacted"}, {"bodies": "none"}):
        rows = Redaction(RedactSettings.model_validate(settings)).apply(frame).rows
        for lines in (document_lines("proxy_log", rows), row_lines("proxy_log", rows)):
            assert ADA not in b"".join(lines)
            json.loads(lines[0])
        assert "ada@" not in str(table_rows("proxy_log", rows))


def test_what_hides_nothing_is_the_very_same_frame() -> None:
    """So it is not copied for nothing."""
    frame = frame_of_records(SchemaBook(), numbered([make_record("analytics", labels=[])]))
    assert Redaction(RedactSettings(patterns=("zzz",))).apply(frame) is frame
    frame = frame_of_records(SchemaBook(), numbered([make_record("proxy_log")]))
    assert Redaction(RedactSettings()).apply(frame) is frame
