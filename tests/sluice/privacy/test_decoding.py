"""Codings undone: within a bound, and as far as they go."""

from __future__ import annotations

import gzip
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from sluice.privacy.decoding import expanded

TEXT = bytes(range(32, 127)) * 50
CODED = {
    "gzip": gzip.compress(TEXT),
    "x-gzip": gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:]),
    "deflate": zlib.compress(TEXT),
    "br": brotli.compress(TEXT),
    "zstd": zstandard.compress(TEXT),
    "identity": TEXT,
    "deflate, gzip": gzip.compress(zlib.compress(TEXT)),
    " GZIP ": gzip.compress(TEXT),
}


@pytest.mark.parametrize("coding", CODED)
def test_a_whole_body_is_what_was_coded(coding: str) -> None:
    """In each coding, and in one behind the other."""
    assert expanded(CODED[coding], coding, 1 << 20) == (TEXT, True)


def test_deflate_without_its_wrapper() -> None:
    """As some servers have it."""
    compressor = zlib.compressobj(wbits=-15)
    assert expanded(compressor.compress(TEXT) + compressor.flush(), "deflate", 1 << 20) == (TEXT, True)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_more_than_the_bound_is_cut(coding: str) -> None:
    """And said to be; bombs included."""
    found = expanded(CODED[coding], coding, 100)
    assert found == (TEXT[:100], False)
    bomb = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress, "zstd": zstandard.compress}[coding]
    assert expanded(bomb(bytes(20_000_000)), coding, 1000) == (bytes(1000), False)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_of_a_cut_body_the_beginning_is_read(coding: str) -> None:
    """As a kept copy is."""
    compress = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress}[coding]
    text = b"".join(b"%d " % (number * number) for number in range(20_000))
    coded = compress(text)
    found = expanded(coded[: len(coded) // 2], coding, 1 << 20)
    assert found is not None
    assert not found.is_whole
    assert text.startswith(found.body)


@given(st.binary(min_size=1, max_size=200), st.sampled_from(["gzip", "deflate", "br", "zstd", "lzma", "gzip,br"]))
def test_no_body_breaks_it(body: bytes, coding: str) -> None:
    """What is no such coding is ``None``, or a beginning of something."""
    found = expanded(body, coding, 100)
    assert found is None or len(found.body) <= 100


@pytest.mark.parametrize("codings", ["lzma", "gzip, gzip, gzip, gzip", "aes128gcm"])
def test_what_is_not_known_is_not_guessed(codings: str) -> None:
    """Nobody could say what is in it."""
    assert expanded(b"abc", codings, 100) is None
