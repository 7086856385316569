"""Ids in front of events: had from the registry, kept beside the journal, exchanged for our own frame."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schemas import confluent
from schemas.avro_schema import schema_fingerprint
from schemas.codec import FINGERPRINTS, HEADER_BYTES, MAGIC, SchemaBook
from schemas.topics import Topics
from sluice.eventlog.journal.entries import WrittenRecord
from sluice.eventlog.registry.errors import (
    IncompatibleSchemaError,
    RegistryUnreachableError,
    UnregisteredSchemaError,
)
from sluice.eventlog.registry.framing import IDS_FILE, Framing, load_ids
from sluice.eventlog.settings import SchemaRegistrySettings
from tests.sluice.eventlog.journal.making import exchange
from tests.sluice.eventlog.registry.scripted import ScriptedRegistry, scripted_registry

TOPICS = Topics()
BOOK = SchemaBook()


def framing(registry: ScriptedRegistry, path: Path | None = None, **more: Any) -> Framing:
    """Of a scripted registry."""
    return Framing(SchemaRegistrySettings.model_validate(registry.settings(**more)), TOPICS, path)


def values() -> dict[str, bytes]:
    """An event of each topic, as journals hold it."""
    return {TOPICS.event(event.kind).name: event.value(7) for event in exchange()}


async def test_the_first_bytes_are_exchanged(tmp_path: Path) -> None:
    """``00``, the id, and the same body; a reader that knows the ids decodes the very event."""
    async with scripted_registry(first_id=40) as registry:
        made = framing(registry)
        await made.prepare()
        assert sorted(registry.subjects) == sorted(f"{name}-value" for name in TOPICS.events())
        book = SchemaBook(has_registry=True)
        for schema_id, text in registry.texts.items():
            book.learn(confluent.schema_text(schema_id, text.encode()))
        for topic, value in values().items():
            framed = made.frame(topic, value)
            assert framed is not None
            (schema_id,) = registry.subjects[f"{topic}-value"]
            assert framed == b"\0" + schema_id.to_bytes(4) + value[HEADER_BYTES:]
            assert book.decode(framed) == book.decode(value) == BOOK.decode(value)


async def test_what_is_no_event_stays_as_it_is() -> None:
    """Other topics, tombstones, and what is not framed."""
    async with scripted_registry() as registry:
        made = framing(registry)
        await made.prepare()
        event = values()[TOPICS.event("budget").name]
        for topic, value in [
            (TOPICS.alert.name, b"{}"),
            (TOPICS.alert.name, event),
            (TOPICS.event("budget").name, None),
            (TOPICS.event("budget").name, b""),
            (TOPICS.event("budget").name, b"{}"),
        ]:
            assert made.frame(topic, value) == value


async def test_a_registry_that_is_away_is_no_matter_where_ids_are_kept(tmp_path: Path) -> None:
    """At the start, with the file of an earlier life; without it, the writer waits, and says for what."""
    path = tmp_path / IDS_FILE
    async with scripted_registry() as registry:
        first = framing(registry, path)
        await first.prepare()
        await registry.stop()
        again = framing(registry, path)
        await again.prepare()
        for topic, value in values().items():
            assert again.frame(topic, value) == first.frame(topic, value) != value
        with pytest.raises(RegistryUnreachableError, match=r"schema_registry\.url"):
            await framing(registry, tmp_path / "other").prepare()
        with pytest.raises(RegistryUnreachableError):
            await framing(registry).prepare()
        await registry.start()
        await framing(registry, tmp_path / "other").prepare()
        assert (tmp_path / "other").read_bytes() == path.read_bytes()


async def test_the_registry_s_own_word_counts_where_it_answers(tmp_path: Path) -> None:
    """It was set up anew and counts otherwise: the kept ids are replaced, and never mixed with another registry's."""
    path = tmp_path / IDS_FILE
    async with scripted_registry() as old:
        await framing(old, path).prepare()
        before = load_ids(path, old.url)
    assert load_ids(path, "http://other") == {}
    async with scripted_registry(first_id=900) as new:
        new_framing = framing(new, path)
        await new_framing.prepare()
        kept = load_ids(path, new.url)
        assert kept.keys() == before.keys()
        assert min(kept.values()) == 900


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"null", b'{"registry": "u", "ids": []}', b'{"registry": "u", "ids": {"a": "1"}}',
     b'{"registry": "u", "ids": {"a": -1}}', b'{"registry": "u", "ids": {"a": true}}', b"\xff"],
)  # fmt: skip
def test_a_damaged_file_is_none(tmp_path: Path, content: bytes) -> None:
    """Nothing is framed with an id that nobody gave."""
    path = tmp_path / IDS_FILE
    path.write_bytes(content)
    assert load_ids(path, "u") == {}
    assert load_ids(tmp_path / "missing", "u") == {}


