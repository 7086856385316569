"""Tests of ``gateway.upstreams.framing``: what goes over the wire is one request, whatever it was made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstreams.client import Headers, Origin, Timeouts, UpstreamRequest
from gateway.upstreams.framing import added_headers, check_request, host_of, request_head

ORIGIN = Origin("https", "api.example.com", 443)


def request(**changes: object) -> UpstreamRequest:
    """A request with some things changed."""
    fields: dict[str, object] = {"method": b"POST", "target": b"/v1", "headers": [], "body": b"x", **changes}
    return UpstreamRequest(ORIGIN, timeouts=Timeouts(), **fields)  # type: ignore[arg-type]


def test_a_head_is_written_in_order() -> None:
    """Request line, the caller's headers as they are, what is added, an empty line."""
    head = request_head(request(headers=[(b"b", b"1"), (b"a", b"caf\xe9"), (b"b", b"")]))
    assert head == (
        b"POST /v1 HTTP/1.1\r\nb: 1\r\na: caf\xe9\r\nb: \r\nhost: api.example.com\r\ncontent-length: 1\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("scheme", "host", "port", "value"),
    [
        ("https", "a.example", 443, b"a.example"),
        ("http", "a.example", 80, b"a.example"),
        ("http", "a.example", 443, b"a.example:443"),
        ("https", "::1", 443, b"[::1]"),
        ("http", "::1", 8080, b"[::1]:8080"),
    ],
)
def test_host_has_a_port_where_it_is_not_the_scheme_s(scheme: str, host: str, port: int, value: bytes) -> None:
    """As browsers write it; an IPv6 address in brackets."""
    assert host_of(Origin(scheme, host, port)) == value


@pytest.mark.parametrize(
    ("method", "body", "announced"),
    [(b"GET", b"", False), (b"DELETE", b"", False), (b"POST", b"", True), (b"GET", b"x", True)],
)
def test_a_length_is_announced_where_it_means_something(method: bytes, body: bytes, announced: bool) -> None:
    """A body always has a length, an empty one only where a body is expected."""
    names = [name for name, _ in added_headers(request(method=method, body=body))]
    assert (b"content-length" in names) is announced


TOKEN = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize("byte", range(256))
def test_which_bytes_stand_where(byte: int) -> None:
    """Each of a token in a name and, in either case, in a method; each that is printable in a target, but ``#``; all in
    a value but three."""
    one = bytes((byte,))
    assert is_taken(headers=[(b"a" + one, b"v")]) is (one in TOKEN)
    assert is_taken(method=b"A" + one) is (one.lower() in TOKEN)
    assert is_taken(target=b"/" + one) is (0x20 < byte < 0x7F and one != b"#")
    assert is_taken(headers=[(b"a", b"v" + one)]) is (one not in b"\r\n\0")


@pytest.mark.parametrize(
    "changes",
    [
        {"method": b""},
        {"target": b""},
        {"target": b"v1"},
        {"headers": [(b"a", b"v"), (b"", b"v")]},
        {"headers": [(b"content-length", b"1")]},
        {"headers": [(b"a", b"v"), (b"transfer-encoding", b"chunked")]},
    ],
    ids=str,
)
def test_what_has_no_name_or_a_framing_of_its_own_is_refused(changes: dict[str, object]) -> None:
    """Before a connection is made."""
    assert is_taken()
    assert not is_taken(**changes)


def is_taken(**changes: object) -> bool:
    """Whether such a request is one."""
    try:
        check_request(request(**changes))
    except ValueError:
        return False
    return True


@given(
    st.binary(max_size=6),
    st.binary(max_size=8).map(lambda rest: b"/" + rest),
    st.lists(st.tuples(st.binary(max_size=6), st.binary(max_size=8)), max_size=3),
)
def test_a_head_is_one_head_or_none(method: bytes, target: bytes, headers: Headers) -> None:
    """Whatever a plugin makes up: either it is refused, or the head has exactly the lines it was given, and no other
    end than its own; so no part of it can be taken for a second request."""
    try:
        head = request_head(request(method=method, target=target, headers=headers))
    except ValueError:
        return
    lines = head.split(b"\r\n")
    assert lines[0] == method + b" " + target + b" HTTP/1.1"
    assert lines[1 : 1 + len(headers)] == [name + b": " + value for name, value in headers]
    assert lines[-2:] == [b"", b""]
    assert head.count(b"\r\n\r\n") == 1
    assert b"\n" not in head.replace(b"\r\n", b"")
    assert b"\r" not in head.replace(b"\r\n", b"")
