"""JSON texts, one a line, read beside the bytes."""

from __future__ import annotations

from abc import abstractmethod

from gateway.upstreams.vendors.scanning.base import FrameScanner, Verdict


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
            and not self._ended
            and not self.looks_left
            and not self.may_matter(chunk)
        ):
            self.sse_frames += chunk.count(b"\n")
            return chunk
        return self._cut(chunk)

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
