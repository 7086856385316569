"""Free ports for servers that will be killed and must find the same port again."""

from __future__ import annotations

import random
import socket
from contextlib import closing

LOOPBACK = "127.0.0.1"

_FIRST, _LAST = 20_000, 31_999
"""Below every usual ephemeral range (Linux 32768, macOS and IANA 49152): while a server is down, no client's outgoing
connection can be given its port, and no client that retries can connect to itself."""

_ATTEMPTS = 200
_random = random.SystemRandom()  # not the process's own: tests set that to the same seed again and again
_given: set[int] = set()


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now, and that this process was not given before: whoever
    has it may not listen yet."""
    for _ in range(_ATTEMPTS):
        port = _random.randint(_FIRST, _LAST)
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise OSError(f"no free port between {_FIRST} and {_LAST} on {LOOPBACK}: end some servers")


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