async def test_a_writer_may_be_forbidden_to_register() -> None:
    """Then it only looks up; what is not there is said with its subject and what to do."""
    async with scripted_registry() as registry:
        made = framing(registry, auto_register=False)
        with pytest.raises(UnregisteredSchemaError, match=r"-value, and schema_registry\.auto_register is false"):
            await made.prepare()
        assert registry.texts == {}
        await framing(registry).prepare()
        asked = len(registry.asked)
        await made.prepare()
        assert all("versions" not in path for path in registry.asked[asked:])


async def test_an_incompatible_schema_is_a_refusal_though_an_id_is_kept(tmp_path: Path) -> None:
    """What the registry says no to is not written behind its back."""
    async with scripted_registry() as registry:
        await framing(registry, tmp_path / IDS_FILE).prepare()
        registry.subjects.clear()
        registry.incompatible.update(f"{name}-value" for name in TOPICS.events())
        with pytest.raises(IncompatibleSchemaError):
            await framing(registry, tmp_path / IDS_FILE).prepare()


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("topic_name", "sluice.budget.v1-value"),
        ("record_name", "sluice.events.BudgetUsage"),
        ("topic_record_name", "sluice.budget.v1-sluice.events.BudgetUsage"),
    ],
)
async def test_subjects_are_named_as_was_set(strategy: str, expected: str) -> None:
    """Each of Confluent's three strategies, on the wire."""
    async with scripted_registry() as registry:
        await framing(registry, subject_names=strategy).prepare()
        assert expected in registry.subjects


async def test_what_an_earlier_version_wrote_is_framed_with_its_own_schema() -> None:
    """A journal may hold events from before an upgrade; one whose schema nobody knows keeps our frame."""
    older = {"type": "record", "name": "BudgetUsage", "namespace": "sluice.events", "fields": [
        {"name": "event_id", "type": "string", "default": ""}]}  # fmt: skip
    fingerprint = schema_fingerprint(older)
    topic = TOPICS.event("budget").name
    body = b"\x04ab"
    old = WrittenRecord(0, topic, b"k", MAGIC + fingerprint + body, b"id", 0, (), 0)
    unknown = WrittenRecord(1, topic, b"k", MAGIC + b"8 bytes!" + body, b"id", 0, (), 0)
    async with scripted_registry() as registry:
        made = framing(registry)
        made._book.learn(json.dumps(older).encode())
        await made.prepare()
        await made.know([old, unknown])
        framed = made.frame(topic, old.value)
        assert framed is not None
        assert json.loads(registry.texts[int.from_bytes(framed[1:5])]) == older
        assert framed[5:] == body
        assert made.frame(topic, unknown.value) == unknown.value
        asked = len(registry.asked)
        await made.know([old, unknown])
        assert len(registry.asked) == asked


async def test_an_unwritable_file_is_no_matter(tmp_path: Path) -> None:
    """Ids are then asked for at each start."""
    (tmp_path / "file").write_bytes(b"")
    async with scripted_registry() as registry:
        made = framing(registry, tmp_path / "file" / IDS_FILE)
        await made.prepare()
        assert made.frame(TOPICS.event("budget").name, MAGIC + FINGERPRINTS["budget"] + b"x") != b""
