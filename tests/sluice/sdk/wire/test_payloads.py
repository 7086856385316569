"""Tests of ``sluice.sdk.wire.payloads``."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from sluice.plugin_wire import plugin_pb2 as pb
from sluice.sdk import EdgePayload, wire
from tests.sluice.sdk.wire.strategies import BODIES, MICROS, TEXT_MAPS, TEXTS, context_of, for_all, sent

PAYLOADS = st.builds(EdgePayload, BODIES, TEXTS, TEXTS, TEXTS, TEXT_MAPS, MICROS, MICROS, TEXTS)


@for_all(PAYLOADS)
def test_a_payload_comes_back_whole(payload: EdgePayload) -> None:
    """To the microsecond, and with the id by which a second delivery is known."""
    assert wire.edge_payload_from_wire(sent(wire.edge_payload_to_wire(context_of(), payload))) == payload


def test_peers_get_seconds_and_give_them() -> None:
    """What the protocol has of a time."""
    message = wire.edge_payload_to_wire(context_of(), EdgePayload(b"p", sent_at=1_999_999, received_at=3_000_000))
    assert (message.edge_timestamp, message.received_timestamp) == (1, 3)
    back = wire.edge_payload_from_wire(pb.EdgePayloadRequest(edge_timestamp=1, received_timestamp=3))
    assert (back.sent_at, back.received_at) == (1_000_000, 3_000_000)


@pytest.mark.parametrize("handled", [True, False])
def test_whether_it_was_handled_comes_back(handled: bool) -> None:
    """Either is a success: only a failure brings it again."""
    assert wire.edge_payload_response_from_wire(sent(wire.edge_payload_response_to_wire(handled))) is handled


def test_a_failure_says_why() -> None:
    """In the plugin's words, or in ours where it has none."""
    with pytest.raises(ValueError, match="disk full"):
        wire.edge_payload_response_from_wire(pb.EdgePayloadResponse(error_message="disk full", handled=True))
    with pytest.raises(ValueError, match="did not take"):
        wire.edge_payload_response_from_wire(pb.EdgePayloadResponse())
