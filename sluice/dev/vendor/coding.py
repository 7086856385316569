"""Bodies in a content coding, piece by piece, so that each can be read when it arrives; and bodies that explode."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Protocol

MEBIBYTE = 1 << 20
_PADDING = b"\n" * MEBIBYTE
"""Nothing, in JSON, in lines of it and between server-sent events."""


class _Coder(Protocol):
    def code(self, piece: bytes) -> bytes:
        """A piece, so that all of it can be read."""
        ...

    def end(self) -> bytes:
        """What closes the coding."""
        ...


class _Zlib:
    def __init__(self, window: int) -> None:
        self._made = zlib.compressobj(level=1, wbits=window)

    def code(self, piece: bytes) -> bytes:
        return self._made.compress(piece) + self._made.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._made.flush(zlib.Z_FINISH)


class _Brotli:
    def __init__(self) -> None:
        self._made = import_module("brotli").Compressor(quality=4)

    def code(self, piece: bytes) -> bytes:
        return bytes(self._made.process(piece) + self._made.flush())

    def end(self) -> bytes:
        return bytes(self._made.finish())


class _Zstandard:
    def __init__(self) -> None:
        self._library = import_module("zstandard")
        self._made = self._library.ZstdCompressor().compressobj()

    def code(self, piece: bytes) -> bytes:
        flush = self._library.COMPRESSOBJ_FLUSH_BLOCK
        return bytes(self._made.compress(piece) + self._made.flush(flush))

    def end(self) -> bytes:
        return bytes(self._made.flush())


def coded(pieces: Iterable[bytes], coding: str) -> list[bytes]:
    """The pieces in a coding; as they are where it is empty."""
    if not coding:
        return list(pieces)
    coder = _coder_of(coding)
    made = [coder.code(piece) for piece in pieces]
    return [*made[:-1], b"".join([*made[-1:], coder.end()])]


def padded(pieces: list[bytes], mebibytes: int) -> Iterator[bytes]:
    """So many MiB of nothing before the last piece: in a coding, next to no bytes on the wire."""
    yield from pieces[:-1]
    for _ in range(mebibytes):
        yield _PADDING
    yield from pieces[-1:]


def _coder_of(coding: str) -> _Coder:
    if coding == "br":
        return _Brotli()
    if coding == "zstd":
        return _Zstandard()
    return _Zlib(31 if coding == "gzip" else 15)
