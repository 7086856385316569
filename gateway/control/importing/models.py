"""Patterns of models: from gateways that look for them anywhere in a name to one that wants the whole name."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence

NOTHING = "(?!)"
"""A pattern that no model matches."""
_FLAGS = re.compile(r"\(\?([ims]+)\)")
_SPECIAL = re.compile(r"[.^$*+?{}\[\]\\|()]")
"""What must be escaped; ``re.escape`` escapes more, and people read these."""
_WHOLE = re.compile(r"\^[^|()]*\$")


def whole_patterns(patterns: Sequence[str]) -> tuple[list[str], list[str]]:
    """Patterns that match a whole name where these match anywhere in it; and those that are none here.

    A pattern that is none matches nothing, as before; where all are so, nothing is allowed, and not everything.
    """
    found: list[str] = []
    bad: list[str] = []
    for pattern in patterns:
        whole = _whole(pattern)
        if _is_pattern(whole):
            found.append(whole)
        else:
            bad.append(pattern)
    return (found or [NOTHING] if bad else found), bad


def _is_pattern(text: str) -> bool:
    """Not one either that later versions of Python may read as another: ``[[`` and the like."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        try:
            re.compile(text)
        except (re.error, FutureWarning, OverflowError, RecursionError):
            return False
    return True


def _whole(pattern: str) -> str:
    if _WHOLE.fullmatch(pattern):
        return pattern
    flags = _FLAGS.match(pattern)
    inner = f"(?{flags[1]}:{pattern[flags.end() :]})" if flags else f"(?:{pattern})"
    return f".*{inner}.*"


def glob_pattern(name: str) -> str:
    """The pattern of a name in which ``*`` is anything."""
    return ".*".join(_SPECIAL.sub(r"\\\g<0>", part) for part in name.split("*"))
