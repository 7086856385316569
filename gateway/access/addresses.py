"""Who a client is by its address: networks that are allowed, and proxies that are believed."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network

_MAX_PROXIES = 16
"""In a row. A header that names thousands is not read to its end."""


def parse_network(block: str) -> Network:
    """A CIDR block or a single address; ValueError with what to write instead."""
    try:
        return ip_network(block, strict=False)
    except ValueError:
        message = f"{block!r} is no network; write an address or a CIDR block, e.g. 10.0.0.0/8 or 2001:db8::/32"
        raise ValueError(message) from None


@lru_cache(maxsize=65_536)
def is_within(address: str, networks: tuple[Network, ...]) -> bool:
    """Whether an address is in one of the networks; one that cannot be read is in none."""
    parsed = _parse(address)
    return parsed is not None and any(parsed.version == network.version and parsed in network for network in networks)


def client_of(peer: str, forwarded_for: str, proxies: tuple[Network, ...]) -> str:
    """The client's address: the last of ``X-Forwarded-For`` that is no proxy of ours, where the peer is one.

    What a client writes in front of that is its own claim, and is not believed.
    """
    if not proxies or not is_within(peer, proxies):
        return peer
    client = peer
    for entry in reversed(forwarded_for.rsplit(",", _MAX_PROXIES)):
        address = entry.strip()
        if _parse(address) is None:
            return client
        client = address
        if not is_within(address, proxies):
            return client
    return client


def _parse(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return (isinstance(parsed, IPv6Address) and parsed.ipv4_mapped) or parsed
