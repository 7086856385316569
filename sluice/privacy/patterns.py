"""Regular expressions of an operator's own, by RE2: their time grows with the text alone, whatever they are.

That is why there are no lookarounds and no backreferences: what needs them can be made to take longer than anyone
waits, by whoever writes the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final

MAX_PATTERN_CHARACTERS: Final = 1_000
_MAX_INSTRUCTIONS: Final = 2_000
"""Each character of a text may cost as many steps; so it stays under a second for the largest body that is kept."""
_MEMORY_BYTES: Final = 8 << 20

Find = Callable[[str], Iterator[tuple[int, int]]]


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Find:
    """What finds a pattern's matches in a text. Raises ValueError, which says what is wrong with the pattern."""
    expression = _expression(pattern)
    if expression.programsize > _MAX_INSTRUCTIONS:
        message = f"{_shown(pattern)} is too costly: {expression.programsize} steps of at most {_MAX_INSTRUCTIONS}; "
        raise ValueError(message + "write smaller repetitions and classes")
    if expression.search("") is not None:
        message = f"{_shown(pattern)} matches where nothing is; write + instead of *, or name a character"
        raise ValueError(message)

    def find(text: str) -> Iterator[tuple[int, int]]:
        if not text.isascii():
            text = text.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair: a character for another
        if expression.search(text) is None:
            return iter(())
        return (match.span() for match in expression.finditer(text) if match.end() > match.start())

    return find


def _expression(pattern: str) -> Any:
    try:
        import re2  # noqa: PLC0415 - an extra: only who writes patterns needs it
    except ImportError:
        message = "patterns need RE2, which is not installed; pip install 'sluice-gateway[redaction]'"
        raise ValueError(message) from None
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY_BYTES
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        raise ValueError(f"{_shown(pattern)} is no regular expression of RE2: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(error)
    if any(mark in text for mark in ("(?<", "(?=", "(?!", "(?>")):
        text += " (lookarounds are not taken: their time has no bound; write what stands beside into the match)"
    elif "invalid escape sequence" in text and text.rstrip()[-1:].isdigit():
        text += " (backreferences are not taken: their time has no bound)"
    return text


def _shown(pattern: str) -> str:
    return repr(pattern if len(pattern) <= 60 else pattern[:60] + "…")
