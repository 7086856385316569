"""Answers are believed in nothing: each lie is an error with a name, and what is applied is exactly what was said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.plugin_host.answers import AnswerError, BlockError, Limits, apply_to_request, apply_to_response, blocked
from sluice.plugin_host.errors import PluginBlocked
from sluice.sdk import PluginResponse, ResponseWriteResponse
from sluice.sdk.context import ExchangeFacts
from sluice.sdk.headers import Headers
from sluice.sdk.messages import AuthRequest, EnrichedRequest, PluginRequest
from sluice.sdk.testing import make_request, make_response

SMALL = Limits(max_body_bytes=8, max_header_bytes=20, max_metadata_bytes=10, max_message_characters=5)
FRAMED = Headers({"content-length": "2", "transfer-encoding": "chunked", "connection": "close", "x-own": "1"})

GARBAGE = st.one_of(
    st.none(), st.integers(), st.floats(), st.text(max_size=4), st.binary(max_size=12), st.booleans(),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=8), max_size=3),
    st.dictionaries(st.integers(), st.text(max_size=3), max_size=2), st.just(object()),
)  # fmt: skip


class LyingMapping(Mapping[str, str]):
    """A mapping that raises when it is read."""

    def __getitem__(self, name: str) -> str:
        raise ValueError("no")

    def __iter__(self) -> Iterator[str]:
        return iter(["x-a"])

    def __len__(self) -> int:
        return 1


def changed(
    answer: PluginResponse, message: PluginRequest | None = None, limits: Limits | None = None
) -> PluginRequest:
    """The request as an answer leaves it."""
    return apply_to_request(answer, message or make_request(), ExchangeFacts(), limits or Limits())


def refusal(answer: PluginResponse, limits: Limits | None = None) -> str:
    """Why an answer cannot be applied."""
    with pytest.raises(AnswerError) as caught:
        changed(answer, limits=limits)
    return str(caught.value)


def test_nothing_said_is_nothing_changed() -> None:
    """The very same object, so that the host sees that its bytes are still good."""
    request, response = make_request(), make_response()
    assert changed(PluginResponse.modify(), request) is request
    assert changed(PluginResponse.modify(headers=request.headers), request) is request
    assert apply_to_response(ResponseWriteResponse.modify(), response, "response_body", Limits()) is response


def test_none_leaves_and_empty_empties() -> None:
    """The two are told apart in body and headers."""
    request = make_request(b"body")
    assert changed(PluginResponse.modify(body=b""), request).body == b""
    emptied = changed(PluginResponse.modify(headers={}), request)
    assert emptied.headers.raw == []
    assert emptied.body == b"body"


@pytest.mark.parametrize("body", [b"new", bytearray(b"new"), memoryview(b"new")])
def test_a_body_becomes_bytes_of_ours(body: Any) -> None:
    """What the plugin keeps and changes later is not what is sent."""
    result = changed(PluginResponse.modify(body=body)).body
    assert type(result) is bytes
    assert result == b"new"


def test_framing_headers_stay_as_they_are() -> None:
    """How bytes travel is the host's to say: a plugin can neither add, change nor remove these."""
    request = make_request(headers=FRAMED)
    added = {"content-length": "999", "te": "trailers", "upgrade": "h2c", "x-new": "1"}
    headers = changed(PluginResponse.modify(headers=added), request).headers
    assert dict(headers) == {
        "x-new": "1", "content-length": "2", "transfer-encoding": "chunked", "connection": "close",
    }  # fmt: skip
    assert "content-length" in changed(PluginResponse.modify(headers={}), request).headers


@pytest.mark.parametrize("name", ["content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"])
def test_no_framing_is_added_behind_what_was_there(name: str) -> None:
    """A second length, or another framing, is how one request is smuggled behind another."""
    request = make_request(headers=FRAMED)
    added = request.headers.with_added(name, "9").with_added("x-new", "1")
    headers = changed(PluginResponse.modify(headers=added), request).headers
    assert sorted(headers.raw) == sorted([*FRAMED.raw, (b"x-new", b"1")])


