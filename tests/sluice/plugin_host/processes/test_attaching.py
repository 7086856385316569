"""Plainly to this machine, with TLS to any other, with a token where one is asked for."""

from __future__ import annotations

from pathlib import Path

import grpc.aio
import pytest
import trustme

from sluice.plugin_host.errors import PluginLoadError
from sluice.plugin_host.processes.attaching import attach, is_loopback
from sluice.plugin_host.processes.calls import PLUGIN, Calls
from sluice.plugin_host.processes.faults import CallFailed
from sluice.plugin_wire import plugin_pb2
from tests.sluice.plugin_host.processes.peers import make_registration, serving, willing


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("[::1]", True),
        ("localhost", True),
        ("127.0.0.1.example.org", False),
        ("localhost.example.org", False),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_only_what_can_be_nothing_else_is_this_machine(host: str, expected: bool) -> None:
    """A name that merely looks like it is somebody else's."""
    assert is_loopback(host) is expected


async def test_a_token_goes_along_with_every_call(tmp_path: Path) -> None:
    """From the environment or a file, as a bearer."""
    (tmp_path / "token").write_text("from-file\n")
    peer = willing()
    async with serving(peer) as port:
        for token, expected in (("env:TOKEN", "from-env"), ("file:token", "from-file")):
            registration = make_registration(f"grpc://127.0.0.1:{port}", token=token)
            attachment = attach(registration, tmp_path, {"TOKEN": "from-env"})
            calls = Calls(attachment.channel, 1000, attachment.metadata)
            await calls.call(PLUGIN + "Ping", plugin_pb2.PingRequest(), plugin_pb2.PingResponse)
            await calls.close("done")
            assert peer.metadata["authorization"] == f"Bearer {expected}"
            assert attachment.is_local


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"token": "env:NOWHERE"}, "NOWHERE is not set"),
        ({"token": "file:missing"}, r"its token .*missing cannot be read \(FileNotFoundError\)"),
        ({"token": "file:empty"}, "empty is empty"),
        ({"token": "file:lines"}, "no header takes"),
        ({"ca_file": "missing"}, "its ca_file .*missing cannot be read"),
    ],
)
def test_what_is_not_there_is_named(tmp_path: Path, fields: dict[str, str], problem: str) -> None:
    """Never with the token itself."""
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "lines").write_text("secret\nsecret")
    with pytest.raises(PluginLoadError, match=problem) as caught:
        attach(make_registration("grpc://127.0.0.1:1", **fields), tmp_path, {})
    assert "secret" not in str(caught.value)


async def test_tls_where_an_authority_is_given(tmp_path: Path) -> None:
    """And nobody else's certificate is taken, nor one for another name; why there is no connection is said."""
    authority, other = trustme.CA(), trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "right.pem")
    other.cert_pem.write_to_path(tmp_path / "wrong.pem")
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((willing(),))
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    credentials = grpc.ssl_server_credentials([(certificate.private_key_pem.bytes(), chain)])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    for host, name, problem in (
        ("127.0.0.1", "right.pem", ""),
        ("127.0.0.1", "wrong.pem", "CERTIFICATE_VERIFY_FAILED"),
        ("localhost", "right.pem", "[Hh]ostname|not match|verif"),
    ):
        attachment = attach(make_registration(f"grpc://{host}:{port}", ca_file=name), tmp_path, {})
        calls = Calls(attachment.channel, 1000)
        if not problem:
            await calls.reach(5)
            assert await calls.call(PLUGIN + "Ping", plugin_pb2.PingRequest(), plugin_pb2.PingResponse)
        else:
            with pytest.raises(CallFailed, match=rf"no connection within 0.1 s \(.*({problem})"):
                await calls.reach(0.1)
            with pytest.raises(CallFailed, match="the connection was lost"):
                await calls.call(PLUGIN + "Ping", plugin_pb2.PingRequest(), plugin_pb2.PingResponse)
        await calls.close("done")
    await server.stop(None)


async def test_another_machine_is_never_spoken_to_plainly(tmp_path: Path) -> None:
    """Without TLS at the other end there is no connection, and no token on the wire."""
    peer = willing()
    async with serving(peer, "0.0.0.0:0") as port:
        registration = make_registration(f"grpc://0.0.0.0:{port}", token="env:T")
        attachment = attach(registration, tmp_path, {"T": "token"})
        calls = Calls(attachment.channel, 1000, attachment.metadata)
        with pytest.raises(CallFailed, match="the connection was lost"):
            await calls.call(PLUGIN + "Ping", plugin_pb2.PingRequest(), plugin_pb2.PingResponse)
        await calls.close("done")
    assert peer.calls == []
    assert not attachment.is_local
