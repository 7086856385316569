"""Certificates: who is trusted, by file or fingerprint, who we are; over real handshakes."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from sluice.eventstore.elasticsearch_http import (
    ElasticsearchDistrustError,
    ElasticsearchHttp,
    ElasticsearchUnreachableError,
)
from sluice.eventstore.elasticsearch_tls import DistrustError, Tls, open_context
from tests.collectors.sinks.scripted_http import ScriptedHttp


def fingerprint_of(pem: trustme.Blob) -> str:
    """SHA-256 of a certificate."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.bytes().decode())).hexdigest()


@asynccontextmanager
async def serving(
    authority: trustme.CA, shown: Callable[[trustme.LeafCert], list[trustme.Blob]], *, asks: bool = False
) -> AsyncIterator[tuple[ScriptedHttp, trustme.LeafCert]]:
    """A server on localhost that shows these certificates, and may ask for the client's."""
    certificate = authority.issue_cert("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    chain = b"".join(part.bytes() for part in shown(certificate))
    with trustme.Blob(certificate.private_key_pem.bytes() + chain).tempfile() as path:
        context.load_cert_chain(path)
    if asks:
        context.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(context)
    server = ScriptedHttp(context)
    await server.start()
    yield server, certificate
    await server.close()


def own(certificate: trustme.LeafCert) -> list[trustme.Blob]:
    """The server's certificate alone."""
    return certificate.cert_chain_pems


async def ask(url: str, tls: Tls) -> int:
    """The status of an answer."""
    client = ElasticsearchHttp(url, tls=tls, timeout_seconds=5)
    try:
        return (await client.request("GET", "_cluster/health")).status
    finally:
        await client.close()


async def test_a_ca_by_its_fingerprint_is_the_only_one_trusted() -> None:
    """What it signed passes; the same name signed by another does not, though it shows the pinned CA behind it."""
    authority, other = trustme.CA(), trustme.CA()
    tls = Tls(ca_fingerprint=fingerprint_of(authority.cert_pem))
    async with serving(authority, lambda leaf: [*own(leaf), authority.cert_pem]) as (server, _):
        assert await ask(server.url, tls) == 200
        with pytest.raises(ElasticsearchDistrustError, match=r"Hostname|IP address"):
            await ask(server.url.replace("localhost", "127.0.0.1"), tls)
    async with serving(other, lambda leaf: [*own(leaf), authority.cert_pem]) as (server, _):
        with pytest.raises(ElasticsearchDistrustError):
            await ask(server.url, tls)
        assert server.requests == []  # nothing was sent to it


async def test_a_server_by_its_own_fingerprint() -> None:
    """Whatever it is called: the certificate can be nobody else's."""
    async with serving(trustme.CA(), own) as (server, certificate):
        tls = Tls(ca_fingerprint=fingerprint_of(certificate.cert_chain_pems[0]))
        assert await ask(server.url, tls) == 200
        assert await ask(server.url.replace("localhost", "127.0.0.1"), tls) == 200


async def test_a_fingerprint_that_nobody_shows() -> None:
    """A server that does not show its CA cannot be judged by it: the remedy names the file."""
    authority = trustme.CA()
    async with serving(authority, own) as (server, _):
        with pytest.raises(DistrustError, match="ca_file"):
            await open_context(Tls(ca_fingerprint=fingerprint_of(authority.cert_pem)), "localhost", server.port, 5)


async def test_a_client_certificate(tmp_path: Path) -> None:
    """Shown to a server that asks, with its key beside it or apart; without one nothing is answered."""
    authority = trustme.CA()
    me = authority.issue_cert("collector")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    me.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "both.pem"))
    me.cert_chain_pems[0].write_to_path(str(tmp_path / "me.pem"))
    me.private_key_pem.write_to_path(str(tmp_path / "me.key"))
    ca = str(tmp_path / "ca.pem")
    async with serving(authority, own, asks=True) as (server, _):
        assert await ask(server.url, Tls(ca, certificate_file=str(tmp_path / "both.pem"))) == 200
        assert await ask(server.url, Tls(ca, "", str(tmp_path / "me.pem"), str(tmp_path / "me.key"))) == 200
        with pytest.raises(ElasticsearchUnreachableError):  # it hangs up after the handshake: no reason is told
            await ask(server.url, Tls(ca))
        assert len(server.requests) == 2


@pytest.mark.parametrize("content", [None, "nothing"])
async def test_files_that_cannot_be_used(tmp_path: Path, content: str | None) -> None:
    """Absent or no PEM: the key is named, and once it is mended the next request finds it."""
    path = tmp_path / "file.pem"
    if content is not None:
        path.write_text(content)
    for tls, key in ((Tls(ca_file=str(path)), "ca_file"), (Tls(certificate_file=str(path)), "client_certificate_file")):
        with pytest.raises(DistrustError, match=key):
            await open_context(tls, "localhost", 1, 1)


async def test_a_mended_file_is_read_again(tmp_path: Path) -> None:
    """A halted sink asks now and then: it needs no restart."""
    authority, path = trustme.CA(), tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    async with serving(authority, own) as (server, _):
        client = ElasticsearchHttp(server.url, tls=Tls(str(path)), timeout_seconds=5)
        with pytest.raises(ElasticsearchDistrustError):
            await client.request("GET", "x")
        authority.cert_pem.write_to_path(str(path))
        assert (await client.request("GET", "x")).status == 200
        await client.close()
