"""Which addresses are public: those that an LLM may be at whose operator may not reach what is private.

An LLM's endpoint is checked when it is stored, but its name is resolved anew for each connection, by a resolver that
may answer otherwise then. So each connection is checked too, with the address that is connected to.
"""

from __future__ import annotations

from errno import EACCES
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_TRANSLATED = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"), ip_network("2002::/16"))
"""IPv6 that carries an IPv4 address inside: NAT64 and 6to4."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Not loopback, private, link-local, multicast or of another special range, nor a way to one."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if any(address in network for network in _TRANSLATED) or address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast


def refuse_private(host: str, address: str) -> None:
    """Raises PermissionError, an OSError as of any connection that cannot be made, where an address is not public."""
    if not is_public(ip_address(address.partition("%")[0])):
        message = f"{host} resolves to an address that is not public; set control.allow_private_endpoints to allow it"
        raise PermissionError(EACCES, message)
