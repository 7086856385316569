"""Content codings undone, within a bound of the expanded size: for the usage in a body, which itself passes as it came.

A few bytes can stand for gigabytes; what would pass the bound is given up as soon as it does.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final

import brotli
import zstandard

_MAX_CODINGS: Final = 3
_MAX_WINDOW_BYTES: Final = 8 << 20  # what a decoder of HTTP must have room for, and need not exceed (RFC 9659, 3)


class UndecodableError(ValueError):
    """A body that cannot be read; ``code`` is ``coding_unknown``, ``coding_broken`` or ``expanded_too_large``."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def decode(body: bytes, content_encoding: bytes | None, max_bytes: int) -> bytes:
    """The body without its codings, at most ``max_bytes``; raises ``UndecodableError``."""
    if not content_encoding:
        return body
    names = [name.strip().lower() for name in content_encoding.split(b",")]
    names = [name for name in names if name not in {b"", b"identity"}]
    if len(names) > _MAX_CODINGS:
        raise UndecodableError("coding_unknown")
    for name in reversed(names):
        body = _decode_one(body, name, max_bytes)
    return body


def _decode_one(body: bytes, name: bytes, max_bytes: int) -> bytes:
    expand = _DECODERS.get(name)
    if expand is None:
        raise UndecodableError("coding_unknown")
    try:
        expanded, is_whole = expand(body, max_bytes + 1)
    except (zlib.error, brotli.error, zstandard.ZstdError, MemoryError) as error:
        raise UndecodableError("coding_broken") from error
    if len(expanded) > max_bytes:
        raise UndecodableError("expanded_too_large")
    if not is_whole:
        raise UndecodableError("coding_broken")
    return expanded


def _gzip(body: bytes, max_bytes: int) -> tuple[bytes, bool]:
    """Of several members one behind the other all are the body (RFC 1952, 2.2)."""
    parts: list[bytes] = []
    size, rest = 0, body
    while rest and size < max_bytes:
        decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        parts.append(decoder.decompress(rest, max_bytes - size))
        size += len(parts[-1])
        if not decoder.eof:
            return b"".join(parts), False
        rest = decoder.unused_data.lstrip(b"\0")
    return b"".join(parts), bool(parts)


def _deflate(body: bytes, max_bytes: int) -> tuple[bytes, bool]:
    """With its wrapper, as it should be, or without, as some servers have it."""
    try:
        decoder = zlib.decompressobj()
        return decoder.decompress(body, max_bytes), decoder.eof
    except zlib.error:
        decoder = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
        return decoder.decompress(body, max_bytes), decoder.eof


def _brotli(body: bytes, max_bytes: int) -> tuple[bytes, bool]:
    decoder = brotli.Decompressor()
    parts = [decoder.process(body, output_buffer_limit=max_bytes)]
    size = len(parts[0])
    while size < max_bytes and not decoder.is_finished() and not decoder.can_accept_more_data():
        parts.append(decoder.process(b"", output_buffer_limit=max_bytes - size))
        size += len(parts[-1])
    return b"".join(parts), decoder.is_finished()


def _zstd(body: bytes, max_bytes: int) -> tuple[bytes, bool]:
    """A reader knows a bound but not whether the end was there; once the size is known, the other way tells that."""
    decoder = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)
    expanded = decoder.stream_reader(body, read_across_frames=True).read(max_bytes)
    if len(expanded) >= max_bytes:
        return expanded, True
    rest = body
    while rest:
        frame = decoder.decompressobj()
        frame.decompress(rest)
        if not frame.eof:
            return expanded, False
        rest = frame.unused_data
    return expanded, bool(body)


_DECODERS: Final[dict[bytes, Callable[[bytes, int], tuple[bytes, bool]]]] = {
    b"gzip": _gzip,
    b"x-gzip": _gzip,
    b"deflate": _deflate,
    b"br": _brotli,
    b"zstd": _zstd,
}
