"""Tests of ``sluice.sdk.wire.requests``."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st

from sluice.plugin_wire import plugin_pb2 as pb
from sluice.sdk import EnrichedRequest, Headers, PluginRequest, PluginResponse, wire
from sluice.sdk.testing import make_request
from sluice.sdk.wire.requests import app_id_of
from tests.sluice.sdk.wire.strategies import (
    BODIES,
    HEADER_VALUES,
    HEADERS,
    NO_IDS,
    TEXT_MAPS,
    TEXTS,
    context_of,
    for_all,
    same_headers,
    sent,
)

REQUESTS = st.builds(PluginRequest, TEXTS, TEXTS, TEXTS, HEADERS, BODIES, TEXTS)
ENRICHED = st.builds(
    EnrichedRequest, TEXTS, TEXTS, TEXTS, HEADERS, BODIES, TEXTS, NO_IDS, TEXTS, TEXT_MAPS, st.booleans()
)
ANSWERS = st.one_of(
    st.just(PluginResponse.allow()),
    st.builds(
        PluginResponse.modify, headers=HEADER_VALUES, body=st.none() | BODIES, context_updates=st.none() | TEXT_MAPS
    ),
    st.builds(PluginResponse.block, st.integers(200, 599), TEXTS, HEADER_VALUES, st.none() | BODIES),
)
REQUEST = make_request(b"body", headers={"accept": "a", "x-b": "b"})


def answered(message: pb.PluginResponse, request: PluginRequest = REQUEST) -> PluginResponse:
    """What the host takes a message for."""
    return wire.plugin_response_from_wire(sent(message), request)


def same(one: Any, other: Any) -> bool:
    """Whether two structs have the same fields, headers in any order of their names."""
    for name in one.__struct_fields__:
        mine, theirs = getattr(one, name), getattr(other, name)
        if isinstance(mine, Headers) and isinstance(theirs, Headers):
            if not same_headers(mine, theirs):
                return False
        elif mine != theirs:
            return False
    return True


@for_all(REQUESTS)
def test_a_request_comes_back_whole(request: PluginRequest) -> None:
    """Query, repeated headers and all."""
    back = wire.plugin_request_from_wire(sent(wire.plugin_request_to_wire(context_of(), request)))
    assert same(back, request)


@for_all(ENRICHED)
def test_an_enriched_request_comes_back_whole(request: EnrichedRequest) -> None:
    """With who it is."""
    back = wire.enriched_request_from_wire(sent(wire.enriched_request_to_wire(context_of(), request)))
    assert same(back, request)


def test_peers_find_the_context_in_the_request() -> None:
    """Where the protocol has it."""
    message = wire.enriched_request_to_wire(context_of(), REQUEST)
    assert message.request.context.request_id == "request-1"
    assert (message.app_id, message.request.path, message.authenticated) == ("1", "/chat/completions", True)


@for_all(ANSWERS)
def test_an_answer_comes_back_as_it_was_given(answer: PluginResponse) -> None:
    """Removed headers, an emptied body, a block with and without a body: nothing that the SDK can say is lost."""
    back = answered(wire.plugin_response_to_wire(answer, REQUEST))
    if answer.context_updates == {}:
        answer = PluginResponse.modify(headers=answer.headers, body=answer.body)
    assert same(back, answer)


def test_a_whole_changed_request_is_its_headers_and_its_body() -> None:
    """The older shape of an answer."""
    changed = REQUEST.replace(headers=REQUEST.headers.without("x-b"), body=b"")
    back = answered(wire.plugin_response_to_wire(PluginResponse.modify(request=changed), REQUEST))
    assert (back.headers, back.body) == (Headers({"accept": "a"}), b"")


def test_a_whole_changed_request_cannot_go_elsewhere() -> None:
    """As in the host's own process: routing was decided."""
    elsewhere = PluginResponse.modify(request=REQUEST.replace(path="/elsewhere"))
    with pytest.raises(ValueError, match="path of a request cannot be changed"):
        wire.plugin_response_to_wire(elsewhere, REQUEST)


def test_a_peer_s_headers_replace_and_add_and_its_body_replaces() -> None:
    """What it leaves out stays; an empty body is none."""
    back = answered(pb.PluginResponse(modified=True, headers={"Accept": "z", "X-New": "n"}))
    assert back.headers == Headers([("x-b", "b"), ("accept", "z"), ("x-new", "n")])
    assert back.body is None
    assert answered(pb.PluginResponse(modified=True, body=b"new")).body == b"new"
    assert answered(pb.PluginResponse(modified=True)) == PluginResponse.modify()


def test_what_a_peer_did_not_call_modified_is_not() -> None:
    """Headers and body without the flag are leftovers; metadata for later plugins is not."""
    assert answered(pb.PluginResponse(headers={"A": "b"}, body=b"x")) == PluginResponse.allow()
    noted = answered(pb.PluginResponse(context_updates={"tier": "gold"}))
    assert noted == PluginResponse.modify(context_updates={"tier": "gold"})


def test_a_peer_s_block_is_a_block() -> None:
    """403 where it names no status, its own answer where it has one: a cache answers so with 200."""
    assert answered(pb.PluginResponse(block=True, error_message="no")) == PluginResponse.block(403, "no")
    hit = answered(pb.PluginResponse(block=True, status_code=200, body=b"{}", headers={"X-Cache": "HIT"}))
    assert hit == PluginResponse.block(200, "", Headers({"x-cache": "HIT"}), b"{}")
    assert answered(pb.PluginResponse(block=True, modified=True, status_code=-5)).status_code == -5  # the chain refuses


def test_to_peers_a_block_is_complete_by_its_own_fields() -> None:
    """Their hosts read no others."""
    message = wire.plugin_response_to_wire(PluginResponse.block(429, "slow", {"retry-after": "1"}, b"x"), REQUEST)
    base = (message.block, message.status_code, message.error_message, dict(message.headers), message.body)
    assert base == (True, 429, "slow", {"Retry-After": "1"}, b"x")


@pytest.mark.parametrize(
    ("text", "app_id"),
    [("7", 7), ("0", None), ("", None), ("plugin-app", None), ("-7", None), ("+7", None), (" 7", None), ("7.0", None),
     ("1_0", None), ("\u0667", None), ("²", None), ("9" * 18, int("9" * 18)), ("9" * 5000, None)],
)  # fmt: skip
def test_an_app_is_named_by_digits_alone(text: str, app_id: int | None) -> None:
    """Text that is no number names no app: never a default one, never another's."""
    assert app_id_of(text) == app_id


def test_text_that_utf_8_cannot_carry_does_not_fail_the_exchange() -> None:
    """A path may hold whatever a client sent."""
    message = wire.plugin_request_to_wire(context_of(), REQUEST.replace(path="/a\udc80", query="\ud800"))
    assert (message.path, message.query) == ("/a?", "?")
