"""Tests of ``collectors.schema_lookup``."""

from __future__ import annotations

from collections.abc import Sequence

from collectors.schema_lookup import SchemaLookup
from schemas.codec import SchemaBook, published_schemas

[(KNOWN, TEXT), *_] = published_schemas()


class Log:
    """Says what is published, and counts how often it was asked."""

    def __init__(self, *texts: bytes) -> None:
        self.texts = list(texts)
        self.asked = 0

    async def read_schemas(self) -> Sequence[bytes]:
        self.asked += 1
        return self.texts


async def test_what_is_published_is_found() -> None:
    """Also beside texts that are no schemas."""
    log, book = Log(b"{", TEXT), SchemaBook()
    assert await SchemaLookup(book, log.read_schemas).finds(KNOWN)
    assert KNOWN in book


async def test_what_nobody_published_is_asked_for_once() -> None:
    """Each of many records that cannot be decoded costs no look of its own; another schema is looked for."""
    log = Log()
    lookup = SchemaLookup(SchemaBook(), log.read_schemas)
    assert [await lookup.finds(b"12345678") for _ in range(3)] == [False] * 3
    assert log.asked == 1
    log.texts.append(TEXT)
    assert await lookup.finds(KNOWN)
