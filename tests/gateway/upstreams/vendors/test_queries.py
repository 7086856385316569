"""Tests of ``gateway.upstreams.vendors.queries``: credentials come out, and nothing else changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstreams.vendors.queries import CREDENTIAL_PARAMETERS, parameter, without


@pytest.mark.parametrize(
    ("query", "rest"),
    [
        (b"", b""),
        (b"key=s", b""),
        (b"a=1&key=s&b=%20&KEY=t", b"a=1&b=%20"),
        (b"k%65y=s&a", b"a"),
        (b"api_key=s&api-key=s&apikey=s&access_token=s&token=s&x", b"x"),
        (b"X-Amz-Signature=s&X-Amz-Credential=s&X-Amz-Date=d", b"X-Amz-Date=d"),
        (b"keys=1&monkey=2&alt=sse&api-version=2024-10-21", b"keys=1&monkey=2&alt=sse&api-version=2024-10-21"),
        (b"&&a=1&", b"&&a=1&"),
        (b"key", b""),
    ],
)
def test_credentials_are_taken_out(query: bytes, rest: bytes) -> None:
    """Under whatever case and encoding of the name; the others stay byte for byte."""
    assert without(query) == rest


@given(st.text("aek=&%65y", max_size=20).map(str.encode))
def test_nothing_hides_a_key(query: bytes) -> None:
    """However it is written."""
    assert parameter(without(query), b"key") is None
    assert without(without(query)) == without(query)


def test_a_parameter_is_decoded() -> None:
    """The first of its name; a plus is a space."""
    assert parameter(b"a=1&k%65y=x%2fy+z&key=2", b"key") == "x/y z"
    assert parameter(b"key", b"key") == ""
    assert parameter(b"", b"key") is None
    assert b"key" in CREDENTIAL_PARAMETERS
