"""Server-sent events, read beside the bytes.

A chunk that ends on an SSE frame's boundary and holds nothing of interest goes out as it came. Otherwise it is cut into
frames, and the few that may matter are looked at. What is not yet a whole frame waits: no client can act on it before
its empty line, and it may become a terminal event. Only comments, which keep connections alive, do not wait.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import ClassVar, Final

import msgspec

from gateway.headers import CR, LF
from gateway.upstreams.sse_frames import FRAME_END, FRAME_END_BYTES, LINE_END, MAX_FRAME_BYTES
from gateway.upstreams.vendors.scanning.base import FrameScanner, Verdict

_HEAD_BYTES = 512
_SILENT_LINES = re.compile(rb"(?:(?::[^\r\n]*)?(?:\r\n|\n|\r(?=[^\n])))+")
"""Comments and empty lines at the start of a frame."""
_ONLY_SILENT = re.compile(rb"(?:(?::[^\r\n]*)?" + LINE_END + rb")*")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_SILENT: Final = b":\r\n"
"""What a comment or an empty line begins with."""
_SILENT_STARTS: Final = frozenset((b"", b":", b"\r", b"\n"))
_QUOTE: Final = 34
_BACKSLASH: Final = 92
_PATIENCE: Final = 256
"""What a stream may spend on learning: 1 on a frame without a text, as of one that thinks first; more on one that has
one. A stream whose frames differ in more than their text is searched frame by frame then."""
_LESSON: Final = 64
_MIN_TOGETHER_BYTES: Final = 1024
"""Fewer hold so few frames that looking at each is as fast."""
_MAX_JOINED_BYTES: Final = 64 << 10
"""Of the beginning of a frame that is copied to stand before the next chunk."""


class SseFrame(msgspec.Struct, frozen=True, gc=False):
    """One SSE frame, as its lines say it."""

    name: bytes
    """Its ``event``, or empty."""
    data: bytes
    """Its ``data`` lines joined, without spaces around each."""


class SseScanner(FrameScanner):
    """Scans server-sent events; a dialect says what they mean."""

    frame_ends: tuple[bytes, ...] = (b"\n\n", b"\r\n\r\n", b"\r\r")
    end_bytes = FRAME_END_BYTES
    text_start: ClassVar[bytes] = b""
    """What stands before a text of the answer, in a frame that says nothing else: its key and the opening quote. Inside
    that text nothing ever matters. Empty where frames of a stream are not alike but for such a text."""
    padding_start: ClassVar[bytes] = b""
    """The same of a padding that may stand somewhere behind the text, for those who hide its length."""
    terminal_head: ClassVar[re.Pattern[bytes] | None] = None
    """Found in the first half KiB of a frame that is too large and terminal."""
    usual_end: ClassVar[bytes] = b""
    """The frame that nearly all streams end with, to be held as it is: nobody need look at it. Empty where the last one
    says something, or may be written in many ways."""

    def __init__(self, *, hide_usage: bool = False) -> None:
        super().__init__(hide_usage=hide_usage)
        self._twin: tuple[bytes, bytes, int] | None = None
        """Of a frame that passed: what is before its text, what is behind it, and their size. What is between it and a
        padding counts as text then."""
        self._between = b""
        self._patience = _PATIENCE if self.text_start else 0

    @abstractmethod
    def inspect(self, frame: SseFrame) -> Verdict:
        """Take note of a frame; what to do with it. Called for those that may matter, and for the first ones."""

    @abstractmethod
    def may_matter(self, chunk: bytes) -> bool:
        """Whether something in it may be for ``inspect``: a terminal event, usage, a tool call. Few and plain
        searches: this runs on every chunk. Never false where a whole frame in it would matter."""

    def feed(self, chunk: bytes) -> bytes:
        """The bytes that may go out now."""
        twin = self._twin
        if twin is not None:
            before, behind, size = twin
            text = chunk.removeprefix(before).removesuffix(behind)
            if (
                len(text) + size == len(chunk)  # both were there: faster than to look at each
                and not (self._rest or self.ended)
                and LF not in text
                and CR not in text
                and (_QUOTE not in text or self._is_padded(text))
            ):  # it differs from that one in nothing but its text
                self.sse_frames += 1
                return chunk
        if (
            1 < len(chunk) == chunk.find(b"\n\n") + 2
            and CR not in chunk
            and not (self._rest or self.ended)
            and chunk[0] not in _SILENT
        ):  # one frame, as nearly all are
            if self.looks_left or self.may_matter(chunk):
                return self._whole(chunk)
            if self._patience > 0:
                self._learn(chunk)
            self.sse_frames += 1
            return chunk
        return self._feed_any(chunk)

    def _learn(self, frame: bytes) -> None:
        """A frame passed: most of those that follow will be like it, but for the text in it."""
        start = frame.find(self.text_start) + len(self.text_start)
        stop = frame.find(b'"', start)
        if start < len(self.text_start) or stop < 0:
            self._patience -= 1
            return
        self._patience -= _LESSON
        text = frame[start:stop]
        if _BACKSLASH not in text and LF not in text:  # else that quote is escaped, or of another line
            padding = frame.find(self.padding_start, stop) if self.padding_start else -1
            self._between = b""
            if padding >= 0:
                padding += len(self.padding_start)
                self._between = frame[stop:padding]
                stop = max(frame.find(b'"', padding), padding)
            before, behind = frame[:start], frame[stop:]
            self._twin = before, behind, len(before) + len(behind)

    def _is_padded(self, text: bytes) -> bool:
        """Whether what has a quote in it is a text and a padding, as of the twin, and neither has one."""
        between = self._between
        if not between:
            return False
        text, found, padding = text.partition(between)
        return bool(found) and _QUOTE not in text and _QUOTE not in padding

    def _feed_any(self, chunk: bytes) -> bytes:
        """The same, whatever it is: several frames, a part of one, or lines that end otherwise."""
        last = chunk[-2:]
        if (
            (last != b"\n\n" and (last != b"\r\n" or chunk[-4:-2] != b"\r\n"))
            or self._rest
            or self.ended
            or chunk[0] in _SILENT
        ):
            return self._cut(chunk)
        if self.looks_left or self.may_matter(chunk):  # of those that end in ``\n\n`` this one is known to hold several
            return self._whole(chunk) if last == b"\r\n" and _is_one(chunk, last) else self._cut(chunk)
        if _is_one(chunk, last):
            self.sse_frames += 1
            return chunk
        size, count = _plain_frames(chunk)
        if size < len(chunk):
            return self._cut(chunk)
        self.sse_frames += count
        return chunk

    def _whole(self, frame: bytes) -> bytes:
        """One frame that came as one chunk, as nearly all do."""
        verdict = self._judge(frame)
        if verdict == "pass":
            return frame
        if verdict == "hold":
            self._held, self.ended = frame, True
        return b""

    def _cut(self, chunk: bytes) -> bytes:
        """As of all; but of frames that came together those before the first that matters go out together."""
        rest = self._rest
        if self.looks_left or self.ended or len(chunk) < _MIN_TOGETHER_BYTES or len(rest) > _MAX_JOINED_BYTES:
            frames = [] if rest or self.ended or CR in chunk else chunk.split(b"\n\n")
            return super()._cut(chunk) if not frames or frames[-1] else self._judge_each(frames)
        together = bytes(rest) + chunk if rest else chunk
        size, count = _plain_frames(together)
        if not size or self._too_large is not None:
            return super()._cut(chunk)
        if not self.may_matter(together[:size]):
            self.sse_frames += count
            rest[:] = together[size:]
            return together[:size] + self._let_go()
        end = b"\n\n" if together[size - 2 : size] == b"\n\n" else b"\r\n\r\n"
        size = self._plain_beginning(together[:size], end)
        self.sse_frames += together.count(end, 0, size)
        rest.clear()
        return together[:size] + super()._cut(together[size:])

    def _judge_each(self, frames: list[bytes]) -> bytes:
        """Whole frames that came together, each without its empty line; behind the last there is nothing."""
        out: list[bytes] = []
        for number, frame in enumerate(frames[:-1]):
            whole = frame + b"\n\n"
            verdict = self._judge(whole)
            if verdict == "hold":
                self._held, self.ended = b"\n\n".join(frames[number:]), True
                break
            if verdict == "pass":
                out.append(whole)
        return b"".join(out)

    def _plain_beginning(self, frames: bytes, end: bytes) -> int:
        """How many bytes of whole frames are before the first that may matter, found by halves: of a stream that came
        in one piece only the end matters."""
        start, stop = 0, len(frames)
        while stop - start > _MIN_TOGETHER_BYTES:
            middle = frames.rfind(end, start, (start + stop) // 2) + len(end)
            if middle <= start + len(end):
                break
            if self.may_matter(frames[start:middle]):
                stop = middle
            else:
                start = middle
        return start

    def _find_end(self, start: int, searched: int) -> tuple[int, int] | None:  # noqa: ARG002 - formats differ
        """Where all lines end alike plain searches find it, in a small part of the time that the pattern takes; none
        of them goes far beyond the frame, as there may be hundreds behind it."""
        rest = self._rest
        returns = rest.find(b"\r", searched)
        place = rest.find(b"\n\n", searched, returns if returns >= 0 else len(rest))
        if place >= 0 or returns < 0:
            return (place, place + 2) if place >= 0 else None
        place = rest.find(b"\r\n\r\n", searched)
        end = place + 4 if place >= 0 else len(rest)
        lines = rest.count(b"\r\n", searched, end)
        if lines == rest.count(b"\n", searched, end) == rest.count(b"\r", searched, end):
            return (place, end) if place >= 0 else None
        boundary = FRAME_END.search(rest, searched)
        return boundary.span() if boundary is not None else None

    def _judge(self, frame: bytes) -> Verdict:
        if frame[0] in _SILENT and _ONLY_SILENT.fullmatch(frame):
            return "pass"
        self.sse_frames += 1
        if frame == self.usual_end:
            return "hold"
        if self.looks_left:
            self.looks_left -= 1
        elif not self.may_matter(frame):
            if self._patience > 0 and self._twin is None and CR not in frame:
                self._learn(frame)
            return "pass"
        return self.inspect(_frame_of(frame))

    def _judge_head(self) -> Verdict:
        head = self.terminal_head
        return "hold" if head is not None and head.search(self._rest, 0, _HEAD_BYTES) else "pass"

    def _let_go(self) -> bytes:
        if self._too_large is None and len(self._rest) <= MAX_FRAME_BYTES:
            silent = _SILENT_LINES.match(self._rest)
            return self._take(silent.end()) if silent is not None else b""
        return super()._let_go()


def _is_one(chunk: bytes, last: bytes) -> bool:
    """Whether a chunk that ends on a frame's end holds no other, as far as a few searches can tell."""
    if last == b"\n\n":
        return chunk.find(b"\n\n") == len(chunk) - 2 and chunk.find(b"\r") < 0
    find = chunk.find
    return find(b"\n\r") == len(chunk) - 3 and find(b"\n\n") < 0 and find(b"\r\r") < 0


