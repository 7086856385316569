"""Who may pause a service: no page in a browser of the host, no name that resolves to it, nobody without the token."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, make_mocked_request

from collectors.guarding import refusal

JSON = {"content-type": "application/json"}


class Transport:
    """Of a connection from somewhere."""

    def __init__(self, peer: str | None) -> None:
        self._peer = peer

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (self._peer, 40_000) if name == "peername" and self._peer else default


def asked(peer: str | None = "127.0.0.1", **headers: str) -> web.Request:
    """A request to pause; ``_`` in a header's name is a dash."""
    named = {"host": "127.0.0.1:9464", **JSON, **{name.replace("_", "-"): value for name, value in headers.items()}}
    transport: Any = Transport(peer)
    request: web.Request = make_mocked_request("POST", "/services/a/pause", headers=named, transport=transport)
    return request


@pytest.mark.parametrize(
    "request_",
    [
        asked(),
        asked("::1", host="[::1]:9464"),
        asked(host="localhost:9464"),
        asked(origin="http://127.0.0.1:9464"),
        asked(content_type="application/json; charset=utf-8"),
    ],
)
def test_who_asks_from_this_host_may(request_: web.Request) -> None:
    """By a loopback address, and declared as JSON."""
    assert refusal(request_, "") is None


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (asked("10.0.0.7"), 403),
        (asked("::ffff:10.0.0.7"), 403),
        (asked(None), 403),
        (asked(x_forwarded_for="10.0.0.7"), 403),
        (asked(forwarded="for=10.0.0.7"), 403),
        (asked(host="evil.example:9464"), 403),
        (asked(host="127.0.0.1.evil.example"), 403),
        (asked(host=""), 403),
        (asked(host="[::1"), 403),
        (asked(origin="http://evil.example"), 403),
        (asked(origin="null"), 403),
        (asked(origin="http://127.0.0.1:8080"), 403),
        (asked(content_type="application/x-www-form-urlencoded"), 415),
        (asked(content_type="text/plain"), 415),
        (asked(content_type="multipart/form-data; boundary=x"), 415),
    ],
)
def test_who_else_asks_may_not(request_: web.Request, status: int) -> None:
    """Simple forms, pages of other origins, names that resolve here, other hosts, and whom a proxy stands before."""
    found = refusal(request_, "")
    assert found is not None
    assert found[0] == status
    assert found[1]


@pytest.mark.parametrize(
    ("shown", "status"),
    [
        ("Bearer s3cret", None),
        ("bearer s3cret", None),
        ("", 401),
        ("Bearer", 401),
        ("Bearer s3cre", 401),
        ("Bearer s3cret2", 401),
        ("Basic s3cret", 401),
        ("Bearer \u00e9", 401),
    ],
)
def test_with_a_token_it_must_be_shown_from_everywhere(shown: str, status: int | None) -> None:
    """Also from this host; from elsewhere it is enough. A form still is none."""
    for peer in ("127.0.0.1", "10.0.0.7"):
        found = refusal(asked(peer, authorization=shown, host="collectors.internal"), "s3cret")
        assert (found[0] if found else None) == status
    form = refusal(asked(authorization="Bearer s3cret", content_type="text/plain"), "s3cret")
    assert form is not None
    assert form[0] == 415


@pytest.mark.parametrize(
    ("host", "shown", "token", "status"),
    [
        (b"127.0.0.1", b"Bearer \xff\xfe", "s3cret", b"401"),
        (b"127.0.0.1", b"Bearer s3cr\xc3\xa9t", "s3cr\u00e9t", b"200"),
        (b"[::1", b"", "", b"403"),
        (b"[", b"", "", b"403"),
        (b"127.0.0.1:x", b"", "", b"200"),
    ],
)
async def test_bytes_that_are_no_text_are_refused_and_break_nothing(
    host: bytes, shown: bytes, token: str, status: bytes
) -> None:
    """Whatever stands in a header of a real connection: an answer, and no fault of ours."""

    async def change(request: web.Request) -> web.Response:
        refused = refusal(request, token)
        return web.Response(status=refused[0] if refused else 200)

    app = web.Application()
    app.router.add_post("/", change)
    async with TestServer(app) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        head = b"POST / HTTP/1.1\r\nhost: %s\r\nauthorization: %s\r\ncontent-type: application/json\r\n" % (host, shown)
        writer.write(head + b"content-length: 0\r\nconnection: close\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 60)
        writer.close()
        await writer.wait_closed()
    assert answer.split()[1] == status
