"""Events to bytes and back: Avro single-object encoding (``C3 01``, 8-byte fingerprint, body).

Confluent's framing (``schemas.confluent``) is read as well: a schema is then named by the 4 bytes of its id.

Writing is split so that the hot path does each thing once: what three events share is encoded once, and ``sequence``
is left out until the append that gives it (``EncodedEvent.value``).
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import msgspec
from fastavro import parse_schema, schemaless_reader
from fastavro.schema import to_parsing_canonical_form

from schemas import confluent
from schemas.avro_schema import (
    event_schema,
    micros_fields,
    parsed_schema,
    record_schema,
    released_schemas,
    schema_fingerprint,
    schema_json,
)
from schemas.encoder import Encoder, encode_long, values_encoder
from schemas.events import KINDS, SUFFIXES, AnalyticsFields, BudgetFields, Common, Kind, ProxyLogFields

MAGIC = b"\xc3\x01"
HEADER_BYTES = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class UndecodableError(Exception):
    """Bytes that are no event of ours; ``reason`` is a stable code for metrics and dead letters."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class UnknownSchemaError(UndecodableError):
    """Well framed, but by a writer whose schema has not been seen yet."""

    def __init__(self, fingerprint: bytes) -> None:
        super().__init__("unknown_schema", fingerprint.hex())
        self.fingerprint = fingerprint


FINGERPRINTS: dict[Kind, bytes] = {kind: schema_fingerprint(event_schema(kind)) for kind in KINDS}
"""What today's writers put in front of each event."""

FRAMES: dict[Kind, bytes] = {kind: MAGIC + FINGERPRINTS[kind] for kind in KINDS}
"""What begins each: the mark of single-object encoding, and its fingerprint."""

_UNIQUE = frozenset(("exchange_id", "raw_usage", "request_id", "trace_id"))
_ALIKE = frozenset(
    ("app_id", "boot_id", "choices", "cost_status", "currency", "error_kind", "gateway_id", "hook", "is_stream",
     "llm_id", "llm_slug", "may_be_billed", "model_name", "outcome", "partial", "plugin", "price_id", "price_version",
     "requests_count", "response_code", "status", "tool_calls", "upstream_status", "vendor", "worker")
)  # fmt: skip
"""Fields that are the same in many events, and those beside them with them: of an app, of an LLM, of a price."""


def _encoder_of(fields: type) -> Encoder:
    return values_encoder(record_schema(fields)["fields"], _UNIQUE, _ALIKE)


encode_common = _encoder_of(Common)
"""What the events of one exchange share: the head of what each adds."""
encode_proxy_log = _encoder_of(ProxyLogFields)
encode_analytics = _encoder_of(AnalyticsFields)
encode_budget = _encoder_of(BudgetFields)
"""These, behind the head, make an event's ``tail``."""


class EncodedEvent(msgspec.Struct, frozen=True, gc=False):
    """An event ready for the log but for its sequence number. Of texts and bytes alone it is in no cycle: the garbage
    collector need not know of it."""

    kind: Kind
    exchange_id: str
    occurred_at: int
    tail: bytes
    """Everything behind ``sequence``."""
    traceparent: str = ""
    """W3C trace context of the exchange, published as a header beside the event; empty where there is none."""

    @property
    def event_id(self) -> str:
        """``<exchange_id>-p``, ``-a`` or ``-b``."""
        return self.exchange_id + SUFFIXES[self.kind]

    def value(self, sequence: int) -> bytes:
        """The whole framed event."""
        return frame_event(self.kind, self.event_id.encode(), sequence, self.tail)


def frame_event(kind: Kind, event_id: bytes, sequence: int, tail: bytes) -> bytes:
    """A whole event: frame, id, sequence number, and everything behind them."""
    return b"".join((FRAMES[kind], encode_long(len(event_id)), event_id, encode_long(sequence), tail))


def encode_exchange(
    common: Common,
    proxy_log: ProxyLogFields | None,
    analytics: AnalyticsFields | None = None,
    budget: BudgetFields | None = None,
    traceparent: str = "",
) -> list[EncodedEvent]:
    """Encode the events of one exchange; those that are ``None`` do not exist. The gateway's hot path has values
    and makes no records of them: it calls the encoders."""
    head = encode_common(b"", *_values(Common, common))
    tails: dict[Kind, bytes] = {}
    if proxy_log is not None:
        tails["proxy_log"] = encode_proxy_log(head, *_values(ProxyLogFields, proxy_log))
    if analytics is not None:
        tails["analytics"] = encode_analytics(head, *_values(AnalyticsFields, analytics))
    if budget is not None:
        tails["budget"] = encode_budget(head, *_values(BudgetFields, budget))
    exchange_id, occurred_at = common["exchange_id"], common["occurred_at"]
    return [EncodedEvent(kind, exchange_id, occurred_at, tail, traceparent) for kind, tail in tails.items()]


def _values(definition: type, record: Mapping[str, Any]) -> list[Any]:
    """In the schema's order."""
    return [record[name] for name in definition.__annotations__]


