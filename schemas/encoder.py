"""Writes Avro record bodies: one function per schema, generated when first asked for.

The gateway writes three events for every exchange, so this is on its hot path. A function that knows its schema and
joins ready-made byte strings costs about a third of fastavro's generic writer (see ``tests/benchmarks``); fastavro
decodes what is written here in the contract tests, and stays the decoder everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby
from typing import Any, Protocol, cast


class Encoder(Protocol):
    """Writes records of one schema."""

    def __call__(self, head: bytes, /, *values: Any) -> bytes:
        """A record's fields, all of them and in the schema's order, behind ``head``; raises TypeError or AttributeError
        on what does not fit, OverflowError on a number beyond 64 bits.

        Arguments, and not a record: an event has up to forty fields, and a dict of them takes longer to be filled and
        read than all of them to be written.
        """
        ...


_SMALL = 8192
_UNIQUE = "unique string"

# Fourteen bits at a time, and no loop: every event has two times since the epoch, of eight bytes each.
_BITS, _MASK = 14, (1 << 14) - 1
_LOW_BITS, _LOW_MASK = 2 * _BITS, (1 << 2 * _BITS) - 1
_INNER = tuple(bytes((bits & 0x7F | 0x80, bits >> 7 | 0x80)) for bits in range(1 << _BITS))
_EVEN = _INNER[::2]
_MEDIUM = 1 << 2 * _BITS - 1
"""What is not small and below it is in two parts: costs, and durations of up to two minutes."""
_EVEN_BITS, _EVEN_MASK = _BITS - 1, (1 << _BITS - 1) - 1
_LAST = tuple(bytes((bits,)) if bits < 0x80 else bytes((bits & 0x7F | 0x80, bits >> 7)) for bits in range(1 << _BITS))


def _encode_large(value: int) -> bytes:
    if _SMALL <= value < _MEDIUM:
        return _EVEN[value & _EVEN_MASK] + _LAST[value >> _EVEN_BITS]
    bits = value << 1 if value >= 0 else ~(value << 1)
    high = bits >> _LOW_BITS
    if high:
        if high >> 64 - _LOW_BITS:
            message = f"{value} does not fit in 64 bits"
            raise OverflowError(message)
        low = bits & _LOW_MASK  # within one of the digits that CPython's integers consist of: quicker from here on
        return _INNER[low & _MASK] + _INNER[low >> _BITS] + (_known_high(high) or _highs[high])
    return _INNER[bits & _MASK] + _LAST[bits >> _BITS] if bits > _MASK else _LAST[bits]


class _Highs(dict[int, bytes]):
    """What is left above 28 bits: of a time, that stays the same for two minutes."""

    def __missing__(self, high: int) -> bytes:
        bits, out = high, b""
        while bits > _MASK:
            out += _INNER[bits & _MASK]
            bits >>= _BITS
        if len(self) >= _MAX_HIGHS:
            self.clear()
        encoded = self[high] = out + _LAST[bits]
        return encoded


_MAX_HIGHS = 64
_highs = _Highs()
_known_high = _highs.get
"""What CPython specialises is ``get``: a subscript of a dict's subclass with ``__missing__`` costs four times as much,
and a call of its ``__getitem__`` twice."""


class _Longs(dict[int, bytes]):
    """Encoded integers, small ones ready: one subscript instead of a comparison and a call. Others are not kept."""

    __missing__ = staticmethod(_encode_large)


LONGS = _Longs((value, _encode_large(value)) for value in range(_SMALL))
"""Avro's variable-length zig-zag integers; OverflowError outside 64 bits, which no reader could read."""


SMALL_LONGS = tuple(LONGS.values())
"""The small ones by themselves: a subscript of a tuple costs less than any of a table."""
_SMALL_NULLABLE_LONGS = tuple(b"\2" + encoded for encoded in SMALL_LONGS)
"""The same behind the mark of a union's branch."""
known_long = LONGS.get
"""For those of which most are small; see ``_known_high``."""


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
        encoded = self.mark + (known_long(len(raw)) or LONGS[len(raw)]) + raw
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


def values_encoder(
    fields: Sequence[Mapping[str, Any]], unique: Collection[str] = (), alike: Collection[str] = ()
) -> Encoder:
    """An encoder of the given Avro fields, in their order. The texts of ``unique`` fields never repeat: no cache is
    asked for them. Those that are ``alike`` in many records, which arrays are not, are looked up together where they
    follow one another."""
    return _Source(unique, alike).encoder(fields)


_RECORD = """\
def encode(head, {parameters}):
    return join((
        head, {parts},
    ))
"""

_RECORDS = """\
def encode(items):
    if items.__class__ is SharedList:
        return encode_shared(items, encode)
    parts = [known_long(len(items)) or LONGS[len(items)]]
    for record in items:
        parts += (
            {parts},
        )
    parts.append(b'\\0')
    return join(parts)
"""
"""Of an array: a call for each of its records would cost as much as the record."""


