"""Writes Avro record bodies: one function per schema, generated when first asked for.

The gateway writes three events for every exchange, so this is on its hot path. A function that knows its schema and
joins ready-made byte strings costs about a third of fastavro's generic writer (see ``tests/benchmarks``); fastavro
decodes what is written here in the contract tests, and stays the decoder everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

Encoder = Callable[[Mapping[str, Any]], bytes]
"""Takes a record's fields, all of them; raises KeyError, TypeError or AttributeError on what does not fit."""

_SMALL = 8192
_UNIQUE = "unique string"

# Fourteen bits at a time, and no loop: every event has two times since the epoch, of eight bytes each.
_BITS, _MASK = 14, (1 << 14) - 1
_LOW_BITS, _LOW_MASK = 2 * _BITS, (1 << 2 * _BITS) - 1
_INNER = tuple(bytes((bits & 0x7F | 0x80, bits >> 7 | 0x80)) for bits in range(1 << _BITS))
_LAST = tuple(bytes((bits,)) if bits < 0x80 else bytes((bits & 0x7F | 0x80, bits >> 7)) for bits in range(1 << _BITS))


def _encode_large(value: int) -> bytes:
    bits = value << 1 if value >= 0 else ~(value << 1)
    high = bits >> _LOW_BITS
    if high:
        if high >> 64 - _LOW_BITS:
            message = f"{value} does not fit in 64 bits"
            raise OverflowError(message)
        low = bits & _LOW_MASK  # within one of the digits that CPython's integers consist of: quicker from here on
        return _INNER[low & _MASK] + _INNER[low >> _BITS] + _encode_high(high)
    return _INNER[bits & _MASK] + _LAST[bits >> _BITS] if bits > _MASK else _LAST[bits]


@lru_cache(maxsize=64)
def _encode_high(bits: int) -> bytes:
    """What is left above 28 bits: of a time, that stays the same for two minutes."""
    out = b""
    while bits > _MASK:
        out += _INNER[bits & _MASK]
        bits >>= _BITS
    return out + _LAST[bits]


class _Longs(dict[int, bytes]):
    """Encoded integers, small ones ready: one subscript instead of a comparison and a call. Others are not kept."""

    __missing__ = staticmethod(_encode_large)


LONGS = _Longs((value, _encode_large(value)) for value in range(_SMALL))
"""Avro's variable-length zig-zag integers; OverflowError outside 64 bits, which no reader could read."""


class _NullableLongs(dict[int | None, bytes]):
    """The same behind the mark of a union's branch."""

    def __missing__(self, value: int) -> bytes:
        return b"\2" + _encode_large(value)


_NULLABLE_LONGS = _NullableLongs((value, b"\2" + encoded) for value, encoded in LONGS.items())
_NULLABLE_LONGS[None] = b"\0"


def encode_long(value: int) -> bytes:
    """One of ``LONGS``."""
    return LONGS[value]


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

    mark = b""
    """Of the branch, in a union."""

    def __missing__(self, text: str) -> bytes:
        raw = text.encode("utf-8", "replace")
        encoded = self.mark + LONGS[len(raw)] + raw
        if len(text) <= _MAX_CACHED_CHARACTERS:
            self.keep(text, encoded)
        return encoded

    def keep(self, text: str, encoded: bytes) -> None:
        """Within the bound."""
        if len(self) >= _MAX_CACHED_TEXTS:
            self.clear()
        self[text] = encoded


class _NullableTexts(_Texts):
    mark = b"\2"

    def __missing__(self, text: str | None) -> bytes:
        return super().__missing__(text) if text is not None else self.setdefault(cast("str", None), b"\0")


_MAX_CACHED_TEXTS = 8192
_MAX_CACHED_CHARACTERS = 35  # one less than an exchange id: what never repeats must not flow through the cache
_TEXTS = _Texts()
_NULLABLE_TEXTS = _NullableTexts()


