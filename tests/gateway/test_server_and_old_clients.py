"""What clients of HTTP/1.0 get of the server: nothing that they cannot read."""

from __future__ import annotations

import pytest

from tests.contracts.scripted_upstream import turns
from tests.gateway.test_asgi import OK, Desk, answering, serving


@pytest.mark.parametrize("line", [b"", b"connection: keep-alive\r\n", b"proxy-connection: keep-alive\r\n"])
async def test_an_old_client_gets_no_chunks(line: bytes) -> None:
    """An answer without a length to HTTP/1.0 ends with its connection, whatever the client would like."""
    async with serving(answering(b"a", b"b", length=None)) as house:
        assert await house.whole(b"GET / HTTP/1.0\r\n%b\r\n" % line) == OK + b"connection: close\r\n\r\nab"


async def test_an_old_client_is_not_told_to_go_on() -> None:
    """HTTP/1.0 has no interim answers: the first it reads is the answer."""
    request = b"POST / HTTP/1.0\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n"
    async with serving(Desk()) as house:
        client = await house.connect(request)
        await turns(9)
        await client.send(b"abc")
        assert (await client.head()).startswith(b"HTTP/1.1 200 ")
