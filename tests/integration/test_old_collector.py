"""Gateways and collectors of different versions: what a gateway writes, a running collector carries into its sink."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schemas.avro_schema import event_schema, schema_fingerprint
from schemas.events import KINDS, Kind
from tests.integration.other_writers import (
    OtherGateway,
    Schema,
    Written,
    exchange,
    framed,
    other_gateway,
    with_field_within,
    with_fields,
)
from tests.integration.stack import Stack
from tests.integration.stores import count_dead_letters, read_database
from tests.integration.waiting import until, until_found
from tests.servers import Kafka

RECORDED = Path(__file__).parent / "fixtures" / "recorded_events.json"
EXCHANGES = 40
ARRIVE_SECONDS = 60.0

TEXT = {"name": "added_text", "type": "string", "default": "unknown"}
COUNT = {"name": "added_count", "type": ["null", "long"], "default": None}
PARTS = {
    "name": "added_parts",
    "type": {"type": "array", "items": {"type": "record", "name": "AddedPart", "fields": [TEXT, COUNT]}},
    "default": [],
}
ADDED = {"added_text": "from the future", "added_count": 3, "added_parts": [{"added_text": "part", "added_count": 4}]}


@contextlib.asynccontextmanager
async def collecting(kafka: Kafka, name: str, folder: Path) -> AsyncIterator[tuple[Stack, OtherGateway]]:
    """A collector of today's that waits for events, and a gateway of another version."""
    stack = Stack(folder, name, kafka=kafka)

    async def is_assigned() -> bool:
        return await stack.collector.metric("sluice_collector_rebalances_total", 'change="assigned"') > 0

    try:
        await stack.collector.start()
        await until_found(is_assigned, ARRIVE_SECONDS, "partitions assigned")
        async with other_gateway(kafka.address, stack.topics) as gateway:
            yield stack, gateway
    except BaseException as error:
        error.add_note(stack.collector.tail())
        raise
    finally:
        await stack.collector.close()


def newer_appended() -> dict[Kind, Schema]:
    """Fields appended at the end, plain and nested."""
    return {kind: with_fields(kind, TEXT, COUNT, PARTS) for kind in KINDS}


def newer_within() -> dict[Kind, Schema]:
    """A field more in the records within: types that today's columns do not have."""
    return {kind: with_field_within(kind, TEXT) for kind in KINDS}


def write(schemas: Mapping[Kind, Schema], number: int) -> list[Written]:
    """The events of an exchange, with all that the newer version added."""
    written = []
    for kind, event in exchange(number).items():
        parts = {
            name: [{**item, "added_text": "x"} if isinstance(item, dict) else item for item in value]
            for name, value in event.items()
            if isinstance(value, list)
        }
        written.append(Written(kind, event, framed(schemas[kind], {**event, **parts, **ADDED})))
    return written


def check_rows(stack: Stack, events: Sequence[Written]) -> None:
    """One row for each event, with every field as it was written; nothing of what today does not know."""
    rows = {row["event_id"]: row for kind in KINDS for row in read_database(stack.database)[kind]}
    assert rows.keys() == {written.event["event_id"] for written in events}
    for written in events:
        row = rows[written.event["event_id"]]
        assert not [name for name in row if name.startswith("added_")]
        for name, value in written.event.items():
            if name not in {"occurred_at", "completed_at", "charges"}:
                assert row[name] == value, f"{written.event['event_id']}: {name}"


async def arrived(stack: Stack, count: int) -> None:
    """Return when so many events are in the sink."""

    def all_rows() -> bool:
        return sum(map(len, read_database(stack.database).values())) >= count

    await until(all_rows, ARRIVE_SECONDS, f"{count} events in the database")


async def one_by_one(stack: Stack) -> float:
    """How many groups could not be decoded as columns."""
    return await stack.collector.metric("sluice_collector_column_failures_total")


async def check_no_dead_letters(stack: Stack, kafka: Kafka) -> None:
    """Nothing was given up."""
    assert await stack.collector.metric("sluice_collector_dead_letters_total") == 0
    assert await count_dead_letters(kafka.address, stack.topics) == 0


