"""A schema that turns up and is not known is looked up at once, for who reads in no group: nothing waits for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from schemas.codec import SchemaBook, UndecodableError


class SchemaLookup:
    """Fills a book as it is needed; what nobody has published is not asked for again."""

    def __init__(self, book: SchemaBook, read_schemas: Callable[[], Awaitable[Sequence[bytes]]]) -> None:
        self._book = book
        self._read_schemas = read_schemas
        self._given_up: set[bytes] = set()

    async def finds(self, fingerprint: bytes) -> bool:
        """Whether it is known now. Raises EventLogError where schemas cannot be read."""
        if fingerprint in self._given_up:
            return False
        for text in await self._read_schemas():
            try:
                self._book.learn(text)
            except UndecodableError:
                continue
        if fingerprint not in self._book:
            self._given_up.add(fingerprint)
        return fingerprint in self._book
