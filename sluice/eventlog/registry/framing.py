"""What stands in front of events in Kafka where there is a registry: its id instead of our fingerprint.

Journals keep our own frame, so that they can be read without anybody; the relay exchanges the first bytes on the way to
Kafka. The ids lie in a file beside the journal: a registry that is away, at the start too, holds up only schemas that
were never asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import orjson
import structlog

from schemas import confluent
from schemas.codec import FINGERPRINTS, HEADER_BYTES, MAGIC, SchemaBook
from schemas.topics import Topics
from sluice.eventlog.journal.entries import WrittenRecord
from sluice.eventlog.journal.offsets import replace_file
from sluice.eventlog.registry.client import Registry
from sluice.eventlog.registry.errors import RegistryUnreachableError, UnregisteredSchemaError
from sluice.eventlog.registry.subjects import subject_name
from sluice.eventlog.settings import SchemaRegistrySettings

IDS_FILE = "schema-ids.json"

logger = structlog.get_logger(__name__)


class Framing:
    """Of one journal's relay. ``path`` is where the ids are kept; ``None`` keeps them in memory alone."""

    def __init__(self, settings: SchemaRegistrySettings, topics: Topics, path: Path | None) -> None:
        self._settings = settings
        self._registry = Registry(settings)
        self._events = topics.events()
        self._path = path
        self._book = SchemaBook()
        self._kept = load_ids(path, self._registry.url) if path is not None else {}
        """Subject, a blank, fingerprint -> id."""
        self._frames: dict[tuple[str, bytes], bytes] = {}
        """By topic and the frame that journals have."""

    async def prepare(self) -> None:
        """Have the ids of what is written today; raises RegistryError where one cannot be had from anywhere."""
        for topic, kind in self._events.items():
            await self._have(topic, MAGIC + FINGERPRINTS[kind])

    async def know(self, records: Iterable[WrittenRecord]) -> None:
        """Have the ids of these, which an earlier version may have written; raises RegistryError."""
        events = self._events
        met = {(each.topic, each.value[:HEADER_BYTES]) for each in records if each.value and each.topic in events}
        for topic, frame in met - self._frames.keys():
            await self._have(topic, frame)

    def frame(self, topic: str, value: bytes | None) -> bytes | None:
        """The value as it goes to Kafka; what is no event stays as it is."""
        if value is None or (frame := self._frames.get((topic, value[:HEADER_BYTES]))) is None:
            return value
        return frame + value[HEADER_BYTES:] if frame else value

    async def _have(self, topic: str, frame: bytes) -> None:
        fingerprint = frame[len(MAGIC) :]
        if frame[: len(MAGIC)] != MAGIC or fingerprint not in self._book:
            self._frames[topic, frame] = b""  # readers know our own frame as well
            logger.warning("schema cannot be registered: unknown here", topic=topic, fingerprint=fingerprint.hex())
            return
        text = self._book.text(fingerprint)
        subject = subject_name(self._settings.subject_names, topic, text)
        key = f"{subject} {fingerprint.hex()}"
        try:
            found = await self._ask(subject, text)
        except RegistryUnreachableError as error:
            if key not in self._kept:
                raise
            found = self._kept[key]
            logger.warning("schema id taken from the file", subject=subject, id=found, error=str(error))
        self._frames[topic, frame] = confluent.frame_of(found)
        self._keep(key, found)

    async def _ask(self, subject: str, text: bytes) -> int:
        if self._settings.auto_register:
            return await self._registry.register(subject, text)
        found = await self._registry.look_up(subject, text)
        if found is None:
            message = (
                f"schema registry at {self._registry.url} has not our schema under {subject}, and "
                "schema_registry.auto_register is false: register the newest file of schemas/avro there, or set it"
            )
            raise UnregisteredSchemaError(message)
        return found

    def _keep(self, key: str, found: int) -> None:
        if self._path is None or self._kept.get(key) == found:
            return
        self._kept[key] = found
        try:
            replace_file(self._path, orjson.dumps({"registry": self._registry.url, "ids": self._kept}))
        except OSError as error:
            logger.warning("schema ids not stored", file=str(self._path), error=str(error))


def load_ids(path: Path, url: str) -> dict[str, int]:
    """What the file says of this registry; another's ids are none, and neither is what cannot be read."""
    try:
        document = orjson.loads(path.read_bytes())
        ids = document["ids"] if document["registry"] == url else {}
        return {str(key): _checked(value) for key, value in ids.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _checked(value: object) -> int:
    if type(value) is not int or not 0 <= value <= confluent.MAX_ID:
        message = f"{value!r} is no schema id"
        raise ValueError(message)
    return value
