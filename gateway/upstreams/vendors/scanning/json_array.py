"""One JSON array that comes element by element, read beside the bytes.

The array's end is its terminal event: a client that reads the text needs the bracket, and nothing behind it.
"""

from __future__ import annotations

import re
from abc import abstractmethod

import msgspec

from gateway.upstreams.vendors.scanning.base import FrameScanner, Verdict
from sluice.usage.reading import UNREADABLE

# Atomic groups, no possessive repeats of groups: CPython before 3.11.5 matches those wrong (gh-106052).
_PLAIN = rb'[^"\[\]{}]*+'
_STRING = rb'"[^"\\]*+(?>(?:\\.[^"\\]*+)*)"'
_OUTSIDE = re.compile(_PLAIN + rb"(?>(?:" + _STRING + _PLAIN + rb')*)(["\[\]{}])', re.DOTALL)
"""As far as the next bracket, or the quote of a string that is not whole yet."""
_INSIDE = re.compile(rb'[^"\\]*+(["\\])')
_SPACES = b" \t\r\n"
_SEPARATORS = _SPACES + b","
_MAX_JOINED_BYTES = 64 << 10
"""Of the beginning of an element that is copied to stand before the next chunk."""
_decode_one = msgspec.json.Decoder(msgspec.Raw).decode
_decode_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode


class JsonArrayScanner(FrameScanner):
    """Scans the elements of an array; a dialect says what they mean. An element that is not whole waits."""

    bare_end = re.compile(rb"[\s,]*\]\s*")

    def __init__(self, *, hide_usage: bool = False) -> None:
        super().__init__(hide_usage=hide_usage)
        self._depth = 0
        self._is_inside = False
        """Whether a string is not closed yet."""
        self._walked = 0
        """So much of ``_rest`` is in ``_depth`` and ``_is_inside`` already."""

    @abstractmethod
    def inspect(self, element: bytes) -> Verdict:
        """Take note of an element, an object as it stands; ``pass`` or ``hold``. Called for those that may matter, and
        for the first ones."""

    @abstractmethod
    def may_matter(self, chunk: bytes) -> bool:
        """As ``SseScanner.may_matter``."""

    def feed(self, chunk: bytes) -> bytes:
        """The bytes that may go out now. Nearly all elements are in chunks that need no walk through their brackets."""
        rest = self._rest
        if self.ended or self._too_large is not None or len(rest) > _MAX_JOINED_BYTES:
            return self._cut(chunk)
        together = bytes(rest) + chunk if rest else chunk
        is_first = not self.sse_frames
        if is_first and together[:1] != b"[":
            return self._cut(chunk)
        size, count = _plain_elements(together[is_first:])
        size += is_first
        plain = together[:size]
        if not count or (count > 1 and (is_first or self.looks_left or self.may_matter(plain))):
            return self._cut(chunk)
        self._depth, self._is_inside, self._walked = 1, False, 0
        if count > 1:
            self.sse_frames += count
        elif self._judge(plain) == "hold":
            rest[:] = together
            return self._hold(0)
        rest.clear()
        tail = together[size:]
        return plain + self._cut(tail) if tail.strip(_SPACES) else together

    def _find_end(self, start: int, searched: int) -> tuple[int, int] | None:  # noqa: ARG002 - formats differ
        """Walks the brackets and strings that were not walked yet."""
        rest = self._rest
        while (token := (_INSIDE if self._is_inside else _OUTSIDE).match(rest, self._walked)) is not None:
            sign = token[1]
            if sign == b"\\":
                if token.end() == len(rest):
                    self._walked = token.start(1)
                    return None
                self._walked = token.end() + 1
                continue
            self._walked = token.end()
            if sign == b'"':
                self._is_inside = not self._is_inside
            elif sign in b"[{":
                self._depth += 1
            else:
                self._depth -= 1
                if self._depth <= 1:
                    return token.span(1)
        self._walked = len(rest)
        return None

    def _hold(self, start: int) -> bytes:
        """As of all; the spaces before it go, as they do where they come alone."""
        before = super()._hold(start)
        held = self._held.lstrip(_SPACES)
        spaces, self._held = self._held[: len(self._held) - len(held)], held
        return before + spaces

    def _let_go(self) -> bytes:
        """Spaces between elements need not wait, which nobody can act on."""
        if self._depth == 1 and self._rest and not self._rest.strip(_SPACES):
            return self._take(len(self._rest))
        return super()._let_go()

    def _judge(self, frame: bytes) -> Verdict:
        if self._depth <= 0:
            return "hold"
        self.sse_frames += 1
        element = frame.lstrip(_SEPARATORS + b"[") if self.sse_frames == 1 else frame.lstrip(_SEPARATORS)
        if self.looks_left:
            self.looks_left -= 1
        elif not self.may_matter(element):
            return "pass"
        return self.inspect(element)

    def _last(self, rest: bytes) -> Verdict:
        """An array without its end is no element."""
        if rest.strip(_SEPARATORS):
            self.answer.problem = self.answer.problem or "truncated"
        return "pass"

    def _drop(self, size: int) -> None:
        super()._drop(size)
        self._walked = max(self._walked - size, 0)


def elements_of(chunk: bytes) -> list[bytes]:
    """The elements of a piece of an array, with what may stand before and between them; none where they
    are not whole."""
    try:
        return [bytes(element) for element in _decode_elements(b"[%s]" % chunk.lstrip(_SEPARATORS))]
    except UNREADABLE:
        return []


def _is_object(text: bytes) -> bool:
    """Whether it is one whole object, which nearly every piece is."""
    try:
        _decode_one(text)
    except UNREADABLE:
        return False
    return text[:1] == b"{"


def _plain_elements(chunk: bytes) -> tuple[int, int]:
    """How many bytes of whole objects it begins with, with what may stand between them, and how many objects. Nothing
    where that cannot be told at a glance: by a brace at its end, or one at the beginning of a line, as Google has them.
    """
    size = len(chunk.rstrip(_SPACES))
    if chunk[size - 1 : size] != b"}":
        size = chunk.rfind(b"\n}") + len(b"\n}")
        if size < len(b"\n}"):
            size = len(chunk[: max(chunk.rfind(b"\n{"), 0)].rstrip(_SEPARATORS))
    if _is_object(chunk[:size].lstrip(_SEPARATORS)):
        return size, 1
    elements = elements_of(chunk[:size])
    return (size, len(elements)) if all(element[:1] == b"{" for element in elements) else (0, 0)
