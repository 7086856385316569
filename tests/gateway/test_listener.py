"""The port is had, or refused in words, before anything else starts."""

from __future__ import annotations

import socket

import pytest

from gateway.errors import PortTakenError
from gateway.listener import Listeners, listen, listen_for
from gateway.settings import Settings


def test_a_taken_port_is_named_with_its_key() -> None:
    """Operators read which setting to change."""
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(PortTakenError, match=rf"127\.0\.0\.1:{port} is taken: set gateway\.port"):
            listen("127.0.0.1", port)


def test_a_foreign_address_is_refused() -> None:
    """An address that is not this machine's cannot be listened on."""
    with pytest.raises(PortTakenError, match="cannot be listened on"):
        listen("192.0.2.1", 0)


def test_ipv6_is_listened_on() -> None:
    """An address with colons is IPv6."""
    with listen("::1", 0) as listener:
        assert listener.getsockname()[0] == "::1"


def settings_of(listen_at: str, *, enabled: bool = True) -> Settings:
    """A gateway on any port, its control API at an address."""
    sections = {"gateway": {"port": 0}, "control": {"listen": listen_at, "enabled": enabled}}
    return Settings.model_validate(sections)


@pytest.mark.parametrize(
    ("listen_at", "enabled", "count"), [("", True, 1), ("[::1]:0", True, 2), ("[::1]:0", False, 1)]
)
def test_the_control_api_may_have_a_socket_of_its_own(listen_at: str, enabled: bool, count: int) -> None:
    """Where it is served and has an address; workers are told of each socket by its number."""
    with listen_for(settings_of(listen_at, enabled=enabled)) as listeners:
        numbers = listeners.numbers()
        assert len(numbers) == count
        assert listeners.options()[1::2] == [str(number) for number in numbers]
        assert listeners.options()[::2] == ["--listener", "--control-listener"][:count]
    assert listeners.gateway.fileno() == -1


def test_a_taken_address_of_the_control_api_is_named_with_its_key() -> None:
    """And the gateway's own socket is let go."""
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(PortTakenError, match=rf"127\.0\.0\.1:{port} is taken: set control\.listen"),
            listen_for(settings_of(f"127.0.0.1:{port}")),
        ):
            pass
    assert Listeners(taken).numbers() == (-1,)


def test_what_is_accepted_is_known_as_tcp() -> None:
    """By this asyncio decides whether to set TCP_NODELAY: without it small writes wait for acknowledgements."""
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()), listener.dup() as worker:
        worker.settimeout(5.0)
        accepted, _ = worker.accept()
        with accepted:
            assert accepted.proto == socket.IPPROTO_TCP
