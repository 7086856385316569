"""Tests of ``gateway.upstreams.proxies``."""

from __future__ import annotations

import pytest

from gateway.upstreams.client import Origin
from gateway.upstreams.proxies import proxy_for

API = Origin("https", "api.example.com", 443)
PROXY = {"https": "http://user:pass@proxy:3128"}


@pytest.mark.parametrize(
    ("proxies", "address"),
    [
        ({}, None),
        ({"http": "http://proxy:1"}, None),
        (PROXY, "http://user:pass@proxy:3128"),
        ({"https": "proxy:3128"}, "http://proxy:3128"),
        ({"https": ""}, None),
        ({"all": "http://proxy:2"}, "http://proxy:2"),
        ({"all": "http://proxy:2", "https": "http://proxy:3"}, "http://proxy:3"),
    ],
)
def test_a_proxy_is_chosen_by_scheme(proxies: dict[str, str], address: str | None) -> None:
    """The scheme's own, else the one for all; credentials stay in it, and a bare address is http."""
    proxy = proxy_for(API, proxies)
    assert (None if proxy is None else str(proxy)) == address


@pytest.mark.parametrize(
    ("exceptions", "is_exempt"),
    [
        ("api.example.com", True),
        ("API.Example.COM", True),
        ("example.com", True),
        (".example.com", True),
        ("other.com, example.com ,", True),
        ("*", True),
        ("example.com:443", True),
        ("example.com:8443", False),
        ("ample.com", False),
        ("com.example.api", False),
        ("", False),
        (",", False),
    ],
)
def test_exceptions_name_hosts_and_their_domains(exceptions: str, is_exempt: bool) -> None:
    """A name stands for itself and all below it, with or without a dot, on one port or on all."""
    assert (proxy_for(API, {**PROXY, "no": exceptions}) is None) is is_exempt


def test_addresses_are_exempt_too() -> None:
    """Also IPv6 ones, whose colons are no port."""
    assert proxy_for(Origin("https", "::1", 443), {**PROXY, "no": "::1"}) is None
    assert proxy_for(Origin("https", "10.0.0.7", 443), {**PROXY, "no": "10.0.0.7"}) is None