def _plain_frames(chunk: bytes) -> tuple[int, int]:
    """How many bytes of whole frames it begins with, and how many frames; nothing where lines end in several ways or a
    frame may be silent: those are looked at one by one."""
    end = b"\r\n\r\n" if CR in chunk else b"\n\n"
    size = chunk.rfind(end) + len(end)
    if size < len(end):
        return 0, 0
    if end != b"\n\n":
        lines = chunk.count(b"\r\n", 0, size)
        if not lines == chunk.count(b"\n", 0, size) == chunk.count(b"\r", 0, size):
            return 0, 0
    frames = chunk[: size - len(end)].split(end)
    if not _SILENT_STARTS.isdisjoint({frame[:1] for frame in frames}):
        return 0, 0
    return size, len(frames)


def _frame_of(frame: bytes) -> SseFrame:
    line = frame[5:-2]
    if frame[:5] == b"data:" and frame[-2:] == b"\n\n" and LF not in line and CR not in line:
        return SseFrame(b"", line.strip())  # one line and its empty one, as nearly all have
    name, data = b"", []
    for line in frame.removeprefix(_BYTE_ORDER_MARK).splitlines():
        if line.startswith(b"data:"):
            data.append(line[5:].strip())
        elif line.startswith(b"event:"):
            name = line[6:].strip()
    return SseFrame(name, b"\n".join(data))
