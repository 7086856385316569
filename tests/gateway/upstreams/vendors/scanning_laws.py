"""Laws that every scanner obeys, whatever its format and its dialect. A dialect's tests call them with its streams."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from gateway.upstreams.sse_frames import MAX_FRAME_BYTES
from gateway.upstreams.vendors.dialect import Answer, StreamScanner

Make = Callable[[], StreamScanner]
"""A new scanner, for one stream."""
_SLACK_BYTES = 16 << 10


class Scanned(NamedTuple):
    """What became of a stream."""

    out: bytes
    """What left at once."""
    held: bytes
    answer: Answer
    ended: bool
    ended_bare: bool


def scan(make: Make, chunks: Iterable[bytes]) -> Scanned:
    """A stream in these pieces; none of them is empty, as none is that a vendor sends."""
    scanner = make()
    out = b"".join([scanner.feed(chunk) for chunk in chunks if chunk])
    ended, bare = scanner.ended, scanner.ended_bare
    return Scanned(out, scanner.finish(), scanner.answer, ended, bare)


def every_cut_is_the_same(make: Make, stream: bytes) -> Scanned:
    """Cut in two at every byte, and into single bytes and small pieces: the same bytes leave, the same are held, the
    same is counted. Returns that."""
    whole = scan(make, [stream])
    for place in range(1, len(stream)):
        found = scan(make, [stream[:place], stream[place:]])
        assert found == whole, (place, stream[max(place - 30, 0) : place], stream[place : place + 30])
    for size in (1, 2, 3, 7, 64):
        found = scan(make, [stream[at : at + size] for at in range(0, len(stream), size)])
        assert found == whole, f"in pieces of {size}"
    return whole


def nothing_is_lost(make: Make, stream: bytes) -> None:
    """What left and what is held are together what came, wherever the stream breaks off; of a scanner that hides
    nothing."""
    for end in range(len(stream) + 1):
        found = scan(make, [stream[:end]])
        assert found.out + found.held == stream[:end], end


def memory_is_flat(make: Make, frames: list[bytes], rounds: int = 20_000) -> None:
    """Whatever passes, nothing but the last incomplete frame is kept."""
    scanner = make()
    held = 0
    for _ in range(rounds):
        for frame in frames:
            held += len(frame) - len(scanner.feed(frame))
    assert abs(held) < MAX_FRAME_BYTES
    assert _size(scanner) < _SLACK_BYTES


def a_frame_beyond_the_bound_passes(make: Make, begin: bytes, filling: bytes, end: bytes, after: bytes) -> Scanned:
    """A frame too large to be kept goes out as it comes, and the stream goes on behind it; returns what became of it.

    ``begin`` and ``end`` make it a whole frame with anything of ``filling`` between.
    """
    scanner = make()
    count = MAX_FRAME_BYTES // len(filling) + 10
    out = [scanner.feed(begin)]
    for _ in range(count):
        out.append(scanner.feed(filling))
        assert _size(scanner) < 1.25 * (MAX_FRAME_BYTES + len(filling)) + _SLACK_BYTES  # bytearrays grow in steps
    assert sum(map(len, out)) > MAX_FRAME_BYTES - _SLACK_BYTES, "it waits for its end"
    out.append(scanner.feed(end))
    out.append(scanner.feed(after) if after else b"")
    ended, bare = scanner.ended, scanner.ended_bare
    held = scanner.finish()
    left = b"".join(out)
    assert left + held == begin + filling * count + end + after
    return Scanned(left, held, scanner.answer, ended, bare)


def _size(scanner: StreamScanner) -> int:
    """Bytes of what it keeps."""
    values = [getattr(scanner, name, None) for name in vars(scanner)]
    return sum(sys.getsizeof(value) for value in values if isinstance(value, bytes | bytearray | list | dict | str))


def pieces_of(stream: bytes, size: int = 65_536) -> list[bytes]:
    """A stream as a busy gateway reads it."""
    return [stream[at : at + size] for at in range(0, len(stream), size)]


def best_of(run: Callable[[], object], times: int = 3) -> float:
    """Seconds of CPU that it takes at best."""
    taken = []
    for _ in range(times):
        started = time.process_time()
        run()
        taken.append(time.process_time() - started)
    return min(taken)
