"""One payload as a record of the log, both ways.

key      the plugin's id, in decimal
value    the payload as it was given
headers  payload.id          UUIDv7, the same where it is delivered twice
         payload.plugin      the plugin's name, for people
         payload.edge        the gateway's id
         payload.namespace   the gateway's namespace
         payload.sent_at     micros of the epoch, by the gateway's clock
         payload.correlation what the plugin gave, or empty
         payload.metadata    what the plugin gave, as a JSON object
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from schemas.ids import new_exchange_id
from schemas.topics import MAX_PAYLOAD_RECORD_BYTES, Topic
from sluice.clock import now_micros
from sluice.eventlog.interface import Record
from sluice.sdk.errors import PayloadTooLarge, ServiceError
from sluice.sdk.messages import EdgePayload

if TYPE_CHECKING:
    from sluice.eventlog.interface import PolledRecord

MAX_METADATA_ENTRIES = 50
MAX_METADATA_KEY_CHARACTERS = 256
MAX_METADATA_VALUE_CHARACTERS = 4096
MAX_METADATA_BYTES = 256 << 10
"""Of all keys and values in UTF-8: the bounds above, of text that is mostly ASCII."""
MAX_CORRELATION_CHARACTERS = 256
_MAX_RECORD_BYTES = MAX_PAYLOAD_RECORD_BYTES - (16 << 10)
"""Less what a log puts around a record."""
_MAX_PLUGIN_ID = (1 << 63) - 1
_MAX_ID_DIGITS = 19

_PREFIX = "payload."
_METADATA = msgspec.json.Decoder(dict[str, str])


class MalformedPayloadError(Exception):
    """A record that is no payload; the message says why, without its values."""


def checked_payload(payload: object, max_bytes: int) -> bytes:
    """The payload as bytes. Raises PayloadTooLarge, ServiceError."""
    if not isinstance(payload, bytes | bytearray | memoryview):
        message = f"payload: bytes are needed, not {type(payload).__name__}"
        raise ServiceError(message)
    size = payload.nbytes if isinstance(payload, memoryview) else len(payload)
    if not size:
        message = "payload: empty; send at least one byte"
        raise ServiceError(message)
    if size > max_bytes:
        message = f"payload: {size} bytes, more than plugin_host.max_control_payload_bytes ({max_bytes})"
        raise PayloadTooLarge(message)
    return bytes(payload)


def payload_record(
    topic: Topic,
    plugin_id: int,
    plugin: str,
    payload: bytes,
    *,
    edge_id: str,
    namespace: str,
    correlation_id: str = "",
    metadata: Mapping[str, str] | None = None,
) -> Record:
    """A new payload, with an id of its own. Raises PayloadTooLarge, ServiceError."""
    facts = {
        "id": new_exchange_id().encode(),
        "plugin": plugin.encode(),
        "edge": edge_id.encode(),
        "namespace": namespace.encode(),
        "sent_at": str(now_micros()).encode(),
        "correlation": _correlation(correlation_id),
        "metadata": _metadata({} if metadata is None else metadata),
    }
    size = len(payload) + sum(len(value) for value in facts.values())
    if size > _MAX_RECORD_BYTES:
        message = f"payload and metadata: {size} bytes together, more than a record may have ({_MAX_RECORD_BYTES})"
        raise PayloadTooLarge(message)
    headers = tuple((_PREFIX + name, value) for name, value in facts.items())
    return Record(topic.name, str(plugin_id).encode(), payload, headers)


def _correlation(given: object) -> bytes:
    text = _text(given, "correlation_id")
    if len(text) > MAX_CORRELATION_CHARACTERS:
        message = f"correlation_id: {len(text)} characters, more than {MAX_CORRELATION_CHARACTERS}"
        raise PayloadTooLarge(message)
    return text.encode()


def _metadata(given: Any) -> bytes:
    if not isinstance(given, Mapping):
        message = f"metadata: a mapping is needed, not {type(given).__name__}"
        raise ServiceError(message)
    if len(given) > MAX_METADATA_ENTRIES:
        message = f"metadata: {len(given)} entries, more than {MAX_METADATA_ENTRIES}"
        raise PayloadTooLarge(message)
    entries = {_text(key, "a key of metadata"): _text(value, "a value of metadata") for key, value in given.items()}
    for key, value in entries.items():
        _refuse_longer("a key", len(key), MAX_METADATA_KEY_CHARACTERS)
        _refuse_longer("a value", len(value), MAX_METADATA_VALUE_CHARACTERS)
    size = sum(len(key.encode()) + len(value.encode()) for key, value in entries.items())
    if size > MAX_METADATA_BYTES:
        message = f"metadata: {size} bytes in all, more than {MAX_METADATA_BYTES}"
        raise PayloadTooLarge(message)
    return msgspec.json.encode(entries)


def _refuse_longer(what: str, length: int, limit: int) -> None:
    if length > limit:
        message = f"metadata: {what} has {length} characters, more than {limit}"
        raise PayloadTooLarge(message)


def _text(given: object, what: str) -> str:
    if not isinstance(given, str):
        message = f"{what}: text is needed, not {type(given).__name__}"
        raise ServiceError(message)
    if not _is_utf8(given):
        message = f"{what}: has characters that no text may have (lone surrogates)"
        raise ServiceError(message)
    return given


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def plugin_id_of(record: PolledRecord) -> int:
    """Whose payload it is. Raises MalformedPayloadError."""
    key = record.key or b""
    if not key.isdigit() or len(key) > _MAX_ID_DIGITS or not 0 < int(key) <= _MAX_PLUGIN_ID:
        message = "its key is no plugin's id"
        raise MalformedPayloadError(message)
    return int(key)


def payload_of(record: PolledRecord) -> EdgePayload:
    """The payload of a record, received now. Raises MalformedPayloadError."""
    if not record.value:
        message = "it has no payload"
        raise MalformedPayloadError(message)
    headers = {name: value for name, value in record.headers if name.startswith(_PREFIX)}

    def text(name: str) -> str:
        return _decoded(headers.get(_PREFIX + name, b""), name)

    sent_at = text("sent_at")
    try:
        metadata = _METADATA.decode(headers.get(_PREFIX + "metadata", b"{}"))
    except (msgspec.DecodeError, UnicodeDecodeError):
        message = "payload.metadata is no JSON object of texts"
        raise MalformedPayloadError(message) from None
    if not text("id") or not sent_at.isascii() or not sent_at.isdigit() or len(sent_at) > _MAX_ID_DIGITS:
        message = "payload.id or payload.sent_at is missing or damaged"
        raise MalformedPayloadError(message)
    return EdgePayload(
        payload=record.value,
        edge_id=text("edge"),
        edge_namespace=text("namespace"),
        correlation_id=text("correlation"),
        metadata=metadata,
        sent_at=int(sent_at),
        received_at=now_micros(),
        payload_id=text("id"),
    )


def _decoded(value: bytes, name: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        message = f"{_PREFIX}{name} is no text"
        raise MalformedPayloadError(message) from None
