"""The consumers: services that carry events from the log to their sinks and acknowledge each one."""

from __future__ import annotations

import os

# One thread per process: more processes are how collectors grow, and the loop must not wait for a pool it shares.
# polars reads this once, when it is first imported, so it is set before any module of this package is.
os.environ.setdefault("POLARS_MAX_THREADS", "1")  # noqa: TID251 - not a setting of ours: polars has no other way