def keep_text(text: str) -> None:
    """Keep one encoded, however long it is, that is known to repeat; the caller bounds its length."""
    _TEXTS.keep(text, _TEXTS[text])


def encode_bytes(raw: bytes) -> bytes:
    """Avro bytes."""
    return LONGS[len(raw)] + raw


def record_encoder(fields: Sequence[Mapping[str, Any]], unique: Collection[str] = ()) -> Encoder:
    """An encoder of the given Avro fields, in their order. The texts of ``unique`` fields never repeat: no cache is
    asked for them."""
    encoder: Encoder = _compiled(_RECORD, fields, unique)
    return encoder


_RECORD = """\
def encode(record):
    return join((
        {parts},
    ))
"""

_RECORDS = """\
def encode(items):
    if items.__class__ is SharedList:
        return encode_shared(items, encode)
    parts = [LONGS[len(items)]]
    for record in items:
        parts += (
            {parts},
        )
    parts.append(b'\\0')
    return join(parts)
"""
"""Of an array: a call for each of its records would cost as much as the record."""


def _compiled(source: str, fields: Sequence[Mapping[str, Any]], unique: Collection[str] = ()) -> Any:
    scope: dict[str, Any] = {
        "LONGS": LONGS,
        "NULLABLE_LONGS": _NULLABLE_LONGS,
        "TEXTS": _TEXTS,
        "NULLABLE_TEXTS": _NULLABLE_TEXTS,
        "SharedList": SharedList,
        "encode_shared": _encode_shared,
        "large": _encode_large,
        "join": b"".join,
    }
    parts = [
        _expression(_without_cache(field["type"]) if field["name"] in unique else field["type"],
                    f"record[{field['name']!r}]", scope)
        for field in fields
    ]  # fmt: skip
    exec(source.format(parts=", ".join(parts)), scope)  # noqa: S102 - made from our own schema, never from input
    return scope["encode"]


def _without_cache(kind: Any) -> Any:
    return [kind[0], _UNIQUE] if isinstance(kind, list) else _UNIQUE


def _expression(kind: Any, value: str, scope: dict[str, Any]) -> str:
    if isinstance(kind, list):
        table = {"long": "NULLABLE_LONGS", "string": "NULLABLE_TEXTS"}.get(str(kind[1]))
        if table is not None:
            return f"{table}[{value}]"
        return f"b'\\0' if (value := {value}) is None else b'\\2' + {_expression(kind[1], 'value', scope)}"
    if isinstance(kind, dict) and kind["type"] == "array":
        name = f"array{len(scope)}"
        scope[name] = _array_encoder(kind["items"])
        return f"({name}(items) if (items := {value}) else b'\\0')"
    if isinstance(kind, dict):
        return f"large({value})"  # a time
    return {
        "string": f"TEXTS[{value}]",
        _UNIQUE: f"LONGS[len(raw := {value}.encode('utf-8', 'replace'))] + raw",
        "long": f"LONGS[{value}]",
        "boolean": f"(b'\\1' if {value} else b'\\0')",
        "bytes": f"LONGS[len(raw := {value})] + raw",
    }[kind]


def _array_encoder(kind: Any) -> Callable[[Sequence[Any]], bytes]:
    """Of one block with its count, then the end mark."""
    if isinstance(kind, dict) and kind["type"] == "record":
        encoder: Callable[[Sequence[Any]], bytes] = _compiled(_RECORDS, kind["fields"])
        return encoder
    encode_item: Callable[[Any], bytes] = _TEXTS.__getitem__ if kind == "string" else LONGS.__getitem__

    def encode(items: Sequence[Any]) -> bytes:
        if items.__class__ is SharedList:
            return _encode_shared(items, encode)
        return b"".join([LONGS[len(items)], *map(encode_item, items), b"\0"])

    return encode


def _encode_shared(items: SharedList, encode: Callable[[Sequence[Any]], bytes]) -> bytes:
    if items.encoded is None:
        items.encoded = encode([*items])
    return items.encoded
