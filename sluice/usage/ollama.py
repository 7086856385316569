"""Counts as Ollama writes them: beside the answer, left out where they are 0.

So ``eval_count`` that is missing is 0 if nothing was made; ``prompt_eval_count`` that is missing tells that all of a
prompt was in the cache, not how much that was: then the prompt is estimated (``prompt_missing``). Thinking is among
``eval_count``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from sluice.money.usage import Usage
from sluice.usage.counts import Counted
from sluice.usage.plain_counts import PlainCounts, text_of_counts

Members = Mapping[str, msgspec.Raw]
_FIGURES: Final = ("_count", "_duration", "_tokens")
"""What the names of figures end with; of those a line has no others."""


def usage_of(members: Members, *, has_made: bool, is_idle: bool) -> Counted:
    """The counts of a whole answer, or of a stream's last line; ``has_made`` says whether there was any output,
    ``is_idle`` whether a model that counts nothing did nothing."""
    counts = PlainCounts()
    prompt, response = counts.read(members.get("prompt_eval_count")), counts.read(members.get("eval_count"))
    text, problem = figures(members), counts.problem
    if counts.is_impossible:
        return Counted(None, text, problem)
    if prompt is None and response is None:
        is_nothing = not problem and not has_made and is_idle
        return Counted(Usage(prompt_tokens=0, response_tokens=0) if is_nothing else None, text, problem)
    if response is None:
        if problem or has_made:
            return Counted(None, text, problem or "missing")
        response = 0
    elif prompt is None:
        problem = problem or "prompt_missing"
    return Counted(Usage(prompt_tokens=prompt, response_tokens=response), text, problem)


def figures(members: Members) -> str | None:
    """Those of an answer, as events keep them."""
    return text_of_counts({name: value for name, value in members.items() if name.endswith(_FIGURES)})