def test_a_whole_request_gives_headers_and_body() -> None:
    """Where both are given, those named by themselves win."""
    request = make_request()
    whole = request.replace(headers=Headers({"x-a": "whole"}), body=b"whole")
    taken = changed(PluginResponse.modify(request=whole), request)
    assert (taken.body, dict(taken.headers)) == (b"whole", {"x-a": "whole"})
    mixed = changed(PluginResponse.modify(request=whole, body=b"own", headers={"x-b": "own"}), request)
    assert (mixed.body, dict(mixed.headers)) == (b"own", {"x-b": "own"})


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "GET"}, {"path": "/other"}, {"query": "a=1"}, {"remote_addr": "10.0.0.1"}, {"app_id": 2},
        {"user_id": 9}, {"authenticated": False},
    ],
)  # fmt: skip
def test_a_request_s_identity_cannot_be_changed(changes: dict[str, Any]) -> None:
    """Routing was decided and the caller is who it is."""
    (field,) = changes
    assert refusal(PluginResponse.modify(request=make_request().replace(**changes))) == (
        f"{field} of a request cannot be changed"
    )


def test_an_app_cannot_be_claimed_before_authentication() -> None:
    """A pre-auth plugin that answers with an enriched request changes nothing about who is calling."""
    full = make_request(body=b"old")
    plain = PluginRequest(full.method, full.path, full.query, full.headers, full.body, full.remote_addr)
    claimed = EnrichedRequest(
        full.method, full.path, full.query, full.headers, b"new", full.remote_addr, 99, "9", {}, True
    )
    taken = changed(PluginResponse.modify(request=claimed), plain)
    assert type(taken) is PluginRequest
    assert taken.body == b"new"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (PluginResponse("modify", body="text"), "body is of type str, not bytes"),  # type: ignore[arg-type]
        (PluginResponse("modify", body=[1]), "body is of type list, not bytes"),  # type: ignore[arg-type]
        (PluginResponse("modify", headers=[("a", "b")]), "headers are of type list, not a mapping"),  # type: ignore[arg-type]
        (PluginResponse("modify", headers={"x-a": "b\r\nx-b: c"}), "control character"),
        (PluginResponse("modify", headers={"x a": "b"}), "not the name of a header"),
        (PluginResponse("modify", headers={"": "b"}), "not the name of a header"),
        (PluginResponse("modify", headers={"x-a": "☃"}), "headers cannot be sent"),
        (PluginResponse("modify", headers={"x-a": 7}), "headers cannot be sent"),  # type: ignore[dict-item]
        (PluginResponse("modify", headers={7: "a"}), "headers cannot be sent"),  # type: ignore[dict-item]
        (PluginResponse("modify", headers={"x-a": None}), "headers cannot be sent"),  # type: ignore[dict-item]
        (PluginResponse("modify", headers=LyingMapping()), "headers cannot be sent"),
        (PluginResponse("modify", request={}), "request is of type dict, not a PluginRequest"),  # type: ignore[arg-type]
        (PluginResponse("modify", context_updates=["a"]), "context_updates are of type list, not a mapping"),  # type: ignore[arg-type]
        (PluginResponse("modify", context_updates={1: "a"}), "a key of context_updates is of type int, not text"),  # type: ignore[dict-item]
        (PluginResponse("modify", context_updates={"a": None}), "context_updates['a'] is None, not text"),  # type: ignore[dict-item]
        (PluginResponse("modify", context_updates={"a": "\ud800"}), "context_updates['a'] has a lone surrogate at 0"),
        (PluginResponse("modify", context_updates={"\ud800": "a"}), "a key of context_updates has a lone surrogate"),
    ],
)  # fmt: skip
def test_lies_about_types_have_names(answer: PluginResponse, said: str) -> None:
    """The message says what stood where something else belongs."""
    assert said in refusal(answer)


class RaisingMapping(LyingMapping):
    """A mapping that fails in a way of its own."""

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("no")


class ShortBytes(bytes):
    """Says that it is shorter than it is."""

    def __len__(self) -> int:
        return 0


class LoudText(str):
    """Says something else than it is."""

    __slots__ = ()

    def __str__(self) -> str:
        return "something else"


def test_a_body_that_lies_about_its_length_is_as_long_as_it_is() -> None:
    """Else the framing would say one length and the connection carry another."""
    body = changed(PluginResponse.modify(body=ShortBytes(b"123"))).body
    assert (type(body), len(body), body) == (bytes, 3, b"123")
    assert refusal(PluginResponse.modify(body=ShortBytes(b"x" * 9)), SMALL) == "body has 9 bytes, more than 8"


def test_texts_are_ours() -> None:
    """Of a class of the plugin's, as an enumeration's member is, only the text is taken."""
    facts = ExchangeFacts()
    answer = PluginResponse.modify(context_updates={LoudText("key"): LoudText("value")})
    apply_to_request(answer, make_request(), facts, Limits())
    assert facts.metadata == {"key": "value"}
    assert {type(text) for pair in facts.metadata.items() for text in pair} == {str}
    said = blocked("a", "post_auth", PluginResponse.block(403, LoudText("no")), Limits()).message
    assert (said, type(said)) == ("no", str)


