"""How much Google's models think."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.bridge.google.thinking import generation_of, needs_signatures
from tests.gateway.bridge.telling import asking, refused, sent


@pytest.mark.parametrize(
    ("model", "effort", "config"),
    [
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0, "includeThoughts": False}),
        ("gemini-2.5-flash", "low", {"thinkingBudget": 1024, "includeThoughts": True}),
        ("gemini-2.5-pro", "medium", {"thinkingBudget": 8192, "includeThoughts": True}),
        ("gemini-2.5-pro", "high", {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-3-pro-preview", "low", {"thinkingLevel": "LOW", "includeThoughts": True}),
        ("gemini-3-flash", "minimal", {"thinkingLevel": "MINIMAL", "includeThoughts": True}),
        ("models/gemini-3.6-flash", "xhigh", {"thinkingLevel": "XHIGH", "includeThoughts": True}),
        ("gemini-flash-latest", "high", {"thinkingLevel": "HIGH", "includeThoughts": True}),
    ],
)
def test_efforts_are_budgets_or_levels(model: str, effort: str, config: dict[str, Any]) -> None:
    """By the model's generation; who asks for reasoning sees it."""
    made = sent("google_ai", model, asking(reasoning_effort=effort))
    assert made["generationConfig"]["thinkingConfig"] == config


@pytest.mark.parametrize(
    ("model", "effort"),
    [
        ("gemini-3-pro-preview", "none"),
        ("gemini-3-pro-preview", "max"),
        ("gemini-2.5-pro", "xhigh"),
        ("gemini-2.0-flash", "low"),
        ("gemma-3-27b-it", "low"),
        ("gemini-3-pro-preview", "very"),
        ("gemini-3-pro-preview", 3),
    ],
)
def test_efforts_that_a_model_lacks_are_refused(model: str, effort: Any) -> None:
    """No effort is silently another."""
    assert refused("google_ai", model, asking(reasoning_effort=effort)).param == "reasoning_effort"


def test_generations_are_read_off_names() -> None:
    """Of any way to write them."""
    names = ("gemini-2.5-pro", "gemini-10-pro", "google/gemini-3.6-flash", "gemini-pro-latest", "gemma-3")
    assert [generation_of(name) for name in names] == [(2, 5), (10, 0), (3, 6), (3, 0), None]
    assert [needs_signatures(name) for name in names] == [False, True, True, True, False]
