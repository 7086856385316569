"""The contract of upstream clients: what goes over the wire, what is refused, who is asked again, who is trusted."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from pathlib import Path

import pytest

from gateway.errors import UpstreamProtocolError, UpstreamUnreachable
from gateway.upstreams.client import Headers, Origin, Timeouts
from tests.contracts.scripted_upstream import Peer, turns, until
from tests.contracts.upstream_bench import (
    DIFFERENCES,
    Bench,
    Recorder,
    ask,
    fault_of,
    fetch,
    on_both_clients,
    trust,
)

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def answer_all(peer: Peer) -> None:
    """Answer every request of a connection."""
    while await peer.request() is not None:
        await peer.send(OK)


@on_both_clients
async def test_a_request_is_written_as_it_was_given(bench: Bench) -> None:
    """Method, target, header lines in their order and case, body: byte for byte; added are ``host`` and
    ``content-length`` alone, at the end."""
    script = Recorder()
    server, client = await bench.upstream(script), bench.client()
    headers: Headers = [
        (b"x-b", b"2"),
        (b"authorization", b"Bearer k"),
        (b"x-a", b"1"),
        (b"x-b", b"caf\xc3\xa9, tab\there"),
        (b"accept-encoding", b"identity"),
        (b"content-type", b"application/json"),
        (b"x-empty", b""),
    ]
    target = b"/v1//a/../b/%7e%2F;p=1?q=%20+1&r=/?&s={x}|[y]"
    await fetch(client, ask(server.origin, target, method=b"POST", headers=headers, body=b'{"a":1}'))
    port = server.origin.port
    expected = [b"POST " + target + b" HTTP/1.1"]
    expected += [name + b": " + value for name, value in headers]
    expected += [b"host: 127.0.0.1:%d" % port, b"content-length: 7"]
    assert script.asked[0].lines == expected
    assert script.asked[0].body == b'{"a":1}'


@on_both_clients
async def test_host_is_written_once(bench: Bench) -> None:
    """A ``host`` of the caller's stands as it is, where it is."""
    script = Recorder()
    server, client = await bench.upstream(script), bench.client()
    await fetch(client, ask(server.origin, headers=[(b"host", b"api.example.com"), (b"x", b"y")]))
    assert script.asked[0].lines == [b"GET / HTTP/1.1", b"host: api.example.com", b"x: y"]


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"DELETE", b"POST", b"PUT", b"PATCH", b"PROPFIND"])
@on_both_clients
async def test_an_empty_body_is_announced_where_one_is_expected(bench: Bench, method: bytes) -> None:
    """``content-length: 0`` goes out for methods that usually have a body, and for no other."""
    script = Recorder()
    server, client = await bench.upstream(script), bench.client()
    await fetch(client, ask(server.origin, method=method))
    announced = b"content-length: 0" in script.asked[0].lines
    assert announced == (method in {b"POST", b"PUT", b"PATCH", b"PROPFIND"})


@on_both_clients
async def test_a_get_may_have_a_body(bench: Bench) -> None:
    """A body goes out whatever the method."""
    script = Recorder()
    server, client = await bench.upstream(script), bench.client()
    await fetch(client, ask(server.origin, method=b"GET", body=b"x" * 10))
    assert script.asked[0].body == b"x" * 10


@on_both_clients
async def test_the_odd_ends_of_a_target(bench: Bench) -> None:
    """An empty query keeps its question mark on one client and loses it on the other."""
    script = Recorder()
    server, client = await bench.upstream(script), bench.client()
    await fetch(client, ask(server.origin, b"/a?"))
    kept = bench.differs("a target that ends with ?") == "as given"
    assert script.asked[0].target == (b"/a?" if kept else b"/a")


@on_both_clients
async def test_header_values_that_are_not_utf8(bench: Bench) -> None:
    """A latin-1 value goes out as it is, or not at all."""
    script = Recorder()
    server, client = await bench.upstream(script), bench.client()
    request = ask(server.origin, headers=[(b"x", b"caf\xe9")])
    if bench.differs("a request header that is not UTF-8") == "as given":
        await fetch(client, request)
        assert b"x: caf\xe9" in script.asked[0].lines
    else:
        with pytest.raises(ValueError, match="UTF-8"):
            await client.send(request)
        assert server.connections == 0