async def test_a_newer_gateway_is_read_as_columns(kafka_server: Kafka, unique_name: str, tmp_path: Path) -> None:
    """Fields appended with defaults are passed over; events that come before their schema wait for it."""
    schemas = newer_appended()
    events = [written for number in range(EXCHANGES) for written in write(schemas, number)]
    async with collecting(kafka_server, unique_name, tmp_path) as (stack, gateway):
        await gateway.publish(events)

        async def taken() -> bool:
            return await stack.collector.metric("sluice_collector_in_flight_records") == len(events)

        await until_found(taken, ARRIVE_SECONDS, "all events held for want of a schema")
        assert read_database(stack.database)["analytics"] == []
        await gateway.publish_schemas(schemas.values())
        await arrived(stack, len(events))
        check_rows(stack, events)
        assert await one_by_one(stack) == 0
        await check_no_dead_letters(stack, kafka_server)


@pytest.mark.parametrize("newer", [newer_appended, newer_within])
async def test_a_newer_gateway_is_read_one_by_one(
    kafka_server: Kafka, unique_name: str, tmp_path: Path, newer: Any
) -> None:
    """The other decoder makes the same of it: where a header is missing, and where records within have grown."""
    schemas = newer()
    events = [written for number in range(EXCHANGES) for written in write(schemas, number)]
    if newer is newer_appended:
        events = [replace(written, names_its_id=False) for written in events]
    async with collecting(kafka_server, unique_name, tmp_path) as (stack, gateway):
        await gateway.publish_schemas(schemas.values())
        await gateway.publish(events)
        await arrived(stack, len(events))
        check_rows(stack, events)
        assert await one_by_one(stack) >= len(KINDS)
        await check_no_dead_letters(stack, kafka_server)


async def test_old_and_new_gateways_at_once(kafka_server: Kafka, unique_name: str, tmp_path: Path) -> None:
    """While gateways are upgraded one by one, events of several versions lie side by side in a batch."""
    books: list[Mapping[Kind, Schema]] = [
        {kind: event_schema(kind) for kind in KINDS}, newer_appended(), newer_within(),
        {kind: with_fields(kind, COUNT) for kind in KINDS},
    ]  # fmt: skip
    events = [written for number in range(EXCHANGES) for written in write(books[number % len(books)], number)]
    async with collecting(kafka_server, unique_name, tmp_path) as (stack, gateway):
        for schemas in books:
            await gateway.publish_schemas(schemas.values())
        await gateway.publish(events)
        await arrived(stack, len(events))
        check_rows(stack, events)
        await check_no_dead_letters(stack, kafka_server)


def recorded() -> dict[str, dict[Kind, Any]]:
    """What gateways of released and of older versions wrote, byte for byte. Never made anew: that is its point."""
    found: dict[str, dict[Kind, Any]] = json.loads(RECORDED.read_text())
    return found


@pytest.mark.parametrize("version", ["older", "1"])
async def test_recorded_events_are_read(kafka_server: Kafka, unique_name: str, tmp_path: Path, version: str) -> None:
    """Bytes that were written once are read for ever, and fields that were not known then have their defaults."""
    writers = recorded()[version]
    defaults = {kind: {field["name"]: field["default"] for field in event_schema(kind)["fields"]} for kind in KINDS}
    async with collecting(kafka_server, unique_name, tmp_path) as (stack, gateway):
        for kind, writer in writers.items():
            assert schema_fingerprint(writer["schema"]).hex() == writer["fingerprint"]
            events = [Written(kind, entry["fields"], bytes.fromhex(entry["hex"])) for entry in writer["events"]]
            assert all(written.value[2:10].hex() == writer["fingerprint"] for written in events)
            await gateway.publish_schemas([writer["schema"]])
            await gateway.publish(events)
        await arrived(stack, sum(len(writer["events"]) for writer in writers.values()))
        await check_no_dead_letters(stack, kafka_server)
        rows = {row["event_id"]: row for kind in KINDS for row in read_database(stack.database)[kind]}
    for kind, writer in writers.items():
        absent = defaults[kind].keys() - {field["name"] for field in writer["schema"]["fields"]}
        assert absent or version != "older"
        for entry in writer["events"]:
            expected = entry["fields"] | {name: defaults[kind][name] for name in absent}
            row = rows[expected["event_id"]]
            for name in expected.keys() - {"occurred_at", "completed_at"}:
                assert row[name] == expected[name], f"{kind} {name}"
