"""How much is thought, by model; and thoughts that come back."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.bridge.anthropic.thinking import thinking_of, thoughts_of
from gateway.bridge.conversation import turns_of
from gateway.bridge.interface import Invalid, Unsupported
from gateway.bridge.taking import Taking
from tests.gateway.bridge.test_frames import wanted

BUDGETED = (
    "claude-3-7-sonnet-20250219", "claude-opus-4-20250514", "claude-sonnet-4-0", "claude-opus-4-1",
    "claude-sonnet-4-5", "claude-sonnet-4-5-20250929", "claude-haiku-4-5@20251001",
)  # fmt: skip
ADAPTIVE = ("claude-opus-4-6", "claude-sonnet-4-6", "claude-opus-4-7-20260401", "claude-opus-5", "claude-opus-4-10")


def thinking(effort: str | None, model: str = BUDGETED[0], maximum: int = 64_000) -> dict[str, Any]:
    """What this effort becomes."""
    return thinking_of(Taking({"reasoning_effort": effort}, "anthropic"), wanted(model=model), maximum)


@pytest.mark.parametrize("model", BUDGETED)
def test_older_models_have_a_budget(model: str) -> None:
    """At least what Anthropic takes, and below the maximum, in which it counts."""
    assert thinking("high", model)["thinking"] == {"type": "enabled", "budget_tokens": 16_384}
    for effort in ("minimal", "low", "medium", "high", "xhigh", "max"):
        for maximum in (1025, 1500, 4096, 64_000):
            budget = thinking(effort, model, maximum)["thinking"]["budget_tokens"]
            assert 1024 <= budget < maximum
    with pytest.raises(Unsupported, match="above 1024") as caught:
        thinking("low", model, 1024)
    assert caught.value.param == "reasoning_effort"


@pytest.mark.parametrize("model", ADAPTIVE)
def test_later_models_are_told_an_effort(model: str) -> None:
    """Whatever the maximum is; they show what they thought."""
    assert thinking("minimal", model, 10) == {
        "thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {"effort": "low"},
    }
    assert thinking("max", model)["output_config"] == {"effort": "max"}


def test_nothing_said_changes_nothing() -> None:
    """``none`` turns it off; what is no effort is invalid."""
    assert thinking(None) == {}
    assert thinking("none") == {"thinking": {"type": "disabled"}}
    with pytest.raises(Invalid):
        thinking("enormous")


def came_back(blocks: Any) -> list[dict[str, Any]]:
    """The thoughts of an assistant's message that has these blocks."""
    message = {"role": "assistant", "content": "x", "extra_content": {"anthropic": {"thinking_blocks": blocks}}}
    taking = Taking({"messages": [message]}, "anthropic")
    return thoughts_of(turns_of(taking)[0], taking)


def test_signed_thoughts_go_back_as_they_came() -> None:
    """Others' proofs, and none at all, are nothing to Anthropic; what is no block is invalid."""
    blocks = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "redacted_thinking", "data": "d"}]
    assert came_back(blocks) == blocks
    assert came_back(None) == came_back([]) == []
    for broken in ("x", [1], [{"type": "text"}], {"type": "thinking"}):
        with pytest.raises(Invalid) as caught:
            came_back(broken)
        assert caught.value.param == "messages.0.extra_content.anthropic.thinking_blocks"