def test_a_forged_header_object_is_checked_too() -> None:
    """``Headers.of_raw`` takes lines as they are; from a plugin they are looked at again."""
    forged = Headers.of_raw([(b"x-a", b"1\r\nset-cookie: a=b")])
    assert "control character" in refusal(PluginResponse.modify(headers=forged))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (PluginResponse.modify(body=b"x" * 9), "body has 9 bytes, more than 8"),
        (PluginResponse("modify", body=memoryview(b"x" * 16).cast("I")), "body has 16 bytes, more than 8"),  # type: ignore[arg-type]
        (PluginResponse.modify(headers={"x-name": "x" * 15}), "headers are larger than 20 bytes"),
        (PluginResponse.modify(context_updates={"a": "x" * 10}), "metadata is larger than 10 bytes"),
        (PluginResponse.modify(context_updates={"a": "€€€€"}), "metadata is larger than 10 bytes"),
    ],
)  # fmt: skip
def test_too_much_is_refused_with_the_bound(answer: PluginResponse, said: str) -> None:
    """Bytes are counted, not elements or characters."""
    assert refusal(answer, SMALL) == said


def test_what_just_fits_is_taken() -> None:
    """Each bound is the most that is allowed."""
    answer = PluginResponse.modify(body=b"x" * 8, headers={"x-name": "x" * 14}, context_updates={"a": "x" * 9})
    assert changed(answer, limits=SMALL).body == b"x" * 8


def test_metadata_adds_up_over_plugins() -> None:
    """Later plugins replace keys of earlier ones; the bound is for the exchange; a refused update leaves no trace."""
    facts = ExchangeFacts(metadata={"a": "1234"})
    apply_to_request(PluginResponse.modify(context_updates={"a": "12", "b": "1"}), make_request(), facts, SMALL)
    assert facts.metadata == {"a": "12", "b": "1"}
    with pytest.raises(AnswerError):
        apply_to_request(PluginResponse.modify(context_updates={"c": "123456"}), make_request(), facts, SMALL)
    assert facts.metadata == {"a": "12", "b": "1"}
    with pytest.raises(AnswerError):
        apply_to_request(PluginResponse.modify(body=b"x" * 9, context_updates={"d": ""}), make_request(), facts, SMALL)
    assert "d" not in facts.metadata


def test_an_override_of_the_upstream_is_noted_with_who_made_it() -> None:
    """Whoever checks it later can name the plugin; an empty one takes back what an earlier plugin asked for."""
    facts = ExchangeFacts()
    for plugin, url, noted in (("a", "http://a", "a"), ("b", "http://b", "b"), ("c", "", "")):
        answer = PluginResponse.modify(context_updates={"upstream_override": url})
        apply_to_request(answer, make_request(), facts, Limits(), plugin)
        assert (facts.metadata["upstream_override"], facts.overridden_by) == (url, noted)
    apply_to_request(PluginResponse.modify(context_updates={"other": "x"}), make_request(), facts, Limits(), "d")
    assert facts.overridden_by == ""


@pytest.mark.parametrize("name", ["app", "app_id", "user_id", "edge_id", "vendor", "request_id", "_plugin_id", "_"])
def test_what_the_gateway_says_of_an_exchange_is_nobody_else_s(name: str) -> None:
    """Later plugins, and those in other processes, take these names for the gateway's word."""
    facts = ExchangeFacts()
    answer = PluginResponse.modify(context_updates={name: "1", "good": "x"})
    with pytest.raises(AnswerError, match=f"context_updates: {name} is the gateway's to say"):
        apply_to_request(answer, make_request(), facts, Limits())
    assert facts.metadata == {}


@pytest.mark.parametrize("kind", [PluginRequest, AuthRequest, EnrichedRequest])
def test_a_whole_changed_request_may_be_answered(kind: type[PluginRequest]) -> None:
    """Headers and body are taken from it, unless the answer has its own."""
    message = kind("POST", "/x", "", Headers({"a": "1"}), b"old", "192.0.2.1")
    whole = message.replace(body=b"new", headers=message.headers | {"b": "2"})
    changed = apply_to_request(PluginResponse.modify(request=whole), message, ExchangeFacts(), Limits())
    assert (changed.body, dict(changed.headers)) == (b"new", {"a": "1", "b": "2"})
    both = PluginResponse.modify(request=whole, body=b"own")
    assert apply_to_request(both, message, ExchangeFacts(), Limits()).body == b"own"


