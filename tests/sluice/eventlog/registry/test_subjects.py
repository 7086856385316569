"""Under which name a registry keeps a schema."""

from __future__ import annotations

import pytest

from sluice.eventlog.registry.subjects import SubjectNames, subject_name


@pytest.mark.parametrize(
    ("strategy", "text", "expected"),
    [
        ("topic_name", b"not even looked at", "t.v1-value"),
        ("record_name", b'{"name": "R", "namespace": "a.b"}', "a.b.R"),
        ("record_name", b'{"name": "a.b.R"}', "a.b.R"),
        ("topic_record_name", b'{"name": "R", "namespace": "a.b"}', "t.v1-a.b.R"),
    ],
)
def test_names_are_confluent_s(strategy: SubjectNames, text: bytes, expected: str) -> None:
    """By the topic, by the record's full name, or by both."""
    assert subject_name(strategy, "t.v1", text) == expected
