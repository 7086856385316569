"""Tests of ``sluice.sdk.wire.responses``."""

from __future__ import annotations

from hypothesis import strategies as st

from sluice.plugin_wire import plugin_pb2 as pb
from sluice.sdk import (
    Headers,
    ResponseWriteRequest,
    ResponseWriteResponse,
    StreamCompleteRequest,
    StreamCompleteResponse,
    wire,
)
from sluice.sdk.context import ExchangeFacts
from sluice.sdk.testing import make_response
from tests.sluice.sdk.wire.strategies import BODIES, HEADER_VALUES, HEADERS, TEXTS, U31, context_of, for_all, sent
from tests.sluice.sdk.wire.test_requests import same

STATUSES = st.integers(100, 599)
REQUESTS = st.builds(ResponseWriteRequest, STATUSES, HEADERS, BODIES, st.booleans(), st.booleans(), TEXTS)
STREAMS = st.builds(StreamCompleteRequest, BODIES, HEADERS, STATUSES, U31, BODIES, st.booleans())
BLOCKS = st.builds(ResponseWriteResponse.block, st.integers(200, 599), TEXTS, HEADER_VALUES, st.none() | BODIES)
ANSWERS = st.one_of(
    st.just(ResponseWriteResponse.allow()),
    st.builds(ResponseWriteResponse.modify, headers=HEADER_VALUES, body=st.none() | BODIES),
    BLOCKS,
)
HEADERS_ANSWERS = st.one_of(
    st.just(ResponseWriteResponse.allow()), st.builds(ResponseWriteResponse.modify, headers=HEADER_VALUES), BLOCKS
)
RESPONSE = make_response(b"body", headers={"content-type": "text/plain", "x-b": "b"})


def answered(message: pb.ResponseWriteResponse) -> ResponseWriteResponse:
    """What the host takes a message for."""
    return wire.response_write_from_wire(sent(message), RESPONSE)


@for_all(REQUESTS)
def test_a_response_comes_back_whole(request: ResponseWriteRequest) -> None:
    """Its status, whether it is a piece and whether the last one, and the request's id, which the context carries."""
    ctx = context_of(ExchangeFacts(request_id=request.request_id))
    assert same(wire.response_write_request_from_wire(sent(wire.response_write_to_wire(ctx, request))), request)
    head = request.replace(body=b"", is_stream_chunk=False, is_last_chunk=False)
    assert same(wire.headers_request_from_wire(sent(wire.headers_request_to_wire(ctx, head))), head)


@for_all(ANSWERS)
def test_an_answer_comes_back_as_it_was_given(answer: ResponseWriteResponse) -> None:
    """An emptied body, removed headers, a block: whatever the SDK can say."""
    assert same(answered(wire.response_write_response_to_wire(answer, RESPONSE)), answer)


@for_all(HEADERS_ANSWERS)
def test_an_answer_about_headers_comes_back_as_it_was_given(answer: ResponseWriteResponse) -> None:
    """A block before the first byte too, which the protocol itself does not have."""
    message = sent(wire.headers_response_to_wire(answer, RESPONSE))
    assert same(wire.headers_response_from_wire(message, RESPONSE), answer)


def test_a_body_changed_too_early_reaches_the_host_that_refuses_it() -> None:
    """A mistake of the author's is an error with a name there, not lost on the way."""
    message = sent(wire.headers_response_to_wire(ResponseWriteResponse.modify(body=b"x"), RESPONSE))
    assert wire.headers_response_from_wire(message, RESPONSE).body == b"x"


def test_to_peers_a_changed_answer_is_complete() -> None:
    """Their hosts take its body and its headers for all there is: what the plugin left alone goes along."""
    headers_alone = wire.response_write_response_to_wire(ResponseWriteResponse.modify(headers={"x-a": "1"}), RESPONSE)
    assert (headers_alone.modified, headers_alone.body, dict(headers_alone.headers)) == (True, b"body", {"X-A": "1"})
    body_alone = wire.response_write_response_to_wire(ResponseWriteResponse.modify(body=b"new"), RESPONSE)
    assert (body_alone.body, dict(body_alone.headers)) == (b"new", {"Content-Type": "text/plain", "X-B": "b"})
    head = wire.headers_response_to_wire(ResponseWriteResponse.modify(), RESPONSE)
    assert (head.modified, dict(head.headers)) == (True, {"Content-Type": "text/plain", "X-B": "b"})


def test_to_peers_a_block_withholds_the_body() -> None:
    """They know no block here: the vendor's text does not get through all the same."""
    message = wire.response_write_response_to_wire(ResponseWriteResponse.block(451, 'with "held"'), RESPONSE)
    assert (message.modified, message.body) == (True, b'{"error":{"message":"with \\"held\\""}}')
    own = wire.response_write_response_to_wire(ResponseWriteResponse.block(451, body=b"no"), RESPONSE)
    assert own.body == b"no"


def test_a_peer_s_changed_body_is_what_it_says() -> None:
    """Even an empty one: a filter that withholds everything must not be bypassed."""
    assert answered(pb.ResponseWriteResponse(modified=True, body=b"new")) == ResponseWriteResponse.modify(body=b"new")
    assert answered(pb.ResponseWriteResponse(modified=True)) == ResponseWriteResponse.modify(body=b"")
    assert answered(pb.ResponseWriteResponse(body=b"new")) == ResponseWriteResponse.allow()


def test_a_peer_s_headers_replace_and_add() -> None:
    """In both hooks."""
    expected = Headers([("content-type", "text/plain"), ("x-b", "z"), ("x-n", "n")])
    body = answered(pb.ResponseWriteResponse(modified=True, body=b"x", headers={"X-B": "z", "X-N": "n"}))
    assert (body.headers, body.body) == (expected, b"x")
    message = pb.HeadersResponse(modified=True, headers={"X-B": "z", "X-N": "n"})
    assert wire.headers_response_from_wire(message, RESPONSE).headers == expected
    unsaid = pb.HeadersResponse(headers={"X-B": "z"})
    assert wire.headers_response_from_wire(unsaid, RESPONSE) == ResponseWriteResponse.allow()


@for_all(STREAMS)
def test_a_stream_that_ended_comes_back_whole(request: StreamCompleteRequest) -> None:
    """And whether it is whole."""
    back = wire.stream_complete_request_from_wire(sent(wire.stream_complete_to_wire(context_of(), request)))
    assert same(back, request)


@for_all(st.builds(StreamCompleteResponse, st.booleans(), st.booleans(), TEXTS))
def test_what_became_of_a_stream_comes_back(answer: StreamCompleteResponse) -> None:
    """For the log."""
    assert wire.stream_complete_from_wire(sent(wire.stream_complete_response_to_wire(answer))) == answer


def test_no_answer_about_a_stream_is_one_that_did_nothing() -> None:
    """As the protocol has it."""
    assert wire.stream_complete_from_wire(wire.stream_complete_response_to_wire(None)).handled is False
