"""Tests of ``gateway.upstreams.vendors.bedrock.families``."""

from __future__ import annotations

import pytest

from gateway.upstreams.vendors.bedrock.families import UNKNOWN, family_of


@pytest.mark.parametrize(
    ("model", "first"),
    [
        ("anthropic.claude-3-haiku-20240307-v1:0", ("max_tokens",)),
        ("anthropic.claude-v2:1", ("max_tokens_to_sample",)),
        ("anthropic.claude-instant-v1", ("max_tokens_to_sample",)),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", ("max_tokens",)),
        ("amazon.titan-text-express-v1", ("textGenerationConfig", "maxTokenCount")),
        ("eu.amazon.nova-pro-v1:0", ("inferenceConfig", "maxTokens")),
        ("us.meta.llama3-3-70b-instruct-v1:0", ("max_gen_len",)),
        ("mistral.mistral-large-2402-v1:0", ("max_tokens",)),
        ("cohere.command-r-plus-v1:0", ("max_tokens",)),
        ("ai21.jamba-1-5-large-v1:0", ("max_tokens",)),
        ("ai21.j2-ultra-v1", ("maxTokens",)),
        ("openai.gpt-oss-120b-1:0", ("max_completion_tokens",)),
        ("us.deepseek.r1-v1:0", ("max_tokens",)),
    ],
)
def test_a_family_has_its_own_word_for_a_maximum(model: str, first: tuple[str, ...]) -> None:
    """Behind any region."""
    family = family_of(model)
    assert family is not None
    assert family.maxima[0] == first


@pytest.mark.parametrize(
    "model",
    ["amazon.titan-embed-text-v2:0", "amazon.nova-canvas-v1:0", "cohere.embed-v4:0", "stability.sd3-5-large-v1:0"],
)
def test_what_makes_no_text_has_no_maximum(model: str) -> None:
    """None can be filled in."""
    family = family_of(model)
    assert family is not None
    assert family.maxima == ()


def test_a_name_that_does_not_tell_may_be_any_family() -> None:
    """All their words count; none is filled in."""
    assert family_of("arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl") is None
    assert family_of("my-anthropic.like") is None
    assert {("max_tokens",), ("max_gen_len",), ("inferenceConfig", "maxTokens")} <= set(UNKNOWN.maxima)
