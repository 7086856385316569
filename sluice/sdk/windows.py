"""A sliding window over streamed text, so that a phrase that a vendor cut into pieces is still found, and whole.

The last ``hold - 1`` characters of each running text are held back until what follows them is known; so nothing of a
phrase is out before all of it was seen. What a plugin finds it may replace, or end the stream for:

    async def on_before_write(self, ctx, request):
        if request.is_stream_chunk:
            window = StreamWindow.of(ctx.state, lambda: StreamWindow(find, hold=64))
            return ResponseWriteResponse.modify(body=window.feed(request.body, is_last=request.is_last_chunk))

The law: the text that goes out is ``replace(text, find)`` of the whole text, wherever vendor and network cut it, if
``find`` never looks at more than ``hold`` characters from where a span begins.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import Any, NamedTuple

from sluice.sdk.deltas import Channel, Delta, Frame, split_frames
from sluice.sdk.texts import drop_logprobs, rewrite_object

_LOOK_BEHIND = 64
"""Characters before the window that ``find`` still sees: for a word's border, or what must not stand before."""

_STATE = "sluice.window"


class Span(NamedTuple):
    """Something found: where it begins and ends, and what shall stand in its place."""

    start: int
    end: int
    text: str = ""


Finder = Callable[[str, int], Iterable[Span]]
"""``find(text, start)``: what begins at ``start`` or behind it, in order, without overlap. It may look back."""


def find_pattern(pattern: re.Pattern[str], replacement: str = "") -> Finder:
    """A finder of one regular expression; empty matches are none."""

    def find(text: str, start: int) -> Iterator[Span]:
        for match in pattern.finditer(text, start):
            if match.end() > match.start():
                yield Span(match.start(), match.end(), replacement)

    return find


def replace(text: str, find: Finder) -> str:
    """A whole text with what is found in it replaced; the very same object where nothing is."""
    out, at = [], 0
    for span in find(text, 0):
        out += [text[at : span.start], span.text]
        at = span.end
    return "".join([*out, text[at:]]) if at else text


class _Running:
    """One channel: what is held of its text, and a little of what went before."""

    __slots__ = ("_before", "_held", "found", "last")

    def __init__(self) -> None:
        self._before = ""
        self._held = ""
        self.found = 0
        self.last: tuple[Frame, Delta] | None = None
        """Its latest delta: the frame to say what is still held with, when no other comes."""

    @property
    def held(self) -> int:
        return len(self._held)

    def push(self, text: str, find: Finder, keep: int) -> str:
        """Take text; give back what is decided: all but what begins in the last ``keep`` characters."""
        start = len(self._before)
        whole = self._before + self._held + text
        decided = max(start, len(whole) - keep)
        out, at = [], start
        for span in find(whole, start):
            if span.start >= decided:
                break
            out += [whole[at : span.start], span.text]
            at = span.end
            self.found += 1
        cut = max(at, decided)
        out.append(whole[at:cut])
        self._before, self._held = whole[max(0, cut - _LOOK_BEHIND) : cut], whole[cut:]
        return "".join(out)


class StreamWindow:
    """The window of one exchange: takes pieces of a stream, of whole SSE frames, and gives back what may go out.

    Frames without text pass as they are, byte for byte, and so do those whose text did not change. Texts that stand
    whole in a frame are searched there. ``found`` counts what ``find`` found in text that is decided. Arguments of tool
    calls are watched where ``with_tool_calls`` says so.
    """

    def __init__(self, find: Finder, hold: int, *, with_tool_calls: bool = False) -> None:
        """``hold`` is how many characters of text ``find`` needs to see at once: at least 1."""
        self._find = find
        self._keep = max(0, hold - 1)
        self._with_tool_calls = with_tool_calls
        self._running: dict[Channel, _Running] = {}
        self._found_whole = 0

    @classmethod
    def of(cls, state: MutableMapping[str, Any], make: Callable[[], StreamWindow]) -> StreamWindow:
        """The window of an exchange, kept in ``ctx.state`` between its pieces; made by ``make`` for the first."""
        window = state.get(_STATE)
        if not isinstance(window, cls):
            window = state[_STATE] = make()
        return window

    @property
    def found(self) -> int:
        """How much was found so far."""
        return self._found_whole + sum(running.found for running in self._running.values())

    @property
    def held_characters(self) -> int:
        """How much is held back now, of all channels together."""
        return sum(running.held for running in self._running.values())

    def feed(self, piece: bytes, *, is_last: bool = False) -> bytes:
        """What may go out now; at the last piece all that was held too."""
        out = [self._frame(Frame(raw, with_tool_calls=self._with_tool_calls)) for raw in split_frames(piece)]
        if is_last:
            out += self._rest(list(self._running))
        return b"".join(out)

    def _frame(self, frame: Frame) -> bytes:
        told = {delta.channel for delta in frame.deltas}
        before = list(self._rest([it for it in self._running if it not in told and frame.ended_by(it)]))
        is_changed = False
        for delta in frame.deltas:
            came, out = delta.text, self._push(frame, delta)
            is_changed |= out != came
            delta.holder[delta.field] = out
        if frame.is_whole and frame.json is not None:
            is_changed = rewrite_object(frame.json, self._rewrite)
        if not is_changed or frame.json is None:
            return b"".join([*before, frame.raw])
        drop_logprobs(frame.json)
        return b"".join([*before, frame.rewritten(frame.json)])

    def _rewrite(self, text: str) -> str:
        """A text that came whole."""
        running = _Running()
        written = running.push(text, self._find, 0)
        self._found_whole += running.found
        return written

    def _push(self, frame: Frame, delta: Delta) -> str:
        running = self._running.setdefault(delta.channel, _Running())
        running.last = (frame, delta)
        is_last_of_frame = delta is [other for other in frame.deltas if other.channel == delta.channel][-1]
        is_end = is_last_of_frame and frame.ended_by(delta.channel)
        return running.push(delta.text, self._find, 0 if is_end else self._keep)

    def _rest(self, channels: Iterable[Channel]) -> Iterator[bytes]:
        """Frames of ours with what was held of these channels."""
        for channel in channels:
            running = self._running[channel]
            text = running.push("", self._find, 0)
            if text and running.last is not None:
                frame, delta = running.last
                yield frame.rewritten(delta.alone(text))
