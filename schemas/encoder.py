"""Writes Avro record bodies: one function per schema, generated when first asked for.

The gateway writes three events for every exchange, so this is on its hot path. A function that knows its schema and
joins ready-made byte strings costs about a third of fastavro's generic writer (see ``tests/benchmarks``); fastavro
decodes what is written here in the contract tests, and stays the decoder everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

Encoder = Callable[[Mapping[str, Any]], bytes]
"""Takes a record's fields, all of them; raises KeyError, TypeError or AttributeError on what does not fit."""

_SMALL = 8192
_UNIQUE = "unique string"


def _zigzag(value: int) -> bytes:
    bits = (value << 1) ^ (value >> 63)
    out = bytearray()
    while bits > 0x7F:
        out.append(bits & 0x7F | 0x80)
        bits >>= 7
    out.append(bits)
    return bytes(out)


_LONGS = tuple(_zigzag(value) for value in range(_SMALL))

# Fourteen bits at a time, and no loop: times since the epoch take eight bytes, and every event has two of them.
_BITS, _MASK = 14, (1 << 14) - 1
_INNER = tuple(bytes((bits & 0x7F | 0x80, bits >> 7 | 0x80)) for bits in range(1 << _BITS))
_LAST = tuple(bytes((bits,)) if bits < 0x80 else bytes((bits & 0x7F | 0x80, bits >> 7)) for bits in range(1 << _BITS))


def encode_long(value: int) -> bytes:
    """Avro's variable-length zig-zag integer; OverflowError outside 64 bits, which no reader could read."""
    if 0 <= value < _SMALL:
        return _LONGS[value]
    bits = (value << 1) ^ (value >> 63)
    if 0 <= bits < 1 << 2 * _BITS:
        return _INNER[bits & _MASK] + _LAST[bits >> _BITS] if bits > _MASK else _LAST[bits]
    if 1 << 3 * _BITS <= bits < 1 << 4 * _BITS:
        return (
            _INNER[bits & _MASK]
            + _INNER[bits >> _BITS & _MASK]
            + _INNER[bits >> 2 * _BITS & _MASK]
            + _LAST[bits >> 3 * _BITS]
        )
    return _encode_any(value, bits)


def _encode_any(value: int, bits: int) -> bytes:
    if not -(1 << 63) <= value < 1 << 63:
        message = f"{value} does not fit in 64 bits"
        raise OverflowError(message)
    out = b""
    while bits > _MASK:
        out += _INNER[bits & _MASK]
        bits >>= _BITS
    return out + _LAST[bits]


class SharedList(list[Any]):
    """A list that stands in many events (charges: the same for each exchange of an app in a month), encoded once.

    It must not be changed after the first event that holds it.
    """

    __slots__ = ("encoded",)

    def __init__(self, items: Sequence[Any]) -> None:
        super().__init__(items)
        self.encoded: bytes | None = None


class _Texts(dict[str, bytes]):
    """Encoded short strings: most strings of an event are those of the event before (slugs, vendors, header lines)."""

    def __missing__(self, text: str) -> bytes:
        raw = text.encode("utf-8", "replace")
        encoded = encode_long(len(raw)) + raw
        if len(text) <= _MAX_CACHED_CHARACTERS:
            if len(self) >= _MAX_CACHED_TEXTS:
                self.clear()
            self[text] = encoded
        return encoded


_MAX_CACHED_TEXTS = 8192
_MAX_CACHED_CHARACTERS = 35  # one less than an exchange id: what never repeats must not flow through the cache
_TEXTS = _Texts()


def encode_bytes(raw: bytes) -> bytes:
    """Avro bytes."""
    return encode_long(len(raw)) + raw


def record_encoder(fields: Sequence[Mapping[str, Any]], unique: Collection[str] = ()) -> Encoder:
    """An encoder of the given Avro fields, in their order. The texts of ``unique`` fields never repeat: no cache is
    asked for them."""
    scope: dict[str, Any] = {"LONGS": _LONGS, "long": encode_long, "TEXTS": _TEXTS, "array": _array}
    parts = [
        _expression(_without_cache(field["type"]) if field["name"] in unique else field["type"],
                    f"record[{field['name']!r}]", scope)
        for field in fields
    ]  # fmt: skip
    source = "def encode(record):\n    return b''.join((\n        " + ",\n        ".join(parts) + ",\n    ))"
    exec(source, scope)  # noqa: S102 - made from our own schema, never from input
    encoder: Encoder = scope["encode"]
    return encoder


def _without_cache(kind: Any) -> Any:
    return [kind[0], _UNIQUE] if isinstance(kind, list) else _UNIQUE


def _expression(kind: Any, value: str, scope: dict[str, Any]) -> str:
    if isinstance(kind, list):
        inner = _expression(kind[1], "value", scope)
        return f"b'\\0' if (value := {value}) is None else b'\\2' + ({inner})"
    if isinstance(kind, dict) and kind["type"] == "array":
        name = f"item{len(scope)}"
        scope[name] = _item_encoder(kind["items"])
        return f"(array(items, {name}) if (items := {value}) else b'\\0')"
    plain = kind["type"] if isinstance(kind, dict) else kind
    return {
        "string": f"TEXTS[{value}]",
        _UNIQUE: _with_length(f"{value}.encode('utf-8', 'replace')"),
        "long": f"(LONGS[number] if 0 <= (number := {value}) < {_SMALL} else long(number))",
        "boolean": f"(b'\\1' if {value} else b'\\0')",
        "bytes": _with_length(value),
    }[plain]


def _with_length(value: str) -> str:
    return f"((LONGS[size] if (size := len(raw := {value})) < {_SMALL} else long(size)) + raw)"


def _item_encoder(kind: Any) -> Callable[[Any], bytes]:
    if isinstance(kind, dict) and kind["type"] == "record":
        return record_encoder(kind["fields"])
    function: Callable[[Any], bytes] = _TEXTS.__getitem__ if kind == "string" else encode_long
    return function


def _array(items: Sequence[Any], encode: Callable[[Any], bytes]) -> bytes:
    """One block with its count, then the end mark."""
    if items.__class__ is SharedList:
        shared: SharedList = items
        if shared.encoded is None:
            shared.encoded = _array([*items], encode)
        return shared.encoded
    count = len(items)
    return b"".join((_LONGS[count] if count < _SMALL else encode_long(count), *map(encode, items), b"\0"))
