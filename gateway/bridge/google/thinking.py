"""How much a model of Google's thinks: a level from the third generation on, a budget of tokens in the second."""

from __future__ import annotations

import re
from typing import Any, Final

from gateway.bridge.parameters import effort_of
from gateway.bridge.taking import Taking

_GENERATION: Final = re.compile(r"gemini-(\d+)(?:\.(\d+))?")
_LEVELS: Final = {"minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH", "xhigh": "XHIGH"}
_BUDGETS: Final = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}
"""Those that Google's own compatible endpoint takes for them."""
SIGNATURE: Final = "thought_signature"
NO_SIGNATURE: Final = "skip_thought_signature_validator"
"""What Google documents in place of a signature, for calls that another model made or whose signature is lost."""


def generation_of(model: str) -> tuple[int, int] | None:
    """``(2, 5)`` of ``gemini-2.5-flash``; ``(3, 0)`` of names that only say what is the latest; ``None`` for models
    that are no Gemini."""
    found = _GENERATION.search(model)
    if found is not None:
        return int(found[1]), int(found[2] or 0)
    return (3, 0) if re.search(r"gemini-(?:pro|flash|flash-lite)-latest", model) else None


def needs_signatures(model: str) -> bool:
    """Whether the model refuses calls of its own that come back without their signature."""
    generation = generation_of(model)
    return generation is not None and generation >= (3, 0)


def thinking_of(body: Taking, model: str) -> dict[str, Any] | None:
    """``thinkingConfig`` of ``reasoning_effort``; thoughts are shown where it was asked to think."""
    effort = effort_of(body)
    if effort is None:
        return None
    generation = generation_of(model)
    if generation is None or generation < (2, 5):
        body.refuse("reasoning_effort", f"reasoning in {model}", "leave it out, or ask a model that thinks")
    if generation >= (3, 0):
        if effort not in _LEVELS:
            remedy = "say minimal" if effort == "none" else "say high"
            body.refuse("reasoning_effort", f"effort {effort!r} in {model}", remedy)
        return {"thinkingLevel": _LEVELS[effort], "includeThoughts": True}
    if effort not in _BUDGETS:
        body.refuse("reasoning_effort", f"effort {effort!r} in {model}", "say high")
    return {"thinkingBudget": _BUDGETS[effort], "includeThoughts": effort != "none"}
