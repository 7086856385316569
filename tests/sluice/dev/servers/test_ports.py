"""Ports that are found again."""

from __future__ import annotations

from sluice.dev.servers.ports import free_port, is_free


def test_ports_lie_below_the_ephemeral_range() -> None:
    """A port that must be found again after a kill cannot be given to an outgoing connection meanwhile."""
    port = free_port()
    assert is_free(port)
    assert port < 32_768
