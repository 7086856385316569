"""The contract of upstream clients over TLS: who is trusted, and how a cut is told from an end."""

from __future__ import annotations

from pathlib import Path

from gateway.errors import UpstreamProtocolError, UpstreamUnreachable
from gateway.upstreams.client import Origin
from tests.contracts.scripted_upstream import Peer, until
from tests.contracts.upstream_bench import (
    Bench,
    Recorder,
    ask,
    fault_of,
    fetch,
    on_both_clients,
    read_all,
    trust,
)

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def answer_all(peer: Peer) -> None:
    """Answer every request of a connection."""
    while await peer.request() is not None:
        await peer.send(OK)


@on_both_clients
async def test_tls_is_spoken_and_verified(bench: Bench, tmp_path: Path) -> None:
    """A certificate of a trusted authority for the right name is accepted, and the connection kept."""
    server = await bench.upstream(answer_all, names="localhost")
    client = bench.client(tls=trust(tmp_path / "ca.pem"))
    for _ in range(2):
        assert (await fetch(client, ask(server.origin)))[2] == b"ok"
    assert server.connections == 1


@on_both_clients
async def test_an_address_can_have_a_certificate(bench: Bench, tmp_path: Path) -> None:
    """An IP address is verified against the certificate's addresses."""
    server = await bench.upstream(answer_all, names="127.0.0.1")
    client = bench.client(tls=trust(tmp_path / "ca.pem"))
    assert (await fetch(client, ask(Origin("https", "127.0.0.1", server.origin.port))))[2] == b"ok"
    fault = await fault_of(client, ask(server.origin))  # localhost is not what the certificate says
    assert type(fault) is UpstreamUnreachable


@on_both_clients
async def test_an_unknown_authority_is_refused(bench: Bench) -> None:
    """Without its authority a certificate is worth nothing, and not a byte of the request goes out."""
    script = Recorder()
    server = await bench.upstream(script, names="localhost")
    fault = await fault_of(bench.client(), ask(server.origin))
    assert type(fault) is UpstreamUnreachable
    assert "certificate verify failed" in str(fault)
    assert script.asked == []


@on_both_clients
async def test_a_certificate_for_another_name_is_refused(bench: Bench, tmp_path: Path) -> None:
    """A trusted authority does not make up for the wrong name."""
    server = await bench.upstream(answer_all, names="other.example")
    fault = await fault_of(bench.client(tls=trust(tmp_path / "ca.pem")), ask(server.origin))
    assert type(fault) is UpstreamUnreachable
    assert "localhost" in str(fault)


@on_both_clients
async def test_tls_to_a_server_that_speaks_none_is_unreachable(bench: Bench) -> None:
    """A plain answer to a TLS greeting means that nothing was sent."""

    async def script(peer: Peer) -> None:
        await peer.reader.read(1)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    server = await bench.upstream(script)
    fault = await fault_of(bench.client(), ask(Origin("https", "127.0.0.1", server.origin.port)))
    assert type(fault) is UpstreamUnreachable


@on_both_clients
async def test_tls_tells_a_cut_from_an_end(bench: Bench, tmp_path: Path) -> None:
    """A body without length that ends without ``close_notify`` was cut: somebody between may have done it."""

    async def script(peer: Peer) -> None:
        asked = await peer.request()
        assert asked is not None
        length = b"content-length: 5\r\n" if asked.target == b"/whole" else b""
        await peer.send(b"HTTP/1.1 200 OK\r\n" + length + b"\r\nhello")
        if asked.target != b"/":
            peer.cut()
            await peer.until_closed()

    server = await bench.upstream(script, names="localhost")
    client = bench.client(tls=trust(tmp_path / "ca.pem"))
    assert (await fetch(client, ask(server.origin)))[2] == b"hello"
    assert type(await fault_of(client, ask(server.origin, b"/cut"))) is UpstreamProtocolError
    response = await client.send(ask(server.origin, b"/whole"))
    await until(lambda: server.open == 0)
    assert await read_all(response) == b"hello"
