"""The tokenizer library, where it is installed: the one file that knows it.

``rs-bpe`` carries OpenAI's two vocabularies in itself, so that nothing is downloaded, and counts as the vendor's own
library does.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from functools import cache
from typing import TypeAlias

import structlog

Count: TypeAlias = Callable[[str], int]
"""Tokens of a text, in which special tokens are text like any other."""

logger = structlog.get_logger(__name__)

_ENCODINGS = (
    (re.compile(r"(ft:)?(gpt-4o|gpt-4\.[15]|gpt-5|chatgpt-4o|o1|o3|o4)([-.:].*)?"), "o200k_base"),
    (re.compile(r"(ft:)?(gpt-4|gpt-3\.5|gpt-35)([-:].*)?|text-embedding-(ada-002|3-small|3-large)"), "cl100k_base"),
    (re.compile(r"(ft:)?(davinci|babbage)-002(:.*)?"), "cl100k_base"),
)
"""By the names that the vendor's own library knows; any other model is counted by bytes."""


def counter_of(model: str | None) -> Count | None:
    """Counts the tokens of a model's text; ``None`` for a model that is not known, or without the library."""
    for pattern, encoding in _ENCODINGS:
        if model is not None and pattern.fullmatch(model):
            return _load(encoding)
    return None


@cache
def _load(encoding: str) -> Count | None:
    """Once in a process, for 0.1 s; the first vocabulary takes 70 MB, the second 30."""
    try:
        library = importlib.import_module("rs_bpe.bpe").openai
    except ImportError:
        logger.info("input is counted by bytes", remedy="install the extra: pip install 'sluice-gateway[tokenizer]'")
        return None
    count: Count = getattr(library, encoding)().count
    return count
