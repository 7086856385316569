"""Records as they are shown: events by their schema, all else as JSON, dead letters with their reason."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from collectors.letter_headers import PREFIX, header_texts
from collectors.schema_lookup import SchemaLookup
from schemas.avro_schema import event_schema
from schemas.codec import SchemaBook, UndecodableError, UnknownSchemaError
from schemas.events import KINDS, Kind
from schemas.topics import DLQ_SUFFIX, Topics
from sluice.clock import iso_micros, micros_of
from sluice.eventlog.interface import Partition, PolledRecord
from sluice.eventlog.settings import LogSettings

_MAX_RAW_BYTES = 256


@dataclass(slots=True)
class Shown:
    """One record."""

    topic: str
    partition: Partition
    offset: int
    appended_at: str
    kind: str
    """``analytics`` and so on; ``alert``, ``gateway-report`` … of the other topics."""
    event: dict[str, Any] | None
    """``None`` where it cannot be decoded."""
    problem: str = ""
    """Why not; a stable code first."""
    key: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    """Those it came with; of a dead letter without ``dlq.*``."""
    dead_letter: dict[str, str] = field(default_factory=dict)
    """``dlq.*`` of a dead letter, without the prefix."""
    raw: bytes | None = None
    appended_ms: int = 0
    """``appended_at`` as the log has it."""

    @property
    def id(self) -> str:
        """Where it lies: ``<partition's topic or journal>/<number>/<offset>``."""
        return f"{self.partition.topic}/{self.partition.partition}/{self.offset}"

    def as_dict(self) -> dict[str, Any]:
        """For scripts."""
        shown: dict[str, Any] = {
            "id": self.id, "topic": self.topic, "kind": self.kind, "appended_at": self.appended_at, "key": self.key,
            "headers": self.headers, "event": self.event,
        }  # fmt: skip
        if self.dead_letter:
            shown["dead_letter"] = self.dead_letter
        if self.event is None:
            shown |= {"problem": self.problem, "value_base64": base64.b64encode(self.raw or b"").decode()}
        return shown


class Decoding:
    """Decodes for eyes; a schema that is not known is looked up once each time one turns up."""

    def __init__(
        self, settings: LogSettings, topics: Topics, read_schemas: Callable[[], Awaitable[Sequence[bytes]]]
    ) -> None:
        self._book = SchemaBook(has_registry=bool(settings.schema_registry.url))
        self._kinds = topics.events()
        self._namespace = topics.namespace
        self._lookup = SchemaLookup(self._book, read_schemas)

    async def show(self, record: PolledRecord, partition: Partition) -> Shown:
        """Never raises for what is in a record; EventLogError where schemas cannot be read."""
        base = record.topic.removesuffix(DLQ_SUFFIX)
        headers = header_texts(record)
        event, problem = await self._decoded(base, record.value)
        return Shown(
            topic=record.topic,
            partition=partition,
            offset=record.offset,
            appended_at=_moment(record.timestamp),
            appended_ms=record.timestamp,
            kind=self._kinds.get(base) or base.removeprefix(f"{self._namespace}.").removesuffix(".v1"),
            event=event,
            problem=problem,
            key=(record.key or b"").decode("utf-8", "replace"),
            headers={name: value for name, value in headers.items() if not name.startswith(PREFIX)},
            dead_letter={
                name.removeprefix(PREFIX): value for name, value in headers.items() if name.startswith(PREFIX)
            },
            raw=record.value,
        )

    async def _decoded(self, topic: str, value: bytes | None) -> tuple[dict[str, Any] | None, str]:
        if topic not in self._kinds:
            return _json(value)
        try:
            return self._event(value), ""
        except UnknownSchemaError as error:
            if await self._lookup.finds(error.fingerprint):
                return await self._decoded(topic, value)
            return None, str(error)
        except UndecodableError as error:
            return None, str(error)

    def _event(self, value: bytes | None) -> dict[str, Any]:
        self._book.key_of(value)
        _, event = self._book.decode(value or b"")
        return {name: plain(found) for name, found in event.items()}


def _moment(timestamp_ms: int) -> str:
    """Whoever writes a record may say when that was, and be wrong by any number of years."""
    try:
        return iso_micros(timestamp_ms * 1_000)
    except (ValueError, OverflowError, OSError):
        return f"{timestamp_ms} ms"


def _json(value: bytes | None) -> tuple[dict[str, Any] | None, str]:
    if value is None:
        return None, "null_value"
    try:
        found = orjson.loads(value)
    except ValueError:
        return None, "bad_json"
    return (found, "") if isinstance(found, dict) else (None, "no_mapping")


def plain(value: Any) -> Any:
    """A decoded field for JSON: times as RFC 3339, bytes as text, as far as they are."""
    if isinstance(value, datetime):
        return iso_micros(micros_of(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list):
        return [plain(each) for each in value]
    return {name: plain(each) for name, each in value.items()} if isinstance(value, dict) else value


def fields_of(kinds: Sequence[Kind] = KINDS) -> set[str]:
    """The fields that events of these kinds have."""
    return {field["name"] for kind in kinds for field in event_schema(kind)["fields"]}


def one_line(shown: Shown) -> str:
    """A record for eyes."""
    at = f"{shown.appended_at[:23]}Z" if shown.appended_at.endswith("Z") else shown.appended_at
    head = f"{at} {shown.kind:<12}"
    if shown.dead_letter:
        letter = shown.dead_letter
        head += f" DEAD {letter.get('error.type', '')} ({letter.get('collector', '')})"
    if shown.event is None:
        raw = (shown.raw or b"")[:_MAX_RAW_BYTES]
        return f"{head} undecodable: {shown.problem} {len(shown.raw or b'')} bytes {raw[:24].hex(' ')}"
    return f"{head} {_facts(shown.kind, shown.event)}"


def _facts(kind: str, event: Mapping[str, Any]) -> str:
    facts = _FACTS.get(kind, _pairs)
    try:
        return facts(event)
    except KeyError:  # an event of another kind, which somebody put into this topic
        return _pairs(event)


def _pairs(event: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in event.items())


def _who(event: Mapping[str, Any]) -> str:
    app = "-" if event["app_id"] is None else event["app_id"]
    return f"{event['event_id']} app={app} llm={event['llm_slug'] or '-'} {event['outcome']}"


def _proxy_log(event: Mapping[str, Any]) -> str:
    micros = event["total_micros"]
    return (
        f"{_who(event)} {event['method']} {event['path']} → {event['response_code']} {event['model_name'] or '-'} "
        f"{micros / 1_000:.1f} ms"
    )


def _analytics(event: Mapping[str, Any]) -> str:
    cost = "-" if event["cost_nanos"] is None else f"{event['cost_nanos'] / 1e9:.9f} {event['currency']}"
    tokens = f"{_or_dash(event['prompt_tokens'])}+{_or_dash(event['response_tokens'])} tokens"
    return f"{_who(event)} {event['model_name'] or '-'} {tokens} {cost} ({event['cost_status'] or 'not priced'})"


def _or_dash(count: int | None) -> str:
    return "-" if count is None else str(count)


def _budget(event: Mapping[str, Any]) -> str:
    return (
        f"{_who(event)} {event['kind']} {event['tokens_used']} tokens {event['cost_nanos']} nanos {event['currency']}"
    )


def _alert(event: Mapping[str, Any]) -> str:
    return f"{event.get('kind', '-')}: {event.get('message', _pairs(event))}"


_FACTS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "proxy_log": _proxy_log,
    "analytics": _analytics,
    "budget": _budget,
    "alert": _alert,
}
