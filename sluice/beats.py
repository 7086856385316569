"""What a process looks at each second, or each quarter of one, it looks at together.

Each thing that sleeps by itself wakes an idle process by itself, and to wake costs more than most of what is done then:
the kernel, the event loop and the interpreter come back into the processor's caches each time. Sleeping until the next
beat instead of for so long, all of a worker's periodic work takes four wake-ups a second. Processes of a host beat
each at its own time.
"""

from __future__ import annotations

import asyncio
import random
from typing import Final

_PHASE: Final = random.random() * 3600
"""Of this process."""
_TOO_SOON: Final = 0.25
"""Of the time between two: a beat that is nearer is passed over. Timers may be a millisecond early."""


def seconds_to_beat(seconds: float) -> float:
    """Until the next of the beats that come each so many seconds: a quarter of that to five quarters."""
    left = seconds - (asyncio.get_running_loop().time() + _PHASE) % seconds
    return left if left >= seconds * _TOO_SOON else left + seconds


async def beat(seconds: float) -> None:
    """Sleep until then."""
    await asyncio.sleep(seconds_to_beat(seconds))
