"""What is refused before anything is sent, and that no error shows a secret."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from collectors.sinks.http.settings import HttpSettings, check_url, origin_of


@pytest.mark.parametrize(
    "headers",
    [
        {"bad name": "v"},
        {"": "v"},
        {"x": "two\r\nx-other: lines"},
        {"x": ""},
        {"x": " padded"},
        {"x": "ünïcode"},
        {"x": None},
        {"x": ["a"]},
        {"x": True},
        {"Content-Length": "3"},
        {"host": "other"},
        {"transfer-encoding": "chunked"},
        {"a": "hidden-1", "A": "hidden-2"},
        ["a: hidden"],
        "a: hidden",
        {7: "hidden"},
    ],
)
def test_headers_that_cannot_be_sent(headers: Any) -> None:
    """Refused under ``headers``; what stood there is not repeated."""
    with pytest.raises(ValidationError, match="header") as caught:
        HttpSettings.model_validate({"headers": headers})
    assert "hidden" not in str(caught.value.errors(include_input=False))


def test_numbers_are_header_values_too() -> None:
    """YAML makes a number of a key that has digits alone."""
    assert HttpSettings.model_validate({"headers": {"x-key": 12345}}).sent_headers() == {"x-key": "12345"}


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"bearer_token": "a b\n"}, "bearer_token"),
        ({"bearer_token": "x", "headers": {"Authorization": "Basic y"}}, "authorization"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": "soon"}, "timeout"),
        ({"compres": True}, "compres"),
    ],
)
def test_bad_settings_name_their_key(settings: dict[str, Any], key: str) -> None:
    """Each by its own name."""
    with pytest.raises(ValidationError, match=key):
        HttpSettings.model_validate(settings)


def test_secrets_are_not_printed() -> None:
    """Neither header values nor the token are in what settings look like."""
    settings = HttpSettings.model_validate({"bearer_token": "hidden-t", "headers": {"x-key": "hidden-h"}})
    assert "hidden" not in repr(settings) + str(settings) + settings.model_dump_json()
    assert settings.sent_headers() == {"x-key": "hidden-h", "authorization": "Bearer hidden-t"}


@pytest.mark.parametrize(
    "url",
    [
        None, 7, "", "example.com", "ftp://a/", "http://", "http://a:0/", "http://a:99999/", "http://a:b/", "http://a/#f",
        "http://u:hidden@a/", "http://a b/", "http://a/\n", "http://ä/", "//a/", "http://[::1", "http://a/?q=hidden",
    ],
)  # fmt: skip
def test_urls_that_cannot_be_asked(url: Any) -> None:
    """Refused by key; a part of the URL may be a password, so none is shown."""
    with pytest.raises(ValueError, match=r"^where: ") as caught:
        check_url("where", url, "https://example.com")
    assert "hidden" not in str(caught.value)


def test_good_urls() -> None:
    """With a path, a port, an address; a query where it is allowed."""
    for url in ("http://localhost", "https://a.b:8443/x/y", "http://[::1]:80/"):
        check_url("where", url, "")
    check_url("where", "https://a/?code=1", "", with_query=True)


def test_the_origin_is_all_that_is_shown() -> None:
    """No path, no query, no user."""
    assert origin_of("https://u:p@a.example:8443/secret?x=y") == "https://a.example:8443"
