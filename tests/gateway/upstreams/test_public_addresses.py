"""Tests of ``gateway.upstreams.public_addresses``: what an operator's network has is not reached by a name."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from gateway.upstreams.public_addresses import is_public, refuse_private

PRIVATE = [
    "127.0.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254", "224.0.0.1",
    "255.255.255.255", "::1", "::", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "fe80::1%eth0", "fd00:ec2::254",
    "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_public_is_refused(address: str) -> None:
    """As a connection that cannot be made; the message has the host and the remedy, not what the name resolves to."""
    with pytest.raises(PermissionError, match=r"vendor\.test resolves") as refused:
        refuse_private("vendor.test", address)
    assert "control.allow_private_endpoints" in str(refused.value)
    assert address not in str(refused.value)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:93.184.215.14"])
def test_what_is_public_passes(address: str) -> None:
    """Of both families."""
    refuse_private("vendor.test", address)
    assert is_public(ip_address(address))
