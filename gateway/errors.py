"""What can go wrong with an exchange, by what to do about it.

GatewayError
└── UpstreamFault            the vendor's server failed us
    ├── UpstreamUnreachable  no connection: DNS, refused, TLS, pool exhausted; nothing was sent
    ├── UpstreamTimeout      connected, but a deadline ran out; ``phase`` says which
    └── UpstreamProtocolError  connected, but what came is not HTTP, or ended too early
"""

from __future__ import annotations


class GatewayError(Exception):
    """Anything that ends an exchange before its natural end."""


class UpstreamFault(GatewayError):  # noqa: N818 - named by whose fault it is
    """The vendor's server failed us; ``may_be_billed`` says whether the request may have reached it."""

    def __init__(self, message: str, *, may_be_billed: bool) -> None:
        super().__init__(message)
        self.may_be_billed = may_be_billed


class UpstreamUnreachable(UpstreamFault):
    """No connection could be made, so nothing was sent."""

    def __init__(self, message: str) -> None:
        super().__init__(message, may_be_billed=False)


class UpstreamTimeout(UpstreamFault):
    """A deadline ran out: ``phase`` is ``first_byte``, ``idle`` or ``total`` (``connect`` is unreachable)."""

    def __init__(self, phase: str, seconds: float) -> None:
        super().__init__(f"upstream {phase} timeout after {seconds:g} s", may_be_billed=True)
        self.phase = phase
        self.seconds = seconds


class UpstreamProtocolError(UpstreamFault):
    """What came back is not a well-formed HTTP answer, or ended before its end."""

    def __init__(self, message: str) -> None:
        super().__init__(message, may_be_billed=True)


class PortTakenError(Exception):
    """The gateway's port cannot be listened on; the message says which key to change. Nothing was started."""
