"""Ids that come from Kafka: remembered, looked up when somebody waits, bounded however many there are."""

from __future__ import annotations

import pytest

from schemas.codec import SchemaBook
from sluice.eventlog.interface import StoredRecord
from sluice.eventlog.registry.errors import RegistryUnreachableError
from sluice.eventlog.registry.reading import UnknownIds
from sluice.eventlog.settings import SchemaRegistrySettings
from tests.sluice.eventlog.registry.scripted import ScriptedRegistry, scripted_registry

TEXT = '{"type": "record", "name": "BudgetUsage", "namespace": "sluice.events", "fields": []}'


def record(value: bytes | None) -> StoredRecord:
    """One with this value."""
    return StoredRecord("t", 0, 0, 0, None, value)


def unknown(registry: ScriptedRegistry) -> UnknownIds:
    """Of a scripted registry."""
    return UnknownIds(SchemaRegistrySettings.model_validate(registry.settings()))


async def test_ids_are_asked_for_once() -> None:
    """Those met and framed; a book that learns the answer reads the events; nothing else is asked for."""
    async with scripted_registry(first_id=7) as registry:
        registry.add("s", TEXT)
        ids = unknown(registry)
        for value in (
            b"\0\0\0\0\x07body",
            b"\0\0\0\0\x07more",
            None,
            b"",
            b"\0",
            b"\0\0\0",
            b"{}",
            b"\xc3\x01aaaaaaaaaa",
        ):
            ids.note([record(value)])
        (text,) = await ids.schemas()
        book = SchemaBook(has_registry=True)
        book.learn(text)
        assert (0).to_bytes(3) + b"\x07" in book
        assert await ids.schemas() == [text]
        assert registry.asked == ["GET /schemas/ids/7"]


async def test_an_id_that_is_not_there_yet_is_asked_for_again() -> None:
    """Its writer registers it a moment later: until whoever waits gives up."""
    async with scripted_registry(first_id=3) as registry:
        ids = unknown(registry)
        ids.note([record(b"\0\0\0\0\x03x")])
        assert await ids.schemas() == []
        registry.add("s", TEXT)
        assert len(await ids.schemas()) == 1


async def test_a_registry_that_is_away_is_an_error() -> None:
    """So that nobody takes silence for an answer and gives records up; back again, it is asked again."""
    async with scripted_registry() as registry:
        registry.add("s", TEXT)
        ids = unknown(registry)
        assert await ids.schemas() == []
        ids.note([record(b"\0\0\0\0\x01x")])
        await registry.stop()
        with pytest.raises(RegistryUnreachableError):
            await ids.schemas()
        await registry.start()
        assert len(await ids.schemas()) == 1


async def test_a_flood_of_made_up_ids_is_bounded() -> None:
    """A topic full of garbage costs a fixed number of questions at a time, and what is real is found behind it."""
    async with scripted_registry(first_id=99_999) as registry:
        registry.add("s", TEXT)
        ids = unknown(registry)
        ids.note([record(b"\0" + number.to_bytes(4) + b"x") for number in range(5_000)])
        ids.note([record(b"\0\xff\xff\xff\xffx"), record(b"\0" + (99_999).to_bytes(4) + b"x")])
        assert len(await ids.schemas()) == 1
        assert len(registry.asked) <= 64
        assert not any("4294967295" in path for path in registry.asked)
