"""The snapshot's values: what an LLM allows, and which state of the configuration holds now."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

from gateway.snapshot import App, Chains, Llm, PresentPrices, Snapshot, SnapshotHolder, Token
from sluice.plugin_host.answers import Limits
from sluice.plugin_host.chain import Chain
from sluice.sdk.capabilities import Hook
from tests.gateway.test_exchange import a_snapshot
from tests.gateway.test_snapshot_builder import AT, llm


@pytest.mark.parametrize(
    ("patterns", "model", "allowed"),
    [
        ((), "anything", True), ((), None, True), (("gpt-.*",), "gpt-4o", True), (("gpt-.*",), "my-gpt-4o", False),
        (("gpt",), "gpt-4o", False), (("gpt",), "gpt\n", False), (("gpt",), None, False), (("a", "b"), "b", True),
        ((".*",), None, False), ((".*",), "a\nb", False), (("GPT",), "gpt", False),
    ],
)  # fmt: skip
def test_an_allow_list_matches_whole_names(patterns: tuple[str, ...], model: str | None, allowed: bool) -> None:
    """An empty list allows all; a list never allows a request that names no model."""
    assert llm(allowed_models=patterns).allows(model) is allowed


@pytest.mark.parametrize("kind", [Snapshot, Llm, App, Token, Chains])
def test_nothing_of_it_can_be_changed(kind: type[Any]) -> None:
    """What a request reads is the same at its end as at its beginning."""
    made = object.__new__(kind)
    with pytest.raises(FrozenInstanceError):
        setattr(made, fields(kind)[0].name, 1)


def test_a_snapshot_of_nothing_knows_nobody() -> None:
    """No LLM, no token, no price."""
    empty = Snapshot()
    assert (len(empty.llms_by_slug), len(empty.tokens), len(empty.apps)) == (0, 0, 0)
    assert empty.prices.find("openai", "gpt-4o", AT) is None


def test_a_snapshot_is_the_one_that_holds_now() -> None:
    """Who holds the one before keeps it as it was."""
    first, second = a_snapshot()[0], Snapshot()
    holder = SnapshotHolder(first)
    before = holder.get()
    holder.replace(second)
    assert holder.get() is second
    assert before is first
    assert "demo" in before.llms_by_slug


def test_present_prices_are_those_of_the_snapshot_that_holds_now() -> None:
    """Whoever keeps them for the life of a worker charges by the prices of today."""
    snapshot = a_snapshot()[0]
    holder = SnapshotHolder(replace(snapshot, prices=Snapshot().prices))
    prices = PresentPrices(holder)
    assert (prices.find("openai", "gpt-4o", AT), prices.by_id("gpt")) == (None, None)
    holder.replace(snapshot)
    found = prices.find("openai", "gpt-4o", AT)
    assert found is not None
    assert prices.by_id("gpt") is found


def a_chain(hook: Hook) -> Chain:
    """One that only is there."""
    return Chain(hook, (None,), Limits())  # type: ignore[arg-type]


def test_a_body_hook_that_nobody_planned_streams_for_reads_them_whole() -> None:
    """Forgetting them must not open a way around it."""
    chain = a_chain("response_body")
    assert Chains(response_body=chain).stream_whole is chain
    assert Chains(response_body=chain, stream_refused_by="it").stream_whole is None
    assert Chains(response_body=chain, stream_chunks=chain).stream_whole is None
    assert not Chains(pre_auth=a_chain("pre_auth")).acts_on_streams
    acting = (Chains(stream_whole=chain), Chains(stream_chunks=chain), Chains(stream_complete=chain))
    assert all(chains.acts_on_streams for chains in acting)
