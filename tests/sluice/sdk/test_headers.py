"""Tests of ``sluice.sdk.headers``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.sdk.headers import Headers, check_raw_headers, credential_of

NAMES = st.from_regex(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}", fullmatch=True)
VALUES = st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=30)
PAIRS = st.lists(st.tuples(NAMES, VALUES), max_size=8)


def test_names_are_case_insensitive() -> None:
    """Written, asked for and removed in any case."""
    headers = Headers({"Content-Type": "application/json"})
    assert headers["content-type"] == headers["CONTENT-TYPE"] == "application/json"
    assert "Content-TYPE" in headers
    assert list(headers) == ["content-type"]
    assert len(headers.without("CONTENT-type")) == 0


def test_several_values_of_a_name() -> None:
    """Joined for those who ask once, kept apart and in order for those who ask for all."""
    headers = Headers([("accept", "a"), ("x-other", "1"), ("Accept", "b")])
    assert headers["accept"] == "a, b"
    assert headers.get_all("ACCEPT") == ["a", "b"]
    assert len(headers) == 2
    assert Headers({"accept": ["a", "b"]}).get_all("accept") == ["a", "b"]


def test_what_is_absent() -> None:
    """A mapping like any other."""
    headers = Headers()
    assert headers.get("x-missing") is None
    assert headers.get_all("x-missing") == []
    assert "x-missing" not in headers
    assert not headers.__contains__(7)
    with pytest.raises(KeyError):
        headers["x-missing"]


def test_changes_are_copies() -> None:
    """Headers may be shared by every plugin of an exchange, so none can change another's."""
    headers = Headers({"a": "1", "b": "2"})
    assert dict(headers | {"A": "3", "c": "4"}) == {"b": "2", "a": "3", "c": "4"}
    assert dict(headers.with_value("b", ["5", "6"])) == {"a": "1", "b": "5, 6"}
    assert headers.with_added("a", "7").get_all("a") == ["1", "7"]
    assert dict(headers.without("a", "missing")) == {"b": "2"}
    assert dict(headers) == {"a": "1", "b": "2"}
    with pytest.raises(AttributeError):
        headers.extra = 1  # type: ignore[attr-defined]


@given(PAIRS)
def test_headers_are_their_lines(pairs: list[tuple[str, str]]) -> None:
    """Names lower-case, values as given, order kept; and back through the host's own way."""
    headers = Headers(pairs)
    lines = [(name.lower().encode(), value.encode("latin-1")) for name, value in pairs]
    assert headers.raw == lines
    again = Headers.of_raw(lines)
    assert again == headers
    assert hash(again) == hash(headers)
    assert Headers(headers) == headers
    assert set(headers) == {name.lower() for name, _ in pairs}


@pytest.mark.parametrize("name", ["", "a b", "a:b", "ä", "a\r\nb", "a\n", "(a)", "\0"])
def test_a_name_that_is_no_token_is_refused(name: str) -> None:
    """It would end the header, or start another."""
    with pytest.raises(ValueError, match="is not the name of a header"):
        Headers({name: "value"})


@pytest.mark.parametrize("value", ["a\r\nset-cookie: b", "a\nb", "a\rb", "a\0b", "a\x7fb", "a\x1bb"])
def test_a_value_that_would_start_another_header_is_refused(value: str) -> None:
    """Control characters but the tab never reach the wire; the value itself is not repeated in the message."""
    with pytest.raises(ValueError, match="has a control character") as raised:
        Headers({"x-name": value})
    assert "set-cookie" not in str(raised.value)
    with pytest.raises(ValueError, match="has a control character"):
        Headers().with_added("x-name", value)
    with pytest.raises(ValueError, match="has a control character"):
        check_raw_headers([(b"x-name", value.encode())])


def test_a_tab_is_no_control_character_here() -> None:
    """RFC 9110 allows it within values."""
    assert Headers({"x-name": "a\tb"})["x-name"] == "a\tb"


def test_text_beyond_latin_1_is_refused() -> None:
    """A header has no encoding for it; guessing one would corrupt it in silence."""
    with pytest.raises(ValueError, match="latin-1"):
        Headers({"x-name": "\u20ac"})


def test_a_representation_names_no_value() -> None:
    """A header may be a credential, and a representation may end in a log."""
    text = repr(Headers({"authorization": "Bearer abc", "accept": "a"}))
    assert text == "Headers(authorization, accept)"


def test_headers_are_compared_with_headers_alone() -> None:
    """A dictionary has no order and no second value."""
    assert Headers({"a": "1"}) == Headers({"A": "1"})
    assert Headers({"a": "1"}) != Headers({"a": "2"})
    assert Headers({"a": "1"}) != {"a": "1"}


def test_what_proves_a_client_is_read_wherever_it_stands() -> None:
    """In any of the headers that clients of vendors use; of two both."""
    assert credential_of(Headers({"authorization": "Bearer a"})) == "Bearer a"
    assert credential_of(Headers({"X-Api-Key": "b", "api-key": "c"})) == "b c"
    assert credential_of(Headers({"accept": "x"})) == ""
