"""Ports that are found again."""

from __future__ import annotations

import random

from sluice.dev.servers.ports import free_port, is_free


def test_ports_lie_below_the_ephemeral_range() -> None:
    """A port that must be found again after a kill cannot be given to an outgoing connection meanwhile."""
    port = free_port()
    assert is_free(port)
    assert port < 32_768


def test_no_port_is_given_twice() -> None:
    """A broker has two, and listens on neither when it is told of the second; a seed set by others changes nothing."""
    random.seed(0)
    given = [free_port() for _ in range(100)]
    random.seed(0)
    given += [free_port() for _ in range(100)]
    assert len(set(given)) == 200
