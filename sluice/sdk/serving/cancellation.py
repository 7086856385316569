"""Cancellations that somebody asked for, and those that only look so."""

from __future__ import annotations

import asyncio

ESCAPES = (Exception, asyncio.CancelledError, SystemExit)
"""What an author's code may raise and must not end more than its own call with."""


def is_cancelled() -> bool:
    """Whether somebody cancelled the present task: a CancelledError also comes out of what was cancelled elsewhere."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
