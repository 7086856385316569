"""What the flow needs of an HTTP client: one Protocol, behind it the lean client and aiohttp."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

Headers = list[tuple[bytes, bytes]]
"""Header lines in order; names lower-case, values as they are on the wire (latin-1 bytes)."""


class Origin(msgspec.Struct, frozen=True, cache_hash=True):
    """Where a vendor's server listens: what a connection pool is keyed by."""

    scheme: str
    host: str
    port: int
    allows_private: bool = True
    """Whether its name may resolve to loopback and private addresses; else no connection to one is made."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Deadlines of one upstream call, in seconds; all of them hold at once."""

    connect_seconds: float = 10.0
    first_byte_seconds: float = 120.0
    idle_seconds: float = 120.0
    total_seconds: float = 600.0


class UpstreamRequest(msgspec.Struct):
    """One request, ready for the wire; the client adds ``host`` (unless given), ``content-length`` and nothing else."""

    origin: Origin
    method: bytes
    target: bytes
    """Path and query, already percent-encoded, beginning with ``/``."""
    headers: Headers
    body: bytes
    timeouts: Timeouts


RELEASE_SECONDS = 1.0
"""How long a vendor may take to close an answer whose reader has all it needs; later its connection is dropped."""
MAX_RELEASED_BYTES = 256 << 10
"""And how much it may still send."""


Take = Callable[[bytes, bytes], bool]
"""Takes a piece of an answer, and where it came as one chunk of the chunked coding that chunk, its size line and all,
which may go on as it is; else ``b""``. Returns whether that is enough for now."""


class UpstreamResponse(Protocol):
    """An answer whose head has arrived; its body is pulled, so a slow reader slows the vendor down."""

    status: int
    headers: Headers

    async def read(self) -> bytes:
        """The next bytes as they came in (transfer coding removed, content coding kept); ``b""`` once, at the end.

        Raises ``UpstreamTimeout`` or ``UpstreamProtocolError``. The connection goes back to its pool when the end was
        read. Being cancelled closes the connection.
        """
        ...

    async def pump(self, take: Take) -> bool:
        """Give each piece to ``take`` as it comes, without waking anybody, until it returns true or the end is reached.

        Returns whether it was the end. Raises as ``read`` does, and what ``take`` raises, which ends the answer.
        """
        ...

    def release(self) -> None:
        """The reader needs nothing more: what the vendor still sends is dropped, and the connection goes back to its
        pool when that ends within a second; else it is closed. The answer must not be read any more."""
        ...

    def abort(self) -> None:
        """Close the connection now (client left, chunk refused); a pending or later ``read`` raises.

        Idempotent, and without effect once the end was read.
        """
        ...


class UpstreamClient(Protocol):
    """Sends requests to vendors, pooling connections per origin; one per worker, used from its loop alone."""

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """Send the whole request and wait for the answer's head (1xx are skipped).

        Raises ``UpstreamUnreachable``, ``UpstreamTimeout`` or ``UpstreamProtocolError``; ``ValueError``, before
        anything is sent, for a request that holds a line break, is no HTTP, or brings its own length. Being cancelled
        closes the connection. A kept one that was closed before it gave a byte is replaced once, in silence.
        """
        ...

    async def close(self) -> None:
        """Close all connections, those in use too."""
        ...
