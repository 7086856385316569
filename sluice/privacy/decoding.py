"""Content codings of a body undone as far as it goes and within a bound, so that rules see what is in it."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final, NamedTuple

_MAX_CODINGS: Final = 3
_MAX_WINDOW_BYTES: Final = 8 << 20  # RFC 9659, 3
_PIECE_BYTES: Final = 1 << 10


class Expanded(NamedTuple):
    """What a coded body holds, or its beginning."""

    body: bytes
    is_whole: bool


def expanded(body: bytes, codings: str, max_bytes: int) -> Expanded | None:
    """The beginning of a body without its codings; ``None`` where one is unknown, broken at once, or not installed."""
    names = [name for part in codings.lower().split(",") if (name := part.strip()) not in {"", "identity"}]
    if len(names) > _MAX_CODINGS:
        return None
    found = Expanded(body, is_whole=True)
    for name in reversed(names):
        expand = _DECODERS.get(name)
        step = expand(found.body, max_bytes) if expand else None
        if step is None or (found.body and not step.body):
            return None
        found = Expanded(step.body, found.is_whole and step.is_whole)
    return found


def _gzip(body: bytes, max_bytes: int) -> Expanded | None:
    parts: list[bytes] = []
    size, rest = 0, body
    while rest:
        decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        part, is_whole = _inflated(decoder, rest, max_bytes - size + 1)
        parts.append(part)
        size += len(part)
        if size > max_bytes or not is_whole:
            return Expanded(b"".join(parts)[:max_bytes], is_whole=False)
        rest = decoder.unused_data.lstrip(b"\0")
    return Expanded(b"".join(parts), is_whole=True)


def _deflate(body: bytes, max_bytes: int) -> Expanded | None:
    """With its wrapper, as it should be, or without, as some servers have it."""
    for wbits in (zlib.MAX_WBITS, -zlib.MAX_WBITS):
        part, is_whole = _inflated(zlib.decompressobj(wbits=wbits), body, max_bytes + 1)
        if part:
            return Expanded(part[:max_bytes], is_whole and len(part) <= max_bytes)
    return None


def _inflated(decoder: zlib._Decompress, body: bytes, max_bytes: int) -> tuple[bytes, bool]:
    """What can be read, whatever is behind it; and whether that was all."""
    parts: list[bytes] = []
    size = 0
    try:
        for start in range(0, len(body), _PIECE_BYTES):
            parts.append(
                decoder.decompress(decoder.unconsumed_tail + body[start : start + _PIECE_BYTES], max_bytes - size)
            )
            size += len(parts[-1])
            if size >= max_bytes:
                return b"".join(parts), False
            if decoder.eof:
                decoder.decompress(b"") if not decoder.unused_data else None
                return b"".join(parts), True
    except (zlib.error, ValueError):
        pass
    return b"".join(parts), False


def _brotli(body: bytes, max_bytes: int) -> Expanded | None:
    try:
        import brotli  # noqa: PLC0415 - not everywhere
    except ImportError:
        return None
    decoder = brotli.Decompressor()
    parts: list[bytes] = []
    size = 0
    try:
        piece = body
        while size <= max_bytes:
            parts.append(decoder.process(piece, output_buffer_limit=max_bytes + 1 - size))
            size += len(parts[-1])
            piece = b""
            if decoder.is_finished() or decoder.can_accept_more_data():
                break
    except brotli.error:
        return None if not size else Expanded(b"".join(parts)[:max_bytes], is_whole=False)
    return Expanded(b"".join(parts)[:max_bytes], decoder.is_finished() and size <= max_bytes)


def _zstd(body: bytes, max_bytes: int) -> Expanded | None:
    try:
        import zstandard  # noqa: PLC0415 - not everywhere
    except ImportError:
        return None
    reader = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES).stream_reader(body, read_across_frames=True)
    try:
        found = reader.read(max_bytes + 1)
    except (zstandard.ZstdError, MemoryError):
        return None
    return Expanded(found[:max_bytes], is_whole=len(found) <= max_bytes)


_DECODERS: Final[dict[str, Callable[[bytes, int], Expanded | None]]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