@on_both_clients
async def test_lower_case_methods(bench: Bench) -> None:
    """A method goes out as it is given, or not at all."""
    script = Recorder()
    server, client = await bench.upstream(script), bench.client()
    if bench.differs("a method in lower case") == "as given":
        await fetch(client, ask(server.origin, method=b"get"))
        assert script.asked[0].lines[0] == b"get / HTTP/1.1"
    else:
        with pytest.raises(ValueError, match="upper case"):
            await client.send(ask(server.origin, method=b"get"))


BAD_REQUESTS = {
    "line break in a value": {"headers": [(b"x", b"a\r\nevil: 1")]},
    "CR in a value": {"headers": [(b"x", b"a\rb")]},
    "LF in a value": {"headers": [(b"x", b"a\nb")]},
    "NUL in a value": {"headers": [(b"x", b"a\0b")]},
    "line break in a name": {"headers": [(b"x\r\ny", b"a")]},
    "colon in a name": {"headers": [(b"x:", b"a")]},
    "no name": {"headers": [(b"", b"a")]},
    "name in upper case": {"headers": [(b"X-A", b"a")]},
    "a length of the caller's": {"headers": [(b"content-length", b"1")]},
    "a coding of the caller's": {"headers": [(b"transfer-encoding", b"chunked")]},
    "line break in the target": {"target": b"/a\r\nx: y"},
    "space in the target": {"target": b"/a b"},
    "target without a slash": {"target": b"a"},
    "empty target": {"target": b""},
    "fragment": {"target": b"/a#b"},
    "target beyond ASCII": {"target": b"/caf\xe9"},
    "line break in the method": {"method": b"GET / HTTP/1.1\r\nx:"},
    "no method": {"method": b""},
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
@on_both_clients
async def test_requests_that_would_not_arrive_as_one_are_refused(bench: Bench, name: str) -> None:
    """They are a ``ValueError`` before a connection is made, so nobody can smuggle a second request."""
    server, client = await bench.upstream(answer_all), bench.client()
    with pytest.raises(ValueError, match=r"."):
        await client.send(ask(server.origin, **BAD_REQUESTS[name]))  # type: ignore[arg-type]
    await turns(3)
    assert server.connections == 0


@on_both_clients
async def test_other_schemes_are_refused(bench: Bench) -> None:
    """Only http and https are spoken."""
    with pytest.raises(ValueError, match="ftp"):
        await bench.client().send(ask(Origin("ftp", "127.0.0.1", 21)))


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 64 + ".invalid", "a..b", "127.0.0.1"])
@on_both_clients
async def test_an_origin_that_is_not_there_is_unreachable(bench: Bench, host: str) -> None:
    """No such name, no name at all, nobody who listens: nothing was sent, so nothing may be billed."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        fault = await fault_of(bench.client(), ask(Origin("http", host, unused.getsockname()[1])))
    assert type(fault) is UpstreamUnreachable
    assert not fault.may_be_billed
    assert host in str(fault)


@pytest.mark.parametrize("ending", ["closed", "reset"])
@pytest.mark.parametrize("size", [0, 300_000])
@on_both_clients
async def test_a_stale_connection_is_replaced_once_in_silence(bench: Bench, ending: str, size: int) -> None:
    """A kept connection that the vendor closes as our request arrives gave no byte: the request goes out again, on
    a new connection, whatever its method."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        if peer.number == 1:
            await peer.reader.readuntil(b"\r\n\r\n")
            if ending == "reset":
                peer.reset()
            return
        await answer_all(peer)

    server, client = await bench.upstream(script), bench.client()
    for _ in range(2):
        assert (await fetch(client, ask(server.origin, method=b"POST", body=b"x" * size)))[2] == b"ok"
    assert server.connections == 2


