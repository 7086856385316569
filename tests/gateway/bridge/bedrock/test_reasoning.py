"""Reasoning on Bedrock, asked for and sent back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.bridge.telling import asking, refused, sent

CLAUDE = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
USER = {"role": "user", "content": "Hi"}


@pytest.mark.parametrize(
    ("model", "effort", "fields", "output"),
    [
        (CLAUDE, "low", {"thinking": {"type": "enabled", "budget_tokens": 1024}}, None),
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", "high",
         {"thinking": {"type": "enabled", "budget_tokens": 16384}}, None),
        ("anthropic.claude-opus-4-20250514-v1:0", "medium",
         {"thinking": {"type": "enabled", "budget_tokens": 4096}}, None),
        ("anthropic.claude-opus-4-6-v1", "max", {"thinking": {"type": "adaptive"}}, {"effort": "max"}),
        ("global.anthropic.claude-opus-5", "low", {"thinking": {"type": "adaptive"}}, {"effort": "low"}),
        (CLAUDE, "none", None, None),
        ("us.amazon.nova-2-lite-v1:0", "medium",
         {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}}, None),
        ("amazon.nova-2-lite-v1:0", "none", {"reasoningConfig": {"type": "disabled"}}, None),
        ("openai.gpt-oss-120b-1:0", "high", {"reasoning_effort": "high"}, None),
    ],
)  # fmt: skip
def test_an_effort_is_what_the_family_calls_it(model: str, effort: str, fields: Any, output: Any) -> None:
    """A budget, an effort, or a configuration of its own."""
    made = sent("bedrock", model, asking(reasoning_effort=effort))
    assert made.get("additionalModelRequestFields") == fields
    assert made.get("outputConfig") == output


@pytest.mark.parametrize(
    ("model", "members", "param"),
    [
        (CLAUDE, {"reasoning_effort": "max"}, "reasoning_effort"),
        (CLAUDE, {"reasoning_effort": "low", "max_tokens": 1024}, "max_completion_tokens"),
        ("anthropic.claude-opus-4-6-v1", {"reasoning_effort": "minimal"}, "reasoning_effort"),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", {"reasoning_effort": "low"}, "reasoning_effort"),
        ("amazon.nova-2-lite-v1:0", {"reasoning_effort": "xhigh"}, "reasoning_effort"),
        ("openai.gpt-oss-120b-1:0", {"reasoning_effort": "none"}, "reasoning_effort"),
        ("meta.llama3-3-70b-instruct-v1:0", {"reasoning_effort": "low"}, "reasoning_effort"),
        (CLAUDE, {"reasoning_effort": "a lot"}, "reasoning_effort"),
    ],
)
def test_efforts_that_a_model_lacks_are_refused(model: str, members: dict[str, Any], param: str) -> None:
    """No effort is silently another, and none is left out."""
    assert refused("bedrock", model, asking(**members)).param == param


def message(reasoning: str, blocks: Any) -> dict[str, Any]:
    """An assistant's message with reasoning and its proofs."""
    extra = {"bedrock": {"reasoning": blocks}}
    return {"role": "assistant", "content": "Yes", "reasoning_content": reasoning, "extra_content": extra}


def test_signed_reasoning_comes_back_as_it_was() -> None:
    """Each signature with the text that it signs, what is redacted where it stood."""
    blocks = [{"characters": 2, "signature": "s1"}, {"redacted": "ZW5j"}, {"characters": 3, "signature": "s2"}]
    made = sent("bedrock", CLAUDE, {"messages": [USER, message("Hmöhm", blocks), USER]})
    assert made["messages"][1]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "s1"}}},
        {"reasoningContent": {"redactedContent": "ZW5j"}},
        {"reasoningContent": {"reasoningText": {"text": "öhm", "signature": "s2"}}},
        {"text": "Yes"},
    ]


@pytest.mark.parametrize(
    "blocks",
    [
        None, [], "x", [5], [{"characters": 4, "signature": "s"}], [{"characters": 6, "signature": "s"}],
        [{"characters": -1}], [{"characters": "5"}],
    ],
)  # fmt: skip
def test_reasoning_whose_proof_is_lost_or_wrong_stays_here(blocks: Any) -> None:
    """A changed text would be refused with the whole conversation; models need none of what they did not sign."""
    made = sent("bedrock", CLAUDE, {"messages": [USER, message("Hmöhm", blocks), USER]})
    assert made["messages"][1]["content"] == [{"text": "Yes"}]
