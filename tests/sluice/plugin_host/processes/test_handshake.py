"""The first line: one is right, everything else says what is wrong with it."""

from __future__ import annotations

import pytest

from sluice.plugin_host.processes.handshake import HandshakeError, socket_of


@pytest.mark.parametrize(
    "line",
    [b"1|1|unix|/run/p/plugin1|grpc|", b"1|1|unix|/run/p/plugin1|grpc", b"1|1|unix|/run/p/plugin1|grpc||false\r"],
)
def test_the_socket_is_read(line: bytes) -> None:
    """With or without the certificate's empty field, and the one that says whether brokers are multiplexed."""
    assert socket_of(line) == "/run/p/plugin1"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"", "is not the line"),
        (b"hello", "is not the line"),
        (b"\xff\xfe|1|unix|/s|grpc|", "is no text"),
        (b"2|1|unix|/s|grpc|", "core protocol '2'"),
        (b"1|2|unix|/s|grpc|", "version '2'"),
        (b"1|01|unix|/s|grpc|", "version '01'"),
        (b"1|1|tcp|127.0.0.1:1234|grpc|", "listens on 'tcp'"),
        (b"1|1|unix|/s|netrpc|", "speaks 'netrpc'"),
        (b"1|1|unix|/s|grpc|MIIB", "wants TLS"),
        (b"1|1|unix|relative|grpc|", "no absolute path"),
        (b"1|1|unix|/a\x00b|grpc|", "no absolute path"),
        (b"1|1|unix|/" + b"x" * 107 + b"|grpc|", "more than 107 bytes"),
    ],
)
def test_anything_else_is_refused_by_name(line: bytes, problem: str) -> None:
    """The message says what was found, and what was expected."""
    with pytest.raises(HandshakeError, match=problem) as caught:
        socket_of(line)
    assert "expected 1|1|unix|" in str(caught.value)
    assert len(str(caught.value)) < 300
