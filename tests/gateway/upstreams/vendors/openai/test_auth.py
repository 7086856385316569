"""Tests of ``gateway.upstreams.vendors.openai.auth``: credentials, the client's and ours."""

from __future__ import annotations

import pytest

from gateway.upstreams.vendors.openai import OpenAi

DIALECT = OpenAi()


def test_credentials() -> None:
    """A bearer token, in any case of the word; ours goes out the same way, and no header where there is none."""
    assert DIALECT.credential([(b"x", b"y"), (b"authorization", b"bEARER  tok ")]) == "tok"
    assert DIALECT.credential([(b"authorization", b"Basic tok")]) is None
    assert DIALECT.credential([]) is None
    assert DIALECT.authorize("k") == [(b"authorization", b"Bearer k")]
    assert DIALECT.authorize("") == []


@pytest.mark.parametrize(
    ("headers", "presented"),
    [
        ([(b"authorization", b"Bearer  tok ")], ("tok", "bearer")),
        ([(b"x-api-key", b"key"), (b"authorization", b"bearer tok")], ("tok", "bearer")),
        ([(b"authorization", b"Bearer "), (b"api-key", b" key ")], ("key", "api_key")),
        ([(b"x-api-key", b" "), (b"x-api-key", b"k\xe9y")], ("k\xe9y", "api_key")),
        ([(b"authorization", b"Basic tok")], ("", "")),
        ([], ("", "")),
    ],
)
def test_what_is_presented_to_auth_plugins(headers: list[tuple[bytes, bytes]], presented: tuple[str, str]) -> None:
    """A bearer token before a key; other schemes are the plugin's to read."""
    assert DIALECT.presented(headers) == presented
