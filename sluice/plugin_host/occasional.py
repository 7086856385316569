"""A log line for what may happen ten thousand times a second."""

from __future__ import annotations

import time
from typing import Any

QUIET_SECONDS = 60.0
"""Between two lines."""


class OccasionalLog:
    """Says a thing once, and then at most once every ``QUIET_SECONDS``, with how often it was not said."""

    def __init__(self, logger: Any, event: str) -> None:
        self._logger = logger
        self._event = event
        self._unsaid = 0
        self._quiet_until = 0.0

    def warning(self, **values: Any) -> None:
        """It has happened."""
        now = time.monotonic()
        if now < self._quiet_until:
            self._unsaid += 1
            return
        self._quiet_until = now + QUIET_SECONDS
        self._logger.warning(self._event, **values, not_logged=self._unsaid)
        self._unsaid = 0
