"""Gateways of other versions, as a collector meets them: their schemas, and their events' bytes on Kafka."""

from __future__ import annotations

import contextlib
import copy
import functools
import io
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer
from fastavro import parse_schema, schemaless_writer

from schemas.avro_schema import event_schema, schema_fingerprint
from schemas.cloudevents import cloudevent_headers
from schemas.codec import MAGIC
from schemas.events import KINDS, SUFFIXES, Kind
from schemas.ids import new_exchange_id
from schemas.topics import Topics
from tests.schemas import samples

Schema = dict[str, Any]
Event = dict[str, Any]

OCCURRED_AT = 1_764_000_000_123_456


@dataclass(frozen=True)
class Written:
    """One event on the wire, and what it says."""

    kind: Kind
    event: Event
    value: bytes
    names_its_id: bool = True
    """Whether the ``ce_id`` header is there; without it a group cannot be decoded as columns."""


def with_fields(kind: Kind, *fields: Schema) -> Schema:
    """Today's schema and, behind its last field, these."""
    schema = copy.deepcopy(event_schema(kind))
    return {**schema, "fields": [*schema["fields"], *fields]}


def with_field_within(kind: Kind, field: Schema) -> Schema:
    """Today's schema with a field more in each record that an array of it holds."""
    schema = copy.deepcopy(event_schema(kind))
    for outer in schema["fields"]:
        items = outer["type"]["items"] if isinstance(outer["type"], dict) and "items" in outer["type"] else None
        if isinstance(items, dict):
            items["fields"].append(field)
    return schema


def framed(schema: Schema, event: Event) -> bytes:
    """Single-object encoding by whoever has this schema."""
    head, parsed = _framing(json.dumps(schema))
    stream = io.BytesIO()
    schemaless_writer(stream, parsed, event)
    return head + stream.getvalue()


@functools.cache
def _framing(text: str) -> tuple[bytes, Any]:
    """What stands before an event of a schema, and the schema ready to write by: making them is what takes time."""
    schema = json.loads(text)
    return MAGIC + schema_fingerprint(schema), parse_schema(copy.deepcopy(schema))


def exchange(number: int) -> dict[Kind, Event]:
    """The three events of one exchange, with something in every kind of field."""
    shared = samples.common(
        exchange_id=new_exchange_id(), request_id=f"r-{number}", occurred_at=OCCURRED_AT + number,
        completed_at=OCCURRED_AT + number + 7, gateway_id="newer", worker="w0", boot_id="b1", app_id=7, user_id=None,
        vendor="openai", labels=["team:blue", f"number:{number}"],
    )  # fmt: skip
    timing = {"plugin": "firewall", "hook": "post_auth", "micros": 12, "decision": "allow"}
    attempt = {"llm_id": 1, "llm_slug": "main", "status": 200, "error_kind": "", "may_be_billed": True, "micros": 9}
    charge = {"scope": "app", "scope_id": "7", "period_id": "2026-11", "period_start": OCCURRED_AT,
              "period_end": OCCURRED_AT + 1}  # fmt: skip
    own: dict[Kind, Any] = {
        "proxy_log": samples.proxy_log(path="/v1/chat", request_body=b"{}", response_code=200, plugins=[timing]),
        "analytics": samples.analytics(model_name="mock-small", cost_nanos=1_234, cost_status="exact",
                                       response_tokens=number, raw_usage='{"a":1}', attempts=[attempt]),
        "budget": samples.budget(cost_nanos=1_234, requests_count=1, reserved_nanos=9_999, charges=[charge]),
    }  # fmt: skip
    return {
        kind: {"event_id": shared["exchange_id"] + SUFFIXES[kind], "sequence": number, **shared, **own[kind]}
        for kind in KINDS
    }


class OtherGateway:
    """Publishes as a relay does."""

    def __init__(self, producer: AIOKafkaProducer, topics: Topics) -> None:
        self._producer = producer
        self._topics = topics

    async def publish_schemas(self, schemas: Iterable[Schema]) -> None:
        """Under their fingerprints, to the compacted topic."""
        for schema in schemas:
            text = json.dumps(schema, separators=(",", ":")).encode()
            await self._producer.send_and_wait(self._topics.schema.name, text, key=schema_fingerprint(schema))

    async def publish(self, events: Sequence[Written]) -> None:
        """Each to its topic, with its headers; returns when all are acknowledged."""
        futures = []
        for written in events:
            topic, event = self._topics.event(written.kind).name, written.event
            headers = cloudevent_headers(topic, event["event_id"], event["gateway_id"], event["occurred_at"])
            futures.append(
                await self._producer.send(
                    topic, written.value, key=event["exchange_id"].encode(),
                    headers=headers if written.names_its_id else [],
                )
            )  # fmt: skip
        await self._producer.flush()
        for future in futures:
            await future


@contextlib.asynccontextmanager
async def other_gateway(bootstrap: str, topics: Topics) -> AsyncIterator[OtherGateway]:
    """One that is connected, and gone behind the block."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        yield OtherGateway(producer, topics)
    finally:
        await producer.stop()
