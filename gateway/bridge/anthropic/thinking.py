"""How much a model of Anthropic's thinks, and the thoughts that come back with a conversation.

Anthropic signs thoughts and wants them back unchanged where a tool's result follows. OpenAI's messages have no place
for that, so they travel as ``extra_content.anthropic.thinking_blocks`` of the assistant's message.
"""

from __future__ import annotations

import re
from typing import Any, Final

from gateway.bridge.conversation import Turn, extra_of
from gateway.bridge.interface import Wanted
from gateway.bridge.parameters import effort_of
from gateway.bridge.taking import Taking

VENDOR: Final = "anthropic"
BLOCKS: Final = "thinking_blocks"
KINDS: Final = ("thinking", "redacted_thinking")
"""A tuple: what is looked for may be anything that JSON has."""
_BY_BUDGET: Final = re.compile(r"claude-(?:3-7|(?:opus|sonnet|haiku)-4(?:-[015])?(?:-\d{8}|@\d{8}|-latest)?\Z)")
"""Models before Claude 4.6 think within a budget of tokens, later ones as much as they find right or are told."""
_BUDGETS: Final = {"minimal": 1024, "low": 1024, "medium": 4096, "high": 16384, "xhigh": 24576, "max": 32768}
"""Tokens; 1,024 is the least that Anthropic takes."""
_EFFORTS: Final = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}


def thinking_of(body: Taking, wanted: Wanted, maximum: int) -> dict[str, Any]:
    """``thinking``, and the effort in ``output_config``, of ``reasoning_effort``; empty where nothing is said."""
    effort = effort_of(body)
    if effort is None:
        return {}
    if effort == "none":
        return {"thinking": {"type": "disabled"}}
    if not _BY_BUDGET.search(wanted.model):
        thinking = {"type": "adaptive", "display": "summarized"}
        return {"thinking": thinking, "output_config": {"effort": _EFFORTS[effort]}}
    least = _BUDGETS["low"]
    if maximum <= least:
        remedy = f"say max_completion_tokens above {least}: thoughts count in it"
        body.refuse("reasoning_effort", f"reasoning within {maximum} tokens", remedy)
    budget = min(_BUDGETS[effort], max(least, maximum // 2))
    return {"thinking": {"type": "enabled", "budget_tokens": budget}}


def thoughts_of(turn: Turn, body: Taking) -> list[dict[str, Any]]:
    """The signed thoughts that an assistant's message brings back. Unsigned ones (``reasoning_content``) nobody takes:
    they are a copy for readers."""
    blocks = extra_of(turn.extra, VENDOR).get(BLOCKS) or []
    if not isinstance(blocks, list) or not all(
        isinstance(block, dict) and block.get("type") in KINDS for block in blocks
    ):
        body.fail(f"{turn.path}.extra_content.{VENDOR}.{BLOCKS}", "a list of thinking blocks as they came")
    return blocks
