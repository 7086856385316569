"""A process's memory: what lives as long as it does is passed over by the garbage collector and lies in huge pages, and
what was freed is kept for what comes.

Python looks for cycles at every 700th object that lives on, in every module too, again and again. A process that
carries exchanges or events leaves few cycles, if any (an exception that holds its own frame): looking seldom finds them
soon enough.

The heap of a worker is spread over some 18,000 pages of 4 KiB, of which a processor finds about 2,000 again without a
walk through the page tables, which in a virtual machine is one through two of them. While a stream waits for its next
chunk, what others do makes it forget. From pages of 2 MiB a paced stream costs some percent less, on a busy machine a
tenth.

A worker that relays to Kafka fills some megabytes and frees them, ten times a second under load. glibc gives them back
to the system each time, and each page of them that is touched again is a fault: of whole answers one each, 2 µs.
"""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress
from pathlib import Path

HUGE_PAGE_BYTES = 2 << 20
_MADV_COLLAPSE = 25
"""Of ``madvise(2)``: at once, whatever the system does by itself (Linux 6.1)."""
FEW, MANY = 10_000, 50_000
"""Objects between two looks for cycles. Exchanges are small, and some three would be one look. A poll of 5,000 records
is 40,000 lists and tuples that live until they are written: looks were a sixth of a collector's time."""
KEPT_BYTES = 16 << 20
"""Of freed memory at the end of a heap, before any goes back to the system: threads have heaps of their own."""
MAPPED_BYTES = 8 << 20
"""What is as large is mapped alone, and goes back at once; no batch of events is."""
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""Of ``mallopt(3)``. Setting one ends glibc's own tuning of the others, so that all are set."""
_GROWS_BY_BYTES = 1 << 20
_OLDER = (20, 50)
"""So many looks at the newest before one at those that outlived some, and so many of these before one at all."""


def settle_memory(objects_between: int) -> None:
    """Called once, when all that is needed for long was made. Python looks for cycles each time that there are
    ``objects_between`` more objects than before."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(objects_between, *_OLDER)
    keep_freed_memory()
    take_huge_pages()


def keep_freed_memory() -> None:
    """Let malloc keep up to ``KEPT_BYTES`` that are free; nothing changes where it is another than glibc's."""
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        options = {_TRIM_THRESHOLD: KEPT_BYTES, _TOP_PAD: _GROWS_BY_BYTES, _MMAP_THRESHOLD: MAPPED_BYTES}
        for option, value in options.items():
            mallopt(option, value)


def take_huge_pages() -> int:
    """Put the heap in huge pages as far as it lies in whole ones; how many bytes lie in them now, asked for here.

    Where the system has none to give, or is none that knows of them, all stays as it is.
    """
    taken = 0
    with suppress(OSError, AttributeError):
        madvise = ctypes.CDLL(None).madvise
        for start, end in _heap():
            first, last = -(-start // HUGE_PAGE_BYTES), end // HUGE_PAGE_BYTES
            for page in range(first, last):  # one by one: one that cannot be had keeps no other from it
                address = ctypes.c_void_p(page * HUGE_PAGE_BYTES)
                if madvise(address, ctypes.c_size_t(HUGE_PAGE_BYTES), _MADV_COLLAPSE) == 0:
                    taken += HUGE_PAGE_BYTES
    return taken


def _heap() -> list[tuple[int, int]]:
    """Where what this process alone may write lies, that is in no file. Raises OSError where nobody tells."""
    found = []
    for line in Path("/proc/self/maps").read_bytes().rstrip(b"\n").split(b"\n"):  # a file's name may be no text
        addresses, rights, _, _, _, *name = line.split(maxsplit=5)
        if rights == b"rw-p" and (not name or name == [b"[heap]"]):
            start, end = addresses.split(b"-")
            found.append((int(start, 16), int(end, 16)))
    return found
