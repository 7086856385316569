"""Tests of ``sluice.sdk.context``."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.sdk import Context
from sluice.sdk.context import ExchangeFacts
from sluice.sdk.testing import RecordingServices

FACTS: dict[str, Any] = {
    "request_id": "r-1",
    "exchange_id": "e-1",
    "app_id": 7,
    "user_id": 9,
    "llm_id": 3,
    "llm_slug": "demo",
    "vendor": "openai",
}


def test_a_context_shows_what_the_host_knows() -> None:
    """Every fact under its own name, now and when it changes."""
    facts = ExchangeFacts(**FACTS)
    context = Context(facts, RecordingServices())
    assert {name: getattr(context, name) for name in FACTS} == FACTS
    facts.app_id = 8
    assert context.app_id == 8
    assert context.runtime == "gateway"


def test_before_authentication_nobody_is_known() -> None:
    """Absent is ``None``, never app 0."""
    context = Context(ExchangeFacts(), RecordingServices())
    assert (context.app_id, context.user_id, context.llm_id) == (None, None, None)


@pytest.mark.parametrize("name", [*FACTS, "services", "metadata", "anything"])
def test_a_context_cannot_be_changed(name: str) -> None:
    """A plugin changes an exchange by its answer, not behind its back."""
    context = Context(ExchangeFacts(), RecordingServices())
    with pytest.raises(AttributeError):
        setattr(context, name, "other")


def test_metadata_is_read_only() -> None:
    """It is what earlier plugins left; ``context_updates`` adds to it."""
    context = Context(ExchangeFacts(metadata={"team": "blue"}), RecordingServices())
    assert dict(context.metadata) == {"team": "blue"}
    with pytest.raises(TypeError):
        context.metadata["team"] = "red"  # type: ignore[index]


@pytest.mark.parametrize(("sent", "continued"), [("", {}), ("00-aa-bb-01", {"traceparent": "00-aa-bb-01"})])
def test_the_trace_context_is_the_client_s(sent: str, continued: dict[str, str]) -> None:
    """What a plugin puts on its own calls, nothing where the client sent none."""
    assert Context(ExchangeFacts(traceparent=sent), RecordingServices()).trace_context == continued


def test_facts_are_nobody_s_else() -> None:
    """Two exchanges never share a metadata dictionary."""
    assert ExchangeFacts().metadata is not ExchangeFacts().metadata
    assert ExchangeFacts().claims is not ExchangeFacts().claims
    assert ExchangeFacts().states is not ExchangeFacts().states


def test_the_gateway_is_named() -> None:
    """By its id and the group that it belongs to."""
    context = Context(ExchangeFacts(edge_id="edge-1", edge_namespace="eu"), RecordingServices())
    assert (context.edge_id, context.edge_namespace) == ("edge-1", "eu")


def test_what_authentication_said_is_read_only() -> None:
    """It is the gateway's word to every plugin of the exchange."""
    context = Context(ExchangeFacts(claims={"team": "blue"}), RecordingServices())
    assert dict(context.claims) == {"team": "blue"}
    with pytest.raises(TypeError):
        context.claims["team"] = "red"  # type: ignore[index]


def test_state_is_the_plugin_s_own() -> None:
    """What one hook leaves its later hooks find, in the same exchange; nobody else does."""
    facts = ExchangeFacts()
    Context(facts, RecordingServices(), plugin="a").state["held"] = b"x"
    assert Context(facts, RecordingServices(), plugin="a").state == {"held": b"x"}
    assert Context(facts, RecordingServices(), plugin="b").state == {}
    assert Context(ExchangeFacts(), RecordingServices(), plugin="a").state == {}
