"""A payload as a record: everything comes back as it was given, bounds are refused by name, garbage is no payload."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.payloads.envelope import MalformedPayloadError, checked_payload, payload_of, payload_record, plugin_id_of
from schemas.topics import MAX_PAYLOAD_RECORD_BYTES
from sluice.eventlog.interface import StoredRecord
from sluice.sdk.errors import PayloadTooLarge, ServiceError
from tests.gateway.payloads.making import TOPICS, polled


def test_everything_comes_back_as_it_was_given() -> None:
    """Bytes of any kind, text of any script; with an id, the gateway's name and when it was sent and received."""
    metadata = {"": "", "schlüssel": "ключ\0\n", 'a"b': "🎈" * 100}
    record = polled(7, b"\x00\xff", correlation_id="c-\u00e9", metadata=metadata)
    found = payload_of(record)
    assert plugin_id_of(record) == 7
    assert (found.payload, found.correlation_id, found.metadata) == (b"\x00\xff", "c-\u00e9", metadata)
    assert (found.edge_id, found.edge_namespace) == ("gw", "ns")
    assert len(found.payload_id) == 36
    assert 0 < found.sent_at <= found.received_at
    assert payload_of(polled(7, b"x")).payload_id != found.payload_id


@pytest.mark.parametrize("given", [b"1234567", bytearray(b"1234567"), memoryview(b"1234567")])
def test_a_payload_of_the_bound_passes(given: Any) -> None:
    """Whatever kind of bytes it is, and it is kept as it was at that moment."""
    assert checked_payload(given, 7) == b"1234567"


@pytest.mark.parametrize(
    ("given", "kind", "part"),
    [
        (b"12345678", PayloadTooLarge, "max_control_payload_bytes"),
        (memoryview(b"12345678").cast("Q"), PayloadTooLarge, "8 bytes"),
        (b"", ServiceError, "empty"),
        ("text", ServiceError, "str"),
        (None, ServiceError, "NoneType"),
        ([1], ServiceError, "list"),
    ],
)
def test_other_payloads_are_refused_by_name(given: Any, kind: type[Exception], part: str) -> None:
    """What is too much says which setting bounds it; what is no payload says what it is."""
    with pytest.raises(kind, match="payload") as caught:
        checked_payload(given, 7)
    assert part in str(caught.value)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    "facts",
    [
        {"metadata": {str(number): "v" for number in range(50)}},
        {"metadata": {"k" * 256: "v" * 4096}},
        {"correlation_id": "c" * 256},
        {"metadata": None},
    ],
)
def test_bounds_themselves_pass(facts: dict[str, Any]) -> None:
    """50 entries, keys of 256 characters, values of 4,096, a correlation id of 256."""
    assert payload_of(polled(1, b"x", **facts)).metadata == (facts.get("metadata") or {})


@pytest.mark.parametrize(
    ("facts", "part"),
    [
        ({"metadata": {str(number): "v" for number in range(51)}}, "51 entries, more than 50"),
        ({"metadata": {"k" * 257: "v"}}, "257 characters, more than 256"),
        ({"metadata": {"k": "v" * 4097}}, "4097 characters, more than 4096"),
        ({"metadata": {str(number): "🎈" * 4096 for number in range(50)}}, "bytes in all"),
        ({"correlation_id": "c" * 257}, "correlation_id: 257 characters, more than 256"),
    ],
)
def test_beyond_them_is_too_large(facts: dict[str, Any], part: str) -> None:
    """The message names the bound."""
    with pytest.raises(PayloadTooLarge, match=part):
        polled(1, b"x", **facts)


@pytest.mark.parametrize(
    "facts",
    [
        {"metadata": {"k": 1}},
        {"metadata": {1: "v"}},
        {"metadata": [("k", "v")]},
        {"metadata": {"k": "\ud800"}},
        {"correlation_id": b"c"},
        {"correlation_id": "\udfff"},
        {"correlation_id": None},
    ],
)
def test_wrong_types_are_refused_by_name(facts: dict[str, Any]) -> None:
    """A service error, as the services promise, and no surprise further on."""
    with pytest.raises(ServiceError, match=next(iter(facts))):
        polled(1, b"x", **facts)


def test_the_largest_record_fits_its_topic() -> None:
    """One mebibyte of payload with all the metadata there may be; a larger payload is refused before it is written."""
    metadata = {f"{number:0256}": "v" * 4096 for number in range(50)}
    record = polled(1, b"x" * (1 << 20), metadata=metadata, correlation_id="c" * 256)
    size = len(record.value or b"") + sum(len(name) + len(value) for name, value in record.headers)
    assert size < MAX_PAYLOAD_RECORD_BYTES == TOPICS.edge_payload.max_message_bytes
    with pytest.raises(PayloadTooLarge, match="together"):
        payload_record(TOPICS.edge_payload, 1, "p", b"x" * MAX_PAYLOAD_RECORD_BYTES, edge_id="gw", namespace="")


@pytest.mark.parametrize("key", [None, b"", b"abc", b"-1", b"0", b"1.5", b"9" * 5000, b"9" * 19, b"\xd9\xa3", b" 1"])
def test_a_key_that_is_no_id_is_nobody_s(key: bytes | None) -> None:
    """Whatever somebody else wrote to the topic."""
    with pytest.raises(MalformedPayloadError):
        plugin_id_of(StoredRecord("t", 0, 0, 0, key, b"x"))


@pytest.mark.parametrize(
    "change",
    [
        {"payload.id": b""},
        {"payload.id": b"\xff"},
        {"payload.sent_at": b""},
        {"payload.sent_at": b"soon"},
        {"payload.sent_at": b"9" * 30},
        {"payload.sent_at": "\u0663".encode()},
        {"payload.metadata": b"{"},
        {"payload.metadata": b"[]"},
        {"payload.metadata": b'{"a":1}'},
        {"payload.metadata": b"\xff\xfe"},
        {"payload.edge": b"\xff"},
        {"payload.correlation": b"\xff"},
    ],
)
def test_a_damaged_record_is_no_payload(change: dict[str, bytes]) -> None:
    """It says why, without the value."""
    record = polled(7, b"x")
    record.headers = tuple({**dict(record.headers), **change}.items())
    with pytest.raises(MalformedPayloadError):
        payload_of(record)


@pytest.mark.parametrize("value", [None, b""])
def test_a_record_without_a_payload_is_none(value: bytes | None) -> None:
    """A tombstone, or nothing."""
    record = polled(7, b"x")
    record.value = value
    with pytest.raises(MalformedPayloadError):
        payload_of(record)
