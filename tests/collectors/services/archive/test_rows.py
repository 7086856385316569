"""Rows of sinks to events: exact where they are sound, poison by name where they are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from collectors.documents import document_lines
from collectors.services.archive.contents import DamagedFileError
from collectors.services.archive.rows import DocumentDecoder, read_documents
from schemas.codec import SchemaBook
from tests.collectors.events import TOPICS, make_record, numbered, partition_of
from tests.collectors.frames import delivery_of, frame_of_records

TOPIC = TOPICS.event("analytics").name


def document() -> dict[str, Any]:
    """As a sink wrote it."""
    rows = frame_of_records(SchemaBook(), [make_record()]).rows
    found: dict[str, Any] = orjson.loads(document_lines("analytics", rows)[0])
    return found


def decoded(folder: Path, *documents: Any) -> Any:
    """Rows of a file, decoded."""
    path = folder / "x.jsonl"
    path.write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in documents))
    records = [each for part in read_documents(path, path.name, TOPIC, partition_of(), 100) for each in part]
    assert [each.offset for each in records] == list(range(100, 100 + len(documents)))
    return DocumentDecoder(SchemaBook()).decode(delivery_of(numbered(records)))  # type: ignore[arg-type]


BAD: list[dict[str, Any]] = [
    {"event_id": "no id \n"},
    {"event_id": None},
    {"cost_nanos": "x"},
    {"cost_nanos": 1.5},
    {"cost_nanos": (1 << 64) - 1},
    {"total_tokens": True},
    {"labels": "x"},
    {"llm_slug": None},
    {"gateway_id": 7},
]


@pytest.mark.parametrize("changes", BAD)
def test_a_row_that_is_no_event_is_poison_alone(tmp_path: Path, changes: dict[str, Any]) -> None:
    """A wrong type, a missing field, a number that no column holds: those beside it are events."""
    found = decoded(tmp_path, document(), document() | changes, document())
    assert [error.reason for error in found.poison.errors] == ["bad_document"]
    assert [frame.rows.height for frame in found.frames] == [2]


@pytest.mark.parametrize("field", ["event_id", "exchange_id", "@timestamp", "gateway_id"])
def test_a_row_without_what_every_event_has(tmp_path: Path, field: str) -> None:
    """It is not made up: the file is damaged or the row is poison."""
    broken = {name: value for name, value in document().items() if name != field}
    try:
        found = decoded(tmp_path, broken)
    except DamagedFileError:
        return
    assert len(found.poison) == 1


def test_fields_that_came_later_have_their_defaults(tmp_path: Path) -> None:
    """Files of older versions are read."""
    older = {name: value for name, value in document().items() if name not in {"reasoning_tokens", "labels"}}
    [frame] = decoded(tmp_path, older).frames
    assert frame.rows["reasoning_tokens"].to_list() == [None]
    assert frame.rows["labels"].to_list() == [[]]


@pytest.mark.parametrize(
    "content", [b"[]\n", b"null\n", b"1\n", b"x", b"{}\n", b'{"event_id":"x","completed_at":"x"}\n']
)
def test_garbage_is_a_damaged_file(tmp_path: Path, content: bytes) -> None:
    """One error, whatever it is."""
    (tmp_path / "x.jsonl").write_bytes(content)
    with pytest.raises(DamagedFileError):
        list(read_documents(tmp_path / "x.jsonl", "x.jsonl", TOPIC, partition_of(), 0))


def test_a_topic_without_events_is_not_read(tmp_path: Path) -> None:
    """By its name."""
    with pytest.raises(DamagedFileError, match="holds no events"):
        list(read_documents(tmp_path / "x", "x", "t.alert.v1", partition_of(), 0))