@on_both_clients
async def test_a_vendor_that_restarted_costs_one_retry(bench: Bench) -> None:
    """When every kept connection is dead, the replacement is a new one, not the next dead one."""
    together = asyncio.Barrier(3)

    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number <= 3:
            await together.wait()
        await peer.send(OK)
        await peer.request()
        if peer.number > 3:
            await peer.send(OK)

    server, client = await bench.upstream(script), bench.client()
    await asyncio.gather(*(fetch(client, ask(server.origin)) for _ in range(3)))
    assert server.connections == 3
    assert (await fetch(client, ask(server.origin, method=b"POST")))[2] == b"ok"
    assert server.connections == 4


@pytest.mark.parametrize("first", [b"H", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 C\r\n\r\n"])
@pytest.mark.parametrize("ending", ["closed", "reset"])
@on_both_clients
async def test_a_connection_that_gave_a_byte_is_never_replaced(bench: Bench, first: bytes, ending: str) -> None:
    """A vendor that began to answer has our request: it is not sent again, even by a method that would allow it."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        await peer.send(first)
        await turns(10)  # read by the client before the reset, which may overtake it
        if ending == "reset":
            peer.reset()

    server, client = await bench.upstream(script), bench.client()
    assert (await fetch(client, ask(server.origin)))[2] == b"ok"
    assert type(await fault_of(client, ask(server.origin))) is UpstreamProtocolError
    assert server.connections == 1


@pytest.mark.parametrize("ending", ["closed", "reset"])
@on_both_clients
async def test_a_new_connection_is_never_replaced(bench: Bench, ending: str) -> None:
    """A vendor that closes a fresh connection without an answer may have done the work."""

    async def script(peer: Peer) -> None:
        await peer.request()
        if ending == "reset":
            peer.reset()

    server, client = await bench.upstream(script), bench.client()
    fault = await fault_of(client, ask(server.origin))
    assert type(fault) is UpstreamProtocolError
    assert fault.may_be_billed
    assert server.connections == 1


@on_both_clients
async def test_the_replacement_is_not_replaced(bench: Bench) -> None:
    """One silent retry, no more."""

    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number == 1:
            await peer.send(OK)
            await peer.request()

    server, client = await bench.upstream(script), bench.client()
    assert (await fetch(client, ask(server.origin)))[2] == b"ok"
    assert type(await fault_of(client, ask(server.origin))) is UpstreamProtocolError
    assert server.connections == 2


@on_both_clients
async def test_a_large_request_arrives_whole(bench: Bench, tmp_path: Path) -> None:
    """Megabytes arrive byte for byte, over TLS too, and the connection is kept."""
    body = bytes(range(256)) * 8192

    async def script(peer: Peer) -> None:
        while (asked := await peer.request()) is not None:
            digest = hashlib.sha256(asked.body).hexdigest().encode()
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 64\r\n\r\n" + digest)

    client = bench.client(tls=trust(tmp_path / "ca.pem"))
    for names in ("", "localhost"):
        server = await bench.upstream(script, names=names)
        for _ in range(2):
            request = ask(server.origin, method=b"POST", body=body, timeouts=Timeouts(5, 5, 5, 10))
            assert (await fetch(client, request))[2] == hashlib.sha256(body).hexdigest().encode()
        assert server.connections == 1


@on_both_clients
async def test_an_answer_may_come_before_the_request_is_out(bench: Bench) -> None:
    """A vendor that refuses a large request at once is heard; the connection, half written, is not used again."""

    async def script(peer: Peer) -> None:
        peer.shrink_buffers()
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
        await peer.until_closed()

    server, client = await bench.upstream(script), bench.client()
    for number in (1, 2):
        status, _, body = await fetch(client, ask(server.origin, method=b"POST", body=bytes(64 << 20)))
        assert (status, body) == (413, b"no")
        await until(lambda: server.open == 0)
        assert server.connections == number


def test_the_table_of_differences_is_the_readme_s() -> None:
    """Every difference that a test holds is in the package's README, with both columns and the reason."""
    readme = Path("gateway/upstreams/README.md").read_text("utf-8")
    for name, row in DIFFERENCES.items():
        assert f"| {name} | {row.lean} | {row.aiohttp} | {row.why} |" in readme
