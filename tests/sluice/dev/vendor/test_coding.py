"""Bodies in content codings, and bodies that explode."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard

from sluice.dev.vendor.coding import MEBIBYTE, coded, padded

PIECES = [b"one", b"two", b"three"]
READERS: dict[str, Callable[[], Callable[[bytes], bytes]]] = {
    "gzip": lambda: zlib.decompressobj(31).decompress,
    "deflate": lambda: zlib.decompressobj(15).decompress,
    "br": lambda: brotli.Decompressor().process,
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj().decompress,
}


@pytest.mark.parametrize("coding", READERS)
def test_each_piece_can_be_read_when_it_arrives(coding: str) -> None:
    """As a stream's client needs it; the last one closes the coding."""
    read = READERS[coding]()
    assert [read(piece) for piece in coded(PIECES, coding)] == PIECES


def test_without_a_coding_nothing_changes() -> None:
    """Neither do the pieces' borders."""
    assert coded(PIECES, "") == PIECES


@pytest.mark.parametrize("coding", READERS)
def test_a_bomb_is_small_until_it_is_read(coding: str) -> None:
    """Eight MiB in a few kilobytes."""
    made = b"".join(coded(padded([b"{", b"}"], 8), coding))
    assert len(made) < 64 << 10
    assert sum(map(len, padded([b"{", b"}"], 8))) == 8 * MEBIBYTE + 2
    assert READERS[coding]()(made).strip(b"{}\n") == b""