class SchemaBook:
    """The schemas a reader knows: ours of every version, and those that writers have published."""

    def __init__(self, *, has_registry: bool = False) -> None:
        """``has_registry``: whether the ids of Confluent's framing can be learned at all."""
        self._has_registry = has_registry
        self._writers: dict[bytes, tuple[Kind, dict[str, Any]]] = {}
        self._texts: dict[bytes, bytes] = {}
        for kind in KINDS:
            for schema in (*released_schemas(kind), event_schema(kind)):
                self._add(kind, schema)

    def _add(self, kind: Kind, schema: dict[str, Any]) -> bytes:
        fingerprint = schema_fingerprint(schema)
        # The canonical form has no logical types: a writer's own (a uuid, a decimal) would read as what no event holds.
        plain = parse_schema(json.loads(to_parsing_canonical_form(schema)))
        self._writers[fingerprint] = (kind, cast("dict[str, Any]", plain))
        self._texts[fingerprint] = json.dumps(schema, separators=(",", ":")).encode()
        return fingerprint

    def learn(self, text: bytes) -> bytes | None:
        """Remember a published schema; returns its fingerprint, or ``None`` where it is none of the three events'.

        One that stands behind a registry's frame (``confluent.schema_text``) is known by that id as well.
        """
        try:
            registered = confluent.is_framed(text)
            schema = json.loads(text[confluent.HEADER_BYTES :] if registered else text)
            kind = _KIND_OF_NAME.get(schema["name"])
            if kind is None:
                return None
            fingerprint = self._add(kind, schema)
            if registered:
                self._add_key(confluent.schema_key(text), fingerprint)
        except Exception as error:
            raise UndecodableError("bad_schema", type(error).__name__) from error
        return fingerprint

    def _add_key(self, key: bytes, fingerprint: bytes) -> None:
        """Know a schema by another name too."""
        self._writers[key], self._texts[key] = self._writers[fingerprint], self._texts[fingerprint]

    def __contains__(self, fingerprint: bytes) -> bool:
        """Whether events with this fingerprint can be read."""
        return fingerprint in self._writers

    def key_of(self, value: bytes | None) -> bytes:
        """``split_frame``, but that a registry's id is refused where it could never be learned."""
        key = split_frame(value)
        if len(key) == confluent.ID_BYTES and not self._has_registry and key not in self._writers:
            raise UndecodableError("bad_frame", "Confluent's, and schema_registry.url is not set")
        return key

    def kind(self, fingerprint: bytes) -> Kind:
        """Which event the schema is of; raises UnknownSchemaError."""
        return self._writer(fingerprint)[0]

    def text(self, fingerprint: bytes) -> bytes:
        """The writer's schema as JSON text; raises UnknownSchemaError."""
        self._writer(fingerprint)
        return self._texts[fingerprint]

    def _writer(self, fingerprint: bytes) -> tuple[Kind, dict[str, Any]]:
        try:
            return self._writers[fingerprint]
        except KeyError:
            raise UnknownSchemaError(fingerprint) from None

    def decode(self, value: bytes) -> tuple[Kind, dict[str, Any]]:
        """An event with today's fields, whoever wrote it, its times as aware datetimes.

        Raises UndecodableError or UnknownSchemaError.
        """
        key = split_frame(value)
        kind, writer = self._writer(key)
        stream = io.BytesIO(value)
        stream.seek(frame_bytes(key))
        try:
            event = cast("dict[str, Any]", schemaless_reader(stream, writer, parsed_schema(kind)))
            _read_times(kind, event)
        except Exception as error:
            raise UndecodableError("bad_body", type(error).__name__) from error
        if stream.tell() != len(value):
            raise UndecodableError("bad_body", "bytes behind the event")
        return kind, event


def _read_times(kind: Kind, event: dict[str, Any]) -> None:
    """Micros to datetimes, those that are a reader's defaults too; OverflowError outside the years 1 to 9999."""
    for name, within in micros_fields(kind):
        holders = [event] if within is None else event[within]
        for holder in holders:
            holder[name] = _EPOCH + timedelta(microseconds=holder[name])


def split_frame(value: bytes | None) -> bytes:
    """What names the schema of a framed event: 8 bytes of fingerprint, or 4 of a registry's id; raises
    UndecodableError."""
    if value is None:
        raise UndecodableError("null_value")
    if len(value) > HEADER_BYTES and value[:2] == MAGIC:
        return value[2:HEADER_BYTES]
    if confluent.is_framed(value):
        return confluent.schema_key(value)
    raise UndecodableError("bad_frame", value[:2].hex())


def frame_bytes(key: bytes) -> int:
    """How many bytes stand in front of the body, where ``split_frame`` gave this."""
    return confluent.HEADER_BYTES if len(key) == confluent.ID_BYTES else HEADER_BYTES


def published_schemas() -> list[tuple[bytes, bytes]]:
    """What a writer publishes before its first event: (fingerprint, JSON text) of each event it writes."""
    return [(FINGERPRINTS[kind], schema_json(kind)) for kind in KINDS]


_KIND_OF_NAME: dict[str, Kind] = {event_schema(kind)["name"]: kind for kind in KINDS}
