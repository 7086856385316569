"""Tests of ``gateway.upstreams.vendors.ollama.auth``."""

from __future__ import annotations

from gateway.upstreams.vendors.ollama.auth import raw_header


def test_the_key_goes_out_as_it_is_configured() -> None:
    """With whatever scheme stands before it; none by default."""
    assert raw_header("Bearer abc") == [(b"authorization", b"Bearer abc")]
    assert raw_header("Basic dTpw") == [(b"authorization", b"Basic dTpw")]
    assert raw_header("abc") == [(b"authorization", b"abc")]
    assert raw_header("") == []
