"""Bounds of an upstream client: everything it holds says how much of it there may be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """Bounds of one client, which is to say of one worker."""

    max_connections_per_origin: int = 256
    """Further requests wait in line, at most for their connect timeout."""
    max_idle_seconds: float = 30.0
    """Half of the shortest common idle timeout in front of vendors (AWS load balancers: 60 s; nginx: 75 s), so that a
    kept connection is rarely one which the vendor is closing at this very moment."""
    max_age_seconds: float = 300.0
    """A busy connection would otherwise outlive every change of the vendor's DNS; the answer in hand is finished."""
    max_header_bytes: int = 64 * 1024
    """Of one answer's head, and of its trailers, and of anything else that is neither head nor body."""
    max_headers: int = 256
    max_buffered_bytes: int = 256 * 1024
    """Unread body at which a connection stops reading; one more read (at most 256 KiB) may be on its way."""
    sweep_seconds: float = 0.25
    """How often deadlines are looked at, and so how late a timeout may be."""


DEFAULT_LIMITS = ClientLimits()