class _Source:
    """Writes the source of encoders."""

    def __init__(self, unique: Collection[str] = (), alike: Collection[str] = ()) -> None:
        self._unique = unique
        self._alike = alike
        self._scope: dict[str, Any] = {
            "longs": SMALL_LONGS,
            "nullable_longs": _SMALL_NULLABLE_LONGS,
            "text": _TEXTS.__getitem__,
            "known_text": _TEXTS.get,
            "nullable_text": _NULLABLE_TEXTS.__getitem__,
            "known_nullable_text": _NULLABLE_TEXTS.get,
            "SharedList": SharedList,
            "encode_shared": _encode_shared,
            "even": _EVEN,
            "last": _LAST,
            "LONGS": LONGS,
            "known_long": known_long,
            "large": _encode_large,
            "join": b"".join,
        }

    def encoder(self, fields: Sequence[Mapping[str, Any]]) -> Encoder:
        """Of one record."""
        encoder: Encoder = self._compiled(_RECORD, fields, "_{}", ", ".join(f"_{field['name']}" for field in fields))
        return encoder

    def array_encoder(self, fields: Sequence[Mapping[str, Any]]) -> Callable[[Sequence[Any]], bytes]:
        """Of an array of records."""
        encoder: Callable[[Sequence[Any]], bytes] = self._compiled(_RECORDS, fields, "record[{!r}]")
        return encoder

    def _compiled(self, source: str, fields: Sequence[Mapping[str, Any]], value: str, parameters: str = "") -> Any:
        """A function of one of the sources above, in which the ``value`` of a field is written so."""
        parts = ", ".join(self._parts(fields, value))
        exec(source.format(parts=parts, parameters=parameters), self._scope)  # noqa: S102 - our own schema, no input
        return self._scope["encode"]

    def _parts(self, fields: Sequence[Mapping[str, Any]], value: str) -> Iterator[str]:
        for is_alike, group in groupby(fields, lambda field: field["name"] in self._alike):
            run = [*group]
            if is_alike and len(run) > 1:
                runs = _runs_of(json.dumps([field["type"] for field in run]))
                known, look_up = self._named("known", runs.get), self._named("run", runs.__getitem__)
                values = ", ".join(value.format(field["name"]) for field in run)
                yield f"{known}(run := ({values})) or {look_up}(run)"
                continue
            for field in run:
                kind = _without_cache(field["type"]) if field["name"] in self._unique else field["type"]
                yield self._expression(kind, value.format(field["name"]))

    def _expression(self, kind: Any, value: str) -> str:
        """One that makes the bytes of a value, or some with commas between."""
        # an argument is read as often as it is needed; what is looked up in a record gets a name when it is read first
        first, again = (value, value) if value.isidentifier() else (f"(raw := {value})", "raw")
        medium = f"even[{again} & {_EVEN_MASK}] + last[{again} >> {_EVEN_BITS}]"  # without the call: most durations
        not_small = f"({medium} if 0 <= {again} < {_MEDIUM} else large({again}))"
        if isinstance(kind, list):
            if kind[1] == "string":
                return f"known_nullable_text({first}) or nullable_text({again})"
            if kind[1] == _UNIQUE:
                text = "b'\\2' + LONGS[len(raw := raw.encode('utf-8', 'replace'))]"
                return f"b'\\0' if (raw := {value}) is None else {text}, raw or b''"
            present = {
                "long": f"nullable_longs[{again}] if 0 <= {again} < {_SMALL} else b'\\2' + {not_small}",
                "bytes": f"nullable_longs[size] if (size := len({again})) < {_SMALL} else b'\\2' + large(size), "
                f"{again} or b''",
            }[kind[1]]
            return f"b'\\0' if {first} is None else {present}"
        if isinstance(kind, dict) and kind["type"] == "array":
            array = self._named("array", self._array(kind["items"]))
            return f"{array}({again}) if {first} else b'\\0'"
        if isinstance(kind, dict):
            return f"large({value})"  # a time
        return {
            "string": f"known_text({first}) or text({again})",
            _UNIQUE: f"known_long(len(raw := {value}.encode('utf-8', 'replace'))) or LONGS[len(raw)], raw",
            "long": f"longs[{again}] if 0 <= {first} < {_SMALL} else {not_small}",
            "boolean": f"b'\\1' if {value} else b'\\0'",
            "bytes": f"known_long(len({first})) or LONGS[len({again})], {again}",
        }[kind]

    def _array(self, kind: Any) -> Callable[[Sequence[Any]], bytes]:
        """Of one block with its count, then the end mark."""
        if isinstance(kind, dict) and kind["type"] == "record":
            return _Source((), self._alike).array_encoder(kind["fields"])
        encode_count = LONGS.__getitem__
        encode_item: Callable[[Any], bytes] = _TEXTS.__getitem__ if kind == "string" else encode_count

        def encode(items: Sequence[Any]) -> bytes:
            if items.__class__ is SharedList:
                return _encode_shared(items, encode)
            return b"".join([encode_count(len(items)), *map(encode_item, items), b"\0"])

        return encode

    def _named(self, what: str, function: Callable[..., bytes]) -> str:
        name = f"{what}{len(self._scope)}"
        self._scope[name] = function
        return name


def _without_cache(kind: Any) -> Any:
    return [kind[0], _UNIQUE] if isinstance(kind, list) else _UNIQUE


class _Runs(dict[tuple[Any, ...], bytes]):
    """Encoded fields that follow one another: what is the same for an app, an LLM or a model takes one look."""

    def __init__(self, encode: Encoder) -> None:
        super().__init__()
        self._encode = encode

    def __missing__(self, run: tuple[Any, ...]) -> bytes:
        encoded = self._encode(b"", *run)
        if len(encoded) <= _MAX_RUN_BYTES:
            if len(self) >= _MAX_RUNS:
                self.clear()
            self[run] = encoded
        return encoded


_MAX_RUNS = 4096
_MAX_RUN_BYTES = 128


@cache
def _runs_of(kinds: str) -> _Runs:
    """Of fields of these types: those of two events may be the same."""
    fields = [{"name": at, "type": kind} for at, kind in enumerate(json.loads(kinds))]
    return _Runs(_Source().encoder(fields))


def _encode_shared(items: SharedList, encode: Callable[[Sequence[Any]], bytes]) -> bytes:
    if items.encoded is None:
        items.encoded = encode([*items])
    return items.encoded
