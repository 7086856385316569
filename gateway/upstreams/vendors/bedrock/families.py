"""Families of models whose bodies ``invoke`` passes on as they are: what each calls a maximum of response tokens."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

Place = tuple[str, ...]
"""The names that lead to a member of a body."""


class Family(NamedTuple):
    """What the gateway must know of a family's requests."""

    maxima: tuple[Place, ...]
    """Where a maximum may stand; it is filled in at the first. None: it makes no text."""
    choices: str = ""
    """The member that says how many answers are wanted."""


_OF_OPENAI: Final = Family((("max_tokens",), ("max_completion_tokens",)), "n")
_CONVERSE_LIKE: Final = Family((("inferenceConfig", "maxTokens"), ("inferenceConfig", "max_new_tokens")))
_NO_TEXT: Final = Family(())
_FAMILIES: Final = (
    (r"amazon\.titan-text", Family((("textGenerationConfig", "maxTokenCount"),))),
    (r"amazon\.nova-(?:micro|lite|pro|premier|2-lite|2-pro)", _CONVERSE_LIKE),
    (r"amazon\.", _NO_TEXT),
    (r"cohere\.(?:embed|rerank)", _NO_TEXT),
    (r"stability\.|twelvelabs\.|luma\.", _NO_TEXT),
    (r"anthropic\.claude-(?:v|instant)", Family((("max_tokens_to_sample",), ("max_tokens",)))),
    (r"anthropic\.", Family((("max_tokens",), ("max_tokens_to_sample",)))),
    (r"meta\.", Family((("max_gen_len",),))),
    (r"cohere\.", Family((("max_tokens",),), "num_generations")),
    (r"ai21\.j2", Family((("maxTokens",),), "numResults")),
    (r"openai\.", Family((("max_completion_tokens",), ("max_tokens",)), "n")),
    (r"(?:ai21|mistral|deepseek|qwen|writer|google|minimax|moonshot|moonshotai|nvidia|zai)\.", _OF_OPENAI),
)
_PATTERNS: Final = tuple((re.compile(r"(?:^|[./])" + pattern), family) for pattern, family in _FAMILIES)
CONVERSE: Final = Family((("inferenceConfig", "maxTokens"),))


@lru_cache(maxsize=1024)
def family_of(model: str) -> Family | None:
    """The family of a model's name or ARN, behind any region (``us.``); ``None`` where the name does not tell."""
    for pattern, family in _PATTERNS:
        if pattern.search(model):
            return family
    return None


UNKNOWN: Final = Family(tuple(dict.fromkeys(place for _, family in _FAMILIES for place in family.maxima)), "n")
"""Of a model whose name does not tell: whatever any family calls a maximum."""