def test_headers_are_removed_and_multi_valued() -> None:
    """What an answer leaves out is gone; several values of a name stay several lines."""
    message = PluginRequest("POST", "/x", "", Headers([("a", "1"), ("b", "2"), ("b", "3")]), b"", "")
    without = apply_to_request(
        PluginResponse.modify(headers=message.headers.without("a")), message, ExchangeFacts(), Limits()
    )
    assert without.headers.raw == [(b"b", b"2"), (b"b", b"3")]
    many = apply_to_request(PluginResponse.modify(headers={"c": ["1", "2"]}), message, ExchangeFacts(), Limits())
    assert many.headers.raw == [(b"c", b"1"), (b"c", b"2")]


def test_a_headers_hook_has_no_body() -> None:
    """The body has not arrived; even an empty one is a mistake, and the message says where to go."""
    answer = ResponseWriteResponse.modify(body=b"")
    with pytest.raises(AnswerError, match="use on_before_write"):
        apply_to_response(answer, make_response(), "response_headers", Limits())
    assert apply_to_response(answer, make_response(b"old"), "response_body", Limits()).body == b""


def test_a_response_keeps_its_status() -> None:
    """Headers and body alone are a plugin's to change."""
    answer = ResponseWriteResponse.modify(headers={"x-a": "1"}, body=b"new")
    result = apply_to_response(answer, make_response(status_code=201), "response_body", Limits())
    assert (result.status_code, dict(result.headers), result.body) == (201, {"x-a": "1"}, b"new")


def test_a_block_is_taken_as_it_was_said() -> None:
    """Framing headers are the host's; without a body the message is what is told."""
    answer = PluginResponse.block(429, "later", headers={"retry-after": "3", "content-length": "9"})
    error = blocked("limit", "post_auth", answer, Limits())
    assert (error.plugin, error.hook, error.status_code, error.message) == ("limit", "post_auth", 429, "later")
    assert (error.headers, error.body) == ([(b"retry-after", b"3")], None)
    assert blocked("limit", "post_auth", PluginResponse.block(200, body=b""), Limits()).body == b""
    assert blocked("limit", "post_auth", PluginResponse.block(403, "no \ud800"), Limits()).message == "no ?"


@pytest.mark.parametrize("status", [199, 600, 0, -1, 100, "403", 403.0, True, None, 10**30])
def test_a_block_needs_a_status_that_ends_an_exchange(status: Any) -> None:
    """A whole number from 200 to 599; ``True`` is none."""
    with pytest.raises(AnswerError, match="which is not one of 200 to 599"):
        blocked("limit", "post_auth", PluginResponse("block", status_code=status), Limits())


@pytest.mark.parametrize(
    "values",
    [{"message": None}, {"message": b"x"}, {"message": "123456"}, {"body": "x"}, {"body": b"x" * 9}, {"headers": "x"},
     {"headers": RaisingMapping()}],
)  # fmt: skip
def test_a_block_that_lies_is_refused(values: dict[str, Any]) -> None:
    """Message, body and headers are checked and bounded like those of any answer; that it is a block stays known."""
    with pytest.raises(BlockError):
        blocked("limit", "post_auth", PluginResponse("block", **values), SMALL)


@settings(deadline=None)
@given(GARBAGE, GARBAGE, GARBAGE, GARBAGE)
def test_garbage_is_applied_or_refused(headers: Any, body: Any, updates: Any, request: Any) -> None:
    """Nothing else than AnswerError leaves, and what is applied is sendable and within its bounds."""
    facts = ExchangeFacts()
    answer = PluginResponse("modify", headers, body, updates, request)
    try:
        result = apply_to_request(answer, make_request(b"{}"), facts, SMALL)
    except AnswerError:
        assert facts.metadata == {}
        return
    assert type(result.body) is bytes
    assert len(result.body) <= 8
    assert all(isinstance(text, str) for pair in facts.metadata.items() for text in pair)


@settings(deadline=None)
@given(GARBAGE, GARBAGE, GARBAGE, GARBAGE)
def test_garbage_in_a_block_is_applied_or_refused(status: Any, text: Any, headers: Any, body: Any) -> None:
    """The same for what a client would get."""
    answer = PluginResponse("block", headers, body, status_code=status, message=text)
    try:
        error = blocked("limit", "post_auth", answer, SMALL)
    except AnswerError:
        return
    assert isinstance(error, PluginBlocked)
    assert 200 <= error.status_code <= 599
    assert len(error.message) <= 5
