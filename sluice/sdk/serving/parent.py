"""No orphans: a plugin whose host is gone ends, even where its event loop is blocked."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Final

CHECK_SECONDS: Final = 0.5
PATIENCE_SECONDS: Final = 5.0
"""For an end in order; then the process is gone."""


def watch_parent(parent: int, end: Callable[[], None]) -> None:
    """Call ``end``, from another thread, when ``parent`` is this process's parent no more."""
    threading.Thread(target=_watch, args=(parent, end), name="parent", daemon=True).start()


def _watch(parent: int, end: Callable[[], None]) -> None:
    pause = threading.Event()
    while os.getppid() == parent:
        pause.wait(CHECK_SECONDS)
    end()
    pause.wait(PATIENCE_SECONDS)
    os._exit(1)
