"""JSON texts, one a line, read beside the bytes."""

from __future__ import annotations

from abc import abstractmethod
from typing import Final

from gateway.upstreams.vendors.scanning.base import FrameScanner, Verdict

_MAX_JOINED_BYTES: Final = 64 << 10
"""Of the beginning of a line that is copied to stand before the next chunk."""
_SPACES: Final = frozenset((b"", b" ", b"\t", b"\r"))
"""What a line without anything in it begins with."""


class NdjsonScanner(FrameScanner):
    """Scans lines of JSON; a dialect says what they mean. A line that is not whole waits."""

    frame_ends: tuple[bytes, ...] = (b"\n",)

    @abstractmethod
    def inspect(self, line: bytes) -> Verdict:
        """Take note of a line, without the spaces around it; what to do with it. Called for those that may matter, and
        for the first ones."""

    @abstractmethod
    def may_matter(self, chunk: bytes) -> bool:
        """As ``SseScanner.may_matter``."""

    def feed(self, chunk: bytes) -> bytes:
        """The bytes that may go out now."""
        if (
            chunk[-1:] == b"\n"
            and not self._rest
            and not self.ended
            and not self.looks_left
            and not self.may_matter(chunk)
        ):
            self.sse_frames += chunk.count(b"\n")
            return chunk
        return self._cut(chunk)

    def _cut(self, chunk: bytes) -> bytes:
        """As of all; but lines that came together, and of which none matters, go out together."""
        rest = self._rest
        if self.looks_left or self.ended or self._too_large is not None or len(rest) > _MAX_JOINED_BYTES:
            return super()._cut(chunk)
        together = bytes(rest) + chunk if rest else chunk
        size = together.rfind(b"\n") + 1
        lines = together[: size - 1].split(b"\n") if size else []
        if not lines or not _SPACES.isdisjoint({line[:1] for line in lines}) or self.may_matter(together[:size]):
            return super()._cut(chunk)
        self.sse_frames += together.count(b"\n", 0, size)
        rest[:] = together[size:]
        return together[:size] + self._let_go()

    def _find_end(self, start: int, searched: int) -> tuple[int, int] | None:  # noqa: ARG002 - formats differ
        place = self._rest.find(b"\n", searched)
        return (place, place + 1) if place >= 0 else None

    def _judge(self, frame: bytes) -> Verdict:
        line = frame.strip()
        if not line:
            return "pass"
        self.sse_frames += 1
        if self.looks_left:
            self.looks_left -= 1
        elif not self.may_matter(line):
            return "pass"
        return self.inspect(line)
