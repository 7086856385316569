"""Tests of ``gateway.upstreams.dial``: which address, and whom to trust."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.errors import UpstreamUnreachable
from gateway.upstreams.client import Origin
from gateway.upstreams.dial import closed_properly, new_socket, tls_context
from tests.contracts.scripted_upstream import Peer
from tests.contracts.upstream_bench import Bench, Variant, ask, fault_of, fetch


async def answer(peer: Peer) -> None:
    """Answer one request."""
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")


def resolve_to(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> list[str]:
    """Let every name have these addresses; returns the names asked for."""
    asked: list[str] = []

    async def getaddrinfo(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in hosts]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    return asked


async def test_a_dead_address_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with several addresses is reached by the first that answers, and asked for at each new connection."""
    async with Bench(Variant("lean", "asyncio")) as bench:
        server, client = await bench.upstream(answer), bench.client()
        asked = resolve_to(monkeypatch, "127.0.0.2", "127.0.0.3", "127.0.0.1")
        for number in (1, 2):
            assert (await fetch(client, ask(Origin("http", "vendor.test", server.origin.port))))[2] == b"ok"
            assert asked == ["vendor.test"] * number


@pytest.mark.parametrize("addresses", [[], ["127.0.0.2"], ["127.0.0.2", "127.0.0.3"]])
async def test_no_address_that_answers_is_unreachable(addresses: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a name that has no address at all."""
    async with Bench(Variant("lean", "asyncio")) as bench:
        server, client = await bench.upstream(answer), bench.client()
        resolve_to(monkeypatch, *addresses)
        fault = await fault_of(client, ask(Origin("http", "vendor.test", server.origin.port)))
        assert type(fault) is UpstreamUnreachable


async def test_a_name_that_came_to_be_private_is_not_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the origin may not be private: whatever the name resolved to when it was stored. Of several addresses the
    private ones are passed over; who may is not kept from it, and neither is given the other's connections."""
    async with Bench(Variant("lean", "asyncio")) as bench:
        server, client = await bench.upstream(answer), bench.client()
        resolve_to(monkeypatch, "127.0.0.1")
        trusted = Origin("http", "vendor.test", server.origin.port)
        assert (await fetch(client, ask(trusted)))[2] == b"ok"
        fault = await fault_of(client, ask(msgspec.structs.replace(trusted, allows_private=False)))
        assert type(fault) is UpstreamUnreachable
        assert "allow_private_endpoints" in str(fault)
        assert server.connections == 1


def test_a_context_always_verifies(tmp_path: Path) -> None:
    """Certificates and names are verified, old versions refused; a file that holds no certificate is an error at
    once, not at the first request."""
    context = tls_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(ssl.SSLError):
        tls_context(str(tmp_path / "ca.pem"))


def test_sockets_send_at_once_and_notice_a_silent_death() -> None:
    """Small pieces are not held back, and clouds that forget silent connections are kept awake."""
    with new_socket(socket.AF_INET, socket.SOCK_STREAM, 0) as sock:
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.gettimeout() == 0.0


def test_without_tls_every_close_is_proper() -> None:
    """There is nothing more to a plain connection's end."""
    assert closed_properly(None)
