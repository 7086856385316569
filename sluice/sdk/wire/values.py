"""Numbers, texts, times and money as protobuf takes them: what does not fit is brought to what does, never refused."""

from __future__ import annotations

import sys
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from sluice.clock import at_micros

UNLIMITED: Final = sys.float_info.max
"""How the protocol says that a budget has no bound: so that what checks ``remaining <= 0`` is right."""

NANOS: Final = 1_000_000_000
_MICROS: Final = 1_000_000
_MAX_U32: Final = (1 << 32) - 1
_MAX_I32: Final = (1 << 31) - 1
_MAX_I64: Final = (1 << 63) - 1
_MAX_SECONDS: Final = 253_402_300_799  # the last second of the year 9999, beyond which no datetime is


def u32(value: int | None) -> int:
    """An id; 0, which is none, where it is absent or no id of the protocol's."""
    return value if value is not None and 0 <= value <= _MAX_U32 else 0


def i32(value: int) -> int:
    """At most what the field holds."""
    return max(-_MAX_I32, min(value, _MAX_I32))


def i64(value: int) -> int:
    """At most what the field holds."""
    return max(-_MAX_I64, min(value, _MAX_I64))


def text(value: str) -> str:
    """Text that is UTF-8; what cannot be is replaced."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def texts(values: Mapping[str, Any]) -> dict[str, str]:
    """A mapping of text to text: other values as JSON."""
    return {text(key): text(value if isinstance(value, str) else json_text(value)) for key, value in values.items()}


def raw(value: bytes | bytearray | memoryview) -> bytes:
    """Bytes; raises TypeError for what is none: ``bytes(5)`` would be five of them."""
    return value if type(value) is bytes else bytes(memoryview(value))


def put_texts(target: MutableMapping[str, str], values: Mapping[str, str]) -> None:
    """A mapping of text to text, into a message's."""
    for key, value in values.items():
        target[text(key)] = text(value)


def json_text(value: Any) -> str:
    """A value as JSON; mappings of any kind are objects."""
    return msgspec.json.encode(value, enc_hook=_object_of).decode()


def _object_of(value: object) -> dict[Any, Any]:
    """Records are handed out with mappings that cannot be changed, which msgspec does not know."""
    if isinstance(value, Mapping):
        return dict(value)
    message = f"{type(value).__name__} cannot be written as JSON"
    raise TypeError(message)


def currency(nanos: int | None) -> float:
    """Nanos as currency units; unlimited where ``None``."""
    return UNLIMITED if nanos is None else nanos / NANOS


def nanos_of(units: float) -> int | None:
    """Currency units as nanos; ``None`` where they are unlimited, or no number."""
    return round(units * NANOS) if -UNLIMITED / NANOS < units < UNLIMITED / NANOS else None


def exact_nanos(nanos: int | None) -> int | None:
    """For a field of ours beside one in currency units; ``None`` is unlimited."""
    return None if nanos is None else i64(nanos)


def nanos_in(message: Any, field: str, units: float) -> int | None:
    """What a field of ours says exactly, else the protocol's own in currency units."""
    return int(getattr(message, field)) if message.HasField(field) else nanos_of(units)


def seconds(micros: int) -> int:
    """Whole seconds."""
    return micros // _MICROS


def micros(whole_seconds: int) -> int:
    """Micros of whole seconds."""
    return whole_seconds * _MICROS


def at_seconds(whole_seconds: int) -> datetime:
    """An aware datetime; the nearest there is for a number that is none's."""
    return datetime.fromtimestamp(max(0, min(whole_seconds, _MAX_SECONDS)), UTC)


def at(micros_of_epoch: int) -> datetime:
    """As ``at_seconds``, of micros."""
    return at_micros(max(0, min(micros_of_epoch, _MAX_SECONDS * _MICROS)))


def timestamp(micros_of_epoch: int | None) -> Timestamp | None:
    """The protocol's; ``None`` where there is none."""
    if not micros_of_epoch:
        return None
    whole, rest = divmod(micros_of_epoch, _MICROS)
    return Timestamp(seconds=whole, nanos=rest * 1000)


def micros_of_timestamp(stamp: Timestamp) -> int:
    """Micros of the epoch; 0 where it is empty."""
    return int(stamp.seconds) * _MICROS + int(stamp.nanos) // 1000


def decoded_or(value: str) -> Any:
    """What a JSON text says; the text itself where it is none."""
    try:
        return msgspec.json.decode(value.encode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError):
        return value
