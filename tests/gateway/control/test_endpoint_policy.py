"""Endpoints of LLMs: what must not be reached through a gateway is not stored."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gateway.control.endpoint_policy import EndpointPolicy, EndpointRefused
from gateway.settings import ControlSettings

PUBLIC = "93.184.215.14"


def policy(*addresses: str, allowed: Sequence[str] = (), private: bool = False) -> EndpointPolicy:
    """With names that resolve to these addresses, or to nothing."""

    async def resolve(_host: str) -> Sequence[str]:
        if not addresses:
            raise OSError
        return addresses

    return EndpointPolicy(ControlSettings(allowed_endpoints=tuple(allowed), allow_private_endpoints=private), resolve)


PRIVATE = [
    "http://127.0.0.1/v1",
    "http://127.1/v1",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://0/",
    "http://0.0.0.0/",
    "http://10.1.2.3:8080/",
    "http://172.16.0.1/",
    "http://192.168.0.1/",
    "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[fe80::1]/",
    "http://[fd00:ec2::254]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2001:0:7f00:1::]/",
    "http://localhost:11434/",
    "http://LOCALHOST./",
    "http://ollama.localhost/",
    "http://metadata.google.internal/",
    "http://metadata/",
]


@pytest.mark.parametrize("endpoint", PRIVATE)
async def test_private_places_need_a_setting(endpoint: str) -> None:
    """However they are written; the message names the setting."""
    with pytest.raises(EndpointRefused, match="allow_private_endpoints"):
        await policy(PUBLIC).check(endpoint)
    assert await policy(PUBLIC, private=True).check(endpoint)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fe80::1%eth0", "::ffff:10.0.0.1"]
)
async def test_a_name_is_what_it_resolves_to(address: str) -> None:
    """All of its addresses must pass, not the first alone."""
    with pytest.raises(EndpointRefused):
        await policy(PUBLIC, address).check("https://inside.example.com/v1")


async def test_public_places_pass() -> None:
    """As they are kept: without the slash at the end. A name that does not resolve now may later."""
    assert await policy(PUBLIC).check("https://api.openai.com/v1/") == "https://api.openai.com/v1"
    assert await policy().check("https://api.openai.com/v1") == "https://api.openai.com/v1"
    assert await policy().check("https://[2606:4700::1111]:8443") == "https://[2606:4700::1111]:8443"
    assert await policy().check(f"https://[::ffff:{PUBLIC}]") == f"https://[::ffff:{PUBLIC}]"


@pytest.mark.parametrize(
    ("endpoint", "passes"),
    [
        ("https://api.openai.com/v1", True),
        ("https://API.OpenAI.com./v1", True),
        ("https://eu.azure.example/v1", True),
        ("https://azure.example/v1", False),
        ("https://api.openai.com.evil.example/v1", False),
        ("https://evil.example/api.openai.com", False),
        ("https://notapi.openai.com/", False),
    ],
)
async def test_an_allow_list_names_hosts(endpoint: str, passes: bool) -> None:
    """Whole names or patterns, whatever their case."""
    checked = policy(PUBLIC, allowed=["api.openai.com", "*.azure.example"])
    if passes:
        assert await checked.check(endpoint)
    else:
        with pytest.raises(EndpointRefused, match="allowed_endpoints"):
            await checked.check(endpoint)


async def test_an_allowed_name_may_still_not_be_private() -> None:
    """The list says which hosts, the other setting which addresses."""
    with pytest.raises(EndpointRefused):
        await policy("10.0.0.1", allowed=["llm.corp"]).check("http://llm.corp/v1")
    assert await policy("10.0.0.1", allowed=["llm.corp"], private=True).check("http://llm.corp/v1")


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://user:pass@api.openai.com/v1",
        "https://user@api.openai.com/v1",
        "https://api.openai.com@127.0.0.1/",
        "ftp://api.openai.com",
        "file:///etc/passwd",
        "//api.openai.com",
        "api.openai.com",
        "https://",
        "https://api.openai.com/v1?key=x",
        "https://api.openai.com/v1#x",
        "https://api.openai.com:0/",
        "https://api.openai.com:99999/",
        "https://api openai.com/",
        "https://api.openai.com/\n",
        "https://[::1",
        "https://[v1.x]/",
        "https://" + "a" * 300 + ".com",
        "https://a..b/",
        "https://\ud800/",
        "",
    ],
)
async def test_what_cannot_be_called_is_refused(endpoint: str) -> None:
    """Credentials in URLs too: they would be shown."""
    with pytest.raises(EndpointRefused):
        await policy(PUBLIC, private=True).check(endpoint)
