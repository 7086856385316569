"""Ids that were met in Kafka and are not known: remembered while records pass, looked for when somebody waits."""

from __future__ import annotations

from collections.abc import Iterable

from schemas import confluent
from sluice.eventlog.interface import PolledRecord
from sluice.eventlog.registry.client import Registry
from sluice.eventlog.settings import SchemaRegistrySettings

_MAX_WANTED = 64
"""A flood of made-up ids pushes the oldest out: they come again with their records."""


class UnknownIds:
    """Of one consumer. What the registry has told once is told again without asking it."""

    def __init__(self, settings: SchemaRegistrySettings) -> None:
        self._registry = Registry(settings)
        self._wanted: dict[bytes, None] = {}
        self._texts: dict[bytes, bytes] = {}

    def note(self, records: Iterable[PolledRecord]) -> None:
        """Remember the ids that these are framed with."""
        met = {value[1 : confluent.HEADER_BYTES] for each in records if (value := each.value) and value[0] == 0}
        for key in met:
            if len(key) == confluent.ID_BYTES and key not in self._texts:
                self._wanted[key] = None
        while len(self._wanted) > _MAX_WANTED:
            del self._wanted[next(iter(self._wanted))]

    async def schemas(self) -> list[bytes]:
        """Every schema met so far that the registry knows, for ``SchemaBook.learn``; raises RegistryError."""
        for key in list(self._wanted):
            schema_id = int.from_bytes(key)
            text = await self._registry.schema(schema_id) if schema_id <= confluent.MAX_ID else None
            if text is not None:
                self._texts[key] = confluent.schema_text(schema_id, text)
                self._wanted.pop(key, None)
        return list(self._texts.values())
