"""Tests of ``gateway.upstreams.vendors.anthropic.auth``: where keys stand."""

from __future__ import annotations

import pytest

from gateway.upstreams.client import Headers
from gateway.upstreams.vendors.anthropic.auth import key_header, key_of


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ([(b"x-api-key", b"abc")], "abc"),
        ([(b"x-api-key", b"  abc ")], "abc"),
        ([(b"x-api-key", b""), (b"x-api-key", b"abc")], "abc"),
        ([(b"x-api-key", b" ")], None),
        ([(b"api-key", b"abc"), (b"authorization", b"Bearer x")], None),
        ([(b"x-api-key", b"\xff\xe9")], "\xff\xe9"),
        ([], None),
    ],
)
def test_a_client_s_key_is_in_one_header(headers: Headers, key: str | None) -> None:
    """``x-api-key``, spaces apart; another vendor's header is none."""
    assert key_of(headers) == key


def test_our_key_goes_where_the_vendor_wants_it() -> None:
    """And nowhere else; no key is no header."""
    assert key_header("sk-ant") == [(b"x-api-key", b"sk-ant")]
    assert key_header("") == []
