"""Tests of ``gateway.upstreams.vendors.google.auth``: where keys are, and that two that differ are none."""

from __future__ import annotations

import pytest

from gateway.upstreams.client import Headers, Origin, Timeouts, UpstreamRequest
from gateway.upstreams.vendors.google.auth import CompatibleKeySigner, is_api_key, one_credential

KEY = (b"x-goog-api-key", b"k")
BEARER = (b"authorization", b"Bearer k")


@pytest.mark.parametrize(
    ("headers", "query", "found"),
    [
        ([], b"", ("", "")),
        ([KEY], b"", ("k", "api_key")),
        ([], b"alt=sse&key=k", ("k", "api_key")),
        ([], b"%6bey=%6b", ("k", "api_key")),
        ([BEARER], b"", ("k", "bearer")),
        ([KEY, BEARER], b"key=k", ("k", "api_key")),
        ([KEY], b"key=", ("k", "api_key")),
        ([KEY], b"key=other", ("", "")),
        ([KEY, (b"x-goog-api-key", b"other")], b"", ("", "")),
        ([KEY, (b"authorization", b"Bearer other")], b"", ("", "")),
        ([(b"authorization", b"Basic k")], b"", ("", "")),
    ],
)
def test_one_credential(headers: Headers, query: bytes, found: tuple[str, str]) -> None:
    """Wherever it is; all that are given must be the same."""
    assert one_credential(headers, query) == found


async def test_the_compatible_endpoint_gets_a_bearer_token() -> None:
    """And never both; a query that only looks like the path changes nothing."""
    signer = CompatibleKeySigner("secret")

    async def signed(target: bytes) -> Headers:
        headers = [KEY, (b"a", b"b")]
        request = UpstreamRequest(Origin("http", "h", 1), b"POST", target, headers, b"", Timeouts())
        return (await signer.sign(request)).headers

    assert await signed(b"/v1beta/openai/chat/completions") == [(b"a", b"b"), (b"authorization", b"Bearer secret")]
    assert await signed(b"/v1beta/models/g:generateContent?x=/openai/") == [KEY, (b"a", b"b")]


def test_api_keys_are_told_from_access_tokens() -> None:
    """By how they begin."""
    assert is_api_key("AIzaSyX")
    assert is_api_key("AQ.Ab8")
    assert not is_api_key("ya29.c.x")
