"""Requests in any pieces."""

from __future__ import annotations

import pytest

from sluice.dev.vendor.wire import BadRequestError, cut_request


def test_a_request_may_come_in_any_pieces() -> None:
    """Cut at every byte, with a declared length or in chunks with trailers, it is the same request."""
    chunked = b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nt: 1\r\n\r\n"
    declared = b"POST /a HTTP/1.1\r\nContent-Length:  5\r\n\r\nabcde"
    for whole in (chunked, declared):
        for cut in range(len(whole)):
            assert cut_request(whole[:cut]) is None
        found = cut_request(whole + b"GET")
        assert found is not None
        assert (found[0].target, found[0].body, found[1]) == (b"/a", b"abcde", len(whole))
    with pytest.raises(BadRequestError):
        cut_request(b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n")
