"""Tests of ``sluice.sdk.wire.headers``."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from sluice.plugin_wire.plugin_pb2 import HeadersRequest
from sluice.sdk import Headers
from sluice.sdk.headers import check_raw_headers
from sluice.sdk.wire import headers as module
from sluice.sdk.wire.headers import headers_from, merged, put_headers, unchecked_headers_from
from tests.sluice.sdk.wire.strategies import HEADERS, for_all, same_headers, sent


def on_the_wire(headers: Headers) -> HeadersRequest:
    """A message with these, as it arrives."""
    message = HeadersRequest()
    put_headers(message, headers)
    arrived: HeadersRequest = sent(message)
    return arrived


@for_all(HEADERS)
def test_headers_come_back_whole(headers: Headers) -> None:
    """Every value of every name, with and without a look at them."""
    message = on_the_wire(headers)
    assert same_headers(headers_from(message), headers)
    assert same_headers(unchecked_headers_from(message), headers)


def test_peers_find_names_as_they_look_them_up() -> None:
    """``headers["Authorization"]`` is how the protocol's plugins read; of several values they get the first."""
    message = on_the_wire(Headers([("content-type", "a"), ("x-request-id", "1"), ("accept", "b"), ("accept", "c")]))
    assert dict(message.headers) == {"Content-Type": "a", "X-Request-Id": "1", "Accept": "b"}


def test_lines_are_sent_only_where_a_name_repeats() -> None:
    """Most messages carry each header once."""
    assert not on_the_wire(Headers({"accept": "a", "x-b": "c"})).header_lines
    assert list(on_the_wire(Headers([("a", "1"), ("a", "2")])).header_lines) == [b"a", b"1", b"a", b"2"]


def test_what_a_map_leaves_out_stays() -> None:
    """The protocol cannot remove a header."""
    found = merged(Headers({"accept": "a", "x-b": "b"}), {"X-New": "n"})
    assert found == Headers([("accept", "a"), ("x-b", "b"), ("x-new", "n")])


def test_a_repeated_name_keeps_its_values_where_its_first_comes_back() -> None:
    """A peer that gives the whole map back has not seen the others, and did not mean to remove them."""
    current = Headers([("set-cookie", "a"), ("set-cookie", "b"), ("x-c", "c")])
    found = merged(current, {"Set-Cookie": "a", "X-C": "changed"})
    assert found is not None
    assert found.get_all("set-cookie") == ["a", "b"]
    assert found["x-c"] == "changed"
    replaced = merged(current, {"Set-Cookie": "other"})
    assert replaced is not None
    assert replaced.get_all("set-cookie") == ["other"]


def test_the_changed_one_of_two_spellings_counts() -> None:
    """``req.Headers["x-a"] = …`` beside the host's own ``X-A``."""
    for name in ("x-a", "X-a"):
        found = merged(Headers({"x-a": "old"}), {"X-A": "old", name: "new"})
        assert found is not None
        assert found.get_all("x-a") == ["new"]


@for_all(HEADERS)
def test_a_map_given_back_as_it_came_changes_nothing(headers: Headers) -> None:
    """So that a plugin which sets one header of the whole map does not disturb the others."""
    assert merged(headers, dict(on_the_wire(headers).headers)) is None


def test_text_beyond_latin_1_is_sent_as_utf_8() -> None:
    """A peer's answer is not a failure for an umlaut or an arrow."""
    found = merged(Headers({}), {"X-A": "→"})
    assert found is not None
    assert found.raw == [(b"x-a", "→".encode())]


@pytest.mark.parametrize(
    "headers", [{"X-A": "a\r\nSet-Cookie: b"}, {"x a": "1"}, {"": "1"}, {"naïve": "1"}, {"ключ": "1"}]
)
def test_what_can_be_no_header_is_refused(headers: dict[str, str]) -> None:
    """A plugin cannot start a header, or a body, of its choice within a value: here, or where its answer is applied."""
    with pytest.raises(ValueError, match="header"):
        headers_from(HeadersRequest(headers=headers))
    for unchecked in (merged(Headers({}), headers), unchecked_headers_from(HeadersRequest(headers=headers))):
        assert unchecked is not None
        with pytest.raises(ValueError, match="header"):
            check_raw_headers(unchecked.raw)


@for_all(st.lists(st.binary(max_size=8), max_size=6))
def test_lines_of_garbage_are_refused_or_read(lines: list[bytes]) -> None:
    """Whatever a process sends: a ValueError at most."""
    try:
        found = headers_from(HeadersRequest(header_lines=lines))
    except ValueError:
        return
    assert len(found.raw) == len(lines) / 2


def test_a_name_without_a_value_is_refused() -> None:
    """An odd number of parts is no list of lines."""
    with pytest.raises(ValueError, match="a name without a value"):
        headers_from(HeadersRequest(header_lines=[b"x-a"]))


def test_names_of_a_client_s_choice_are_not_kept_for_ever() -> None:
    """A client that sends another name of 60 KiB each time fills no memory; names that come again are kept."""
    before = (module._kept_peers_name.cache_info().currsize, module._kept_name.cache_info().currsize)
    for number in range(5):
        name = b"x-%d-" % number + b"n" * 60_000
        found = unchecked_headers_from(on_the_wire(Headers.of_raw([(name, b"1")])))
        assert found.raw == [(name, b"1")]
    assert (module._kept_peers_name.cache_info().currsize, module._kept_name.cache_info().currsize) == before
