"""Tests of ``sluice.sdk.wire.context``."""

from __future__ import annotations

from sluice.plugin_wire.plugin_pb2 import PluginContext
from sluice.sdk.context import ExchangeFacts
from sluice.sdk.wire import context_to_wire, facts_from_wire
from tests.sluice.sdk.wire.strategies import FACTS, context_of, for_all, sent


@for_all(FACTS)
def test_a_context_comes_back_whole(facts: ExchangeFacts) -> None:
    """What a plugin in this process sees, one in a process of its own sees too."""
    facts.metadata = {key: value for key, value in facts.metadata.items() if key not in {"edge_id", "edge_namespace"}}
    assert facts_from_wire(sent(context_to_wire(context_of(facts)))) == facts


def test_peers_find_the_gateway_in_the_metadata() -> None:
    """The protocol has no fields for it; a plugin of ours does not see it twice."""
    message = context_to_wire(context_of(ExchangeFacts(edge_id="g1", edge_namespace="eu", metadata={"a": "b"})))
    assert dict(message.metadata) == {"a": "b", "edge_id": "g1", "edge_namespace": "eu"}
    assert facts_from_wire(message).metadata == {"a": "b"}


def test_no_plugin_s_metadata_can_say_who_the_gateway_is() -> None:
    """What an earlier plugin left under these names does not get past the host."""
    message = context_to_wire(context_of(ExchangeFacts(edge_id="g1", metadata={"edge_id": "another"})))
    assert facts_from_wire(message).edge_id == "g1"


def test_the_trace_is_under_its_own_names() -> None:
    """As any tracing library wants it."""
    message = context_to_wire(context_of(ExchangeFacts(traceparent="00-a-b-01")))
    assert dict(message.trace_context) == {"traceparent": "00-a-b-01"}


def test_ids_that_do_not_fit_are_none() -> None:
    """Another app's or person's number they must not become."""
    facts = ExchangeFacts(app_id=1 << 32, user_id=-1, llm_id=3)
    back = facts_from_wire(context_to_wire(context_of(facts)))
    assert (back.app_id, back.user_id, back.llm_id) == (None, None, 3)


def test_an_empty_message_is_an_empty_context() -> None:
    """Peers may send none."""
    assert facts_from_wire(PluginContext()) == ExchangeFacts()


def test_a_person_s_number_may_be_larger_than_the_protocol_s() -> None:
    """Peers are told of none; a plugin of ours sees it, in an exchange and where it collects."""
    message = context_to_wire(context_of(ExchangeFacts(user_id=1 << 40)))
    assert (message.user_id, message.whole_user_id) == (0, 1 << 40)
    assert facts_from_wire(message).user_id == 1 << 40
    fitting = context_to_wire(context_of(ExchangeFacts(user_id=4_294_967_295)))
    assert (fitting.user_id, fitting.whole_user_id) == (4_294_967_295, 0)
