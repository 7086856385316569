"""Tests of ``gateway.upstreams.decoding``: every coding, broken ones, and bombs."""

from __future__ import annotations

import gzip
import time
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstreams.decoding import UndecodableError, decode


def raw_deflate(body: bytes) -> bytes:
    """Without the wrapper that the standard wants."""
    encoder = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return encoder.compress(body) + encoder.flush()


def zstd(body: bytes) -> bytes:
    """One frame."""
    return zstandard.ZstdCompressor().compress(body)


ENCODERS = {
    b"gzip": gzip.compress,
    b"x-gzip": gzip.compress,
    b"GZip ": gzip.compress,
    b"deflate": zlib.compress,
    b"identity, deflate": raw_deflate,
    b"br": brotli.compress,
    b"zstd": zstd,
}


@pytest.mark.parametrize("coding", ENCODERS)
@pytest.mark.parametrize("body", [b"", b"x", b'{"usage":{}}' * 500])
def test_what_was_encoded_is_decoded(coding: bytes, body: bytes) -> None:
    """To the byte, up to exactly the bound."""
    encoded = ENCODERS[coding](body)
    assert decode(encoded, coding, max(len(body), 1)) == body
    if len(body) > 1:
        with pytest.raises(UndecodableError) as raised:
            decode(encoded, coding, len(body) - 1)
        assert raised.value.code == "expanded_too_large"


def test_several_codings_are_undone_from_the_last() -> None:
    """In the order in which they were applied; more than three are nobody's."""
    body = brotli.compress(gzip.compress(b"hello"))
    assert decode(body, b"gzip, br", 100) == b"hello"
    with pytest.raises(UndecodableError):
        decode(body, b"br, gzip", 100)
    with pytest.raises(UndecodableError) as raised:
        decode(body, b"gzip, gzip, gzip, gzip", 100)
    assert raised.value.code == "coding_unknown"


def test_members_behind_one_another_are_one_body() -> None:
    """Of gzip, and frames of zstd; zeros behind the last are padding."""
    assert decode(gzip.compress(b"a") + gzip.compress(b"b") + b"\0\0", b"gzip", 9) == b"ab"
    assert decode(zstd(b"a") + zstd(b"b"), b"zstd", 9) == b"ab"


@pytest.mark.parametrize("coding", [None, b"", b"identity", b" Identity ,"])
def test_no_coding_is_the_body(coding: bytes | None) -> None:
    """As it came, whatever its size."""
    assert decode(b"x" * 100, coding, 1) == b"x" * 100


@pytest.mark.parametrize("coding", [b"compress", b"dcb", b"x", b"gzip;q=1"])
def test_other_codings_are_unknown(coding: bytes) -> None:
    """Said so, never guessed."""
    with pytest.raises(UndecodableError) as raised:
        decode(gzip.compress(b"x"), coding, 9)
    assert raised.value.code == "coding_unknown"


@pytest.mark.parametrize("coding", ENCODERS)
def test_cut_bodies_are_broken(coding: bytes) -> None:
    """At whatever byte: half an answer's usage is no usage."""
    encoded = ENCODERS[coding](bytes(range(256)) * 4)
    for size in range(1, len(encoded), 7):
        with pytest.raises(UndecodableError) as raised:
            decode(encoded[:size], coding, 10_000)
        assert raised.value.code == "coding_broken"


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br", b"zstd"])
@given(body=st.binary(min_size=1, max_size=40))
def test_garbage_is_an_error_of_ours(coding: bytes, body: bytes) -> None:
    """Nothing but bytes or ``UndecodableError``, and never more than the bound."""
    try:
        expanded = decode(body, coding, 100)
    except UndecodableError as error:
        expanded = error.code.encode()
    assert len(expanded) <= 100


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br", b"zstd"])
def test_a_bomb_is_given_up_at_the_bound(coding: bytes) -> None:
    """Half a gigabyte in some kilobytes: what is expanded is a megabyte, at once."""
    parts = [bytes(1 << 20)] * 512
    if coding == b"br":
        encoder = brotli.Compressor(quality=1)
        bomb = b"".join([*(encoder.process(part) for part in parts), encoder.finish()])
    elif coding == b"zstd":
        zstd_encoder = zstandard.ZstdCompressor(level=1).compressobj()
        bomb = b"".join([*(zstd_encoder.compress(part) for part in parts), zstd_encoder.flush()])
    else:
        zlib_encoder = zlib.compressobj(1, wbits=31 if coding == b"gzip" else 15)
        bomb = b"".join([*(zlib_encoder.compress(part) for part in parts), zlib_encoder.flush()])
    started = time.process_time()
    with pytest.raises(UndecodableError) as raised:
        decode(bomb, coding, 1 << 20)
    assert raised.value.code == "expanded_too_large"
    assert time.process_time() - started < 0.2


def test_a_window_beyond_what_http_allows_is_not_made() -> None:
    """A frame of zstd may ask for gigabytes of memory before its first byte."""
    huge = zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters(window_log=27, compression_level=1)
    ).compressobj()
    encoded = huge.compress(b"x" * 100) + huge.flush()
    with pytest.raises(UndecodableError) as raised:
        decode(encoded, b"zstd", 1 << 20)
    assert raised.value.code == "coding_broken"
