"""Tests of ``collectors.letter_headers``."""

from __future__ import annotations

from typing import Any

from collectors.letter_headers import header_texts
from sluice.eventlog.interface import StoredRecord


def test_headers_of_any_kind_are_texts() -> None:
    """Bytes that are no UTF-8, and headers without a value, which Kafka has, break nobody who reads them."""
    headers: Any = [("a", b"1"), ("bad", b"\xff"), ("none", None), ("a", b"2")]
    record = StoredRecord("topic", 0, 1, 0, None, None, headers)
    assert header_texts(record) == {"a": "2", "bad": "�", "none": ""}
