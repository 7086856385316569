"""Tests of ``sluice.sdk.wire.messages``."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import strategies as st

from sluice.plugin_wire import plugin_events_pb2 as pb
from sluice.sdk import Message
from sluice.sdk.services import Direction
from sluice.sdk.wire.messages import direction_from_wire, message_from_wire, message_to_wire
from tests.sluice.sdk.wire.strategies import BODIES, TEXTS, for_all, sent

MESSAGES = st.builds(
    Message, id=TEXTS, topic=TEXTS, payload=BODIES, origin=TEXTS, direction=st.sampled_from(get_args(Direction))
)


@for_all(MESSAGES)
def test_a_message_comes_back_whole(message: Message) -> None:
    """Every field is the protocol's own."""
    assert message_from_wire(sent(message_to_wire(message))) == message


@pytest.mark.parametrize(("number", "direction"), [(0, "local"), (1, "up"), (2, "down"), (3, None), (-1, None)])
def test_directions_have_the_protocol_s_numbers(number: int, direction: str | None) -> None:
    """A number that it does not have is none; a message of such a one stays where it is."""
    assert direction_from_wire(number) == direction
    assert message_from_wire(pb.EventMessage(direction=number)).direction == direction or direction is None
