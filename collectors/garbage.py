"""When Python looks for cycles of garbage: seldom, and not in what lives as long as the process.

A poll of 5,000 records is 40,000 lists and tuples that live until they are written. At Python's own threshold, 700,
they are walked through again and again, and every module with them: a sixth of a collector's time. A batch leaves few
cycles, if any (an exception that holds its own frame), so looking at every fifty thousandth finds them soon enough.
"""

from __future__ import annotations

import gc

THRESHOLDS = (50_000, 20, 50)


def settle_memory() -> None:
    """Called once, by a process that carries events, when all that it needs for long was made."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
