"""Looking for garbage is set for processes that carry events, and only there."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import gc, weakref
from collectors.garbage import THRESHOLDS, settle_memory

class Node:
    pass

settle_memory()
assert gc.isenabled() and gc.get_threshold() == THRESHOLDS
assert gc.get_freeze_count() > 1_000, "what was there before is walked through no more"
node = Node()
node.itself = node
gone = weakref.ref(node)
del node
held = [[] for _ in range(2 * THRESHOLDS[0])]
assert gone() is None, "a cycle outlives an allocation of twice the threshold"
"""


def test_cycles_are_still_found_after_what_lives_for_long_is_set_aside() -> None:
    """In a process of its own: garbage in a cycle goes with the allocations that follow, without anybody asking."""
    subprocess.run([sys.executable, "-c", SCRIPT], check=True, timeout=60)
