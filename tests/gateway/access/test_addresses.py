"""Who a client is by its address: what a client writes itself is never believed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.addresses import client_of, is_within, parse_network

PROXIES = tuple(parse_network(block) for block in ("10.0.0.0/8", "fd00::/8", "127.0.0.1"))


@pytest.mark.parametrize(
    ("block", "address", "is_in"),
    [
        ("10.0.0.0/8", "10.255.0.1", True), ("10.0.0.0/8", "11.0.0.1", False), ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3/8", "10.9.9.9", True), ("2001:db8::/32", "2001:db8::1", True), ("2001:db8::/32", "10.0.0.1", False),
        ("10.0.0.0/8", "::ffff:10.0.0.1", True), ("0.0.0.0/0", "::1", False), ("::/0", "::1", True),
        ("0.0.0.0/0", "", False), ("0.0.0.0/0", "nonsense", False), ("0.0.0.0/0", "10.0.0.1:80", False),
    ],
)  # fmt: skip
def test_an_address_is_in_a_network_or_not(block: str, address: str, is_in: bool) -> None:
    """An IPv4 address that a socket shows as IPv6 is one of IPv4; what is no address is nowhere."""
    assert is_within(address, (parse_network(block),)) is is_in


@pytest.mark.parametrize("block", ["", "10.0.0.0/33", "example.com", "10.0.0", "::/129", "10.0.0.0/8,"])
def test_what_is_no_network_is_refused(block: str) -> None:
    """With what to write instead."""
    with pytest.raises(ValueError, match=r"is no network; write an address or a CIDR block"):
        parse_network(block)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", "198.51.100.9", "192.0.2.1"),
        ("10.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("10.0.0.1", "203.0.113.5, 198.51.100.9", "198.51.100.9"),
        ("10.0.0.1", "198.51.100.9, 10.0.0.7", "198.51.100.9"),
        ("10.0.0.1", "198.51.100.9,10.0.0.7 , 127.0.0.1", "198.51.100.9"),
        ("10.0.0.1", "10.0.0.7", "10.0.0.7"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.9, nonsense", "10.0.0.1"),
        ("10.0.0.1", "nonsense, 198.51.100.9", "198.51.100.9"),
        ("fd00::1", "2001:db8::9", "2001:db8::9"),
        ("::ffff:10.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("", "198.51.100.9", ""),
    ],
)
def test_the_client_is_the_last_that_is_no_proxy(peer: str, forwarded: str, client: str) -> None:
    """As seen by the first proxy of ours; what stands in front of it is the client's own claim."""
    assert client_of(peer, forwarded, PROXIES) == client


def test_without_proxies_nobody_is_believed() -> None:
    """The default."""
    assert client_of("127.0.0.1", "198.51.100.9", ()) == "127.0.0.1"


@given(st.text(max_size=60))
def test_whatever_a_client_writes_its_address_stays_what_the_proxy_saw(claim: str) -> None:
    """A proxy appends the address that it sees: nothing in front of it counts, and nothing raises."""
    assert client_of("10.0.0.1", f"{claim}, 198.51.100.9", PROXIES) == "198.51.100.9"


def test_a_header_of_a_thousand_proxies_is_not_read_to_its_end() -> None:
    """Whoever writes one is the last of ours that can be believed."""
    assert client_of("10.0.0.1", ",".join(["198.51.100.9", *["10.0.0.2"] * 17]), PROXIES) == "10.0.0.2"
    assert client_of("10.0.0.1", ",".join(["198.51.100.9", *["10.0.0.2"] * 16]), PROXIES) == "198.51.100.9"
