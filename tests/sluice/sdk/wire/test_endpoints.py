"""Tests of ``sluice.sdk.wire.endpoints``."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from sluice.plugin_wire import plugin_pb2 as pb
from sluice.sdk import EndpointChunk, EndpointRegistration, EndpointRequest, EndpointResponse, Headers, wire
from tests.sluice.sdk.wire.strategies import APPS, BODIES, HEADERS, TEXT_MAPS, TEXTS, context_of, for_all, sent
from tests.sluice.sdk.wire.test_requests import same

TUPLES = st.lists(TEXTS, max_size=3).map(tuple)
METHODS = st.lists(st.sampled_from(["GET", "POST", "HEAD"]), max_size=3).map(tuple)
REGISTRATIONS = st.builds(
    EndpointRegistration,
    path=TEXTS,
    methods=METHODS,
    description=TEXTS,
    require_auth=st.booleans(),
    scopes=TUPLES,
    stream_response=st.booleans(),
    metadata=TEXT_MAPS,
)
REQUESTS = st.builds(
    EndpointRequest,
    **dict.fromkeys(("method", "path", "relative_path", "query", "remote_addr", "host", "protocol"), TEXTS),
    path_segments=TUPLES,
    path_parameters=TEXT_MAPS,
    headers=HEADERS,
    body=BODIES,
    authenticated=st.booleans(),
    app=st.none() | APPS,
    scopes=TUPLES,
)
ANSWERS = st.builds(
    lambda *values: EndpointResponse(**dict(zip(("status_code", "headers", "body", "message"), values, strict=True))),
    *(st.integers(100, 599), HEADERS, BODIES, TEXTS),
)
CHUNKS = st.one_of(
    BODIES.map(lambda data: EndpointChunk(data=data, headers=Headers({}))),
    st.builds(EndpointChunk.head, st.integers(100, 599), HEADERS.filter(bool)),
    st.builds(lambda *values: EndpointChunk("error", b"", *values), st.integers(1, 599), HEADERS, TEXTS),
    st.just(EndpointChunk("done", headers=Headers({}))),
)


@for_all(REGISTRATIONS)
def test_a_registration_comes_back_whole(registration: EndpointRegistration) -> None:
    """With the scopes that its caller's token must have."""
    assert wire.registration_from_wire(sent(wire.registration_to_wire(registration))) == registration


def test_methods_come_back_in_capitals() -> None:
    """Peers may write them as they like."""
    message = pb.EndpointRegistration(path="/", methods=["get", "Post"])
    assert wire.registration_from_wire(message).methods == ("GET", "POST")


@for_all(REQUESTS)
def test_a_request_comes_back_whole(request: EndpointRequest) -> None:
    """With the app, what stood at the places of its path, and every header."""
    assert same(wire.endpoint_request_from_wire(sent(wire.endpoint_request_to_wire(context_of(), request))), request)


@for_all(ANSWERS)
def test_an_answer_comes_back_as_it_was_given(answer: EndpointResponse) -> None:
    """Two cookies are two lines."""
    assert same(wire.endpoint_response_from_wire(sent(wire.endpoint_response_to_wire(answer))), answer)


@for_all(CHUNKS)
def test_a_chunk_comes_back_as_it_was_given(chunk: EndpointChunk) -> None:
    """Of whatever kind."""
    assert same(wire.endpoint_chunk_from_wire(sent(wire.endpoint_chunk_to_wire(chunk))), chunk)


def test_a_peer_that_names_no_status_means_200_or_an_error_500() -> None:
    """As the protocol's own host has it."""
    assert wire.endpoint_response_from_wire(pb.EndpointResponse()).status_code == 200
    assert wire.endpoint_response_from_wire(pb.EndpointResponse(error_message="x")).status_code == 500
    head = wire.endpoint_chunk_from_wire(pb.EndpointResponseChunk())
    assert (head.kind, head.status_code) == ("headers", 200)
    failed = wire.endpoint_chunk_from_wire(pb.EndpointResponseChunk(type=pb.EndpointResponseChunk.ERROR))
    assert (failed.kind, failed.status_code) == ("error", 500)


def test_a_kind_of_chunk_that_is_none_is_an_error() -> None:
    """Protobuf lets any number through; so may a process."""
    for number in (4, 99, -1, -4, -(1 << 31)):
        message = pb.EndpointResponseChunk.FromString(b"\x08" + _varint(number))
        assert wire.endpoint_chunk_from_wire(message).kind == "error"


def test_what_can_be_no_header_is_refused_on_both_sides() -> None:
    """The author hears of it in the plugin's process; the host does not trust that."""
    with pytest.raises(ValueError, match="header"):
        wire.endpoint_response_to_wire(EndpointResponse(headers={"a b": "c"}))
    with pytest.raises(ValueError, match="header"):
        wire.endpoint_response_from_wire(pb.EndpointResponse(headers={"A": "b\r\nc: d"}))
    with pytest.raises(ValueError, match="header"):
        wire.endpoint_chunk_from_wire(pb.EndpointResponseChunk(headers={"A\n": "b"}))


def _varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])
