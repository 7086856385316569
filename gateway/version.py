"""Which version this is, as it was installed."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def program_version() -> str:
    """The installed package's; ``unknown`` where it runs without being installed."""
    try:
        return version("sluice-gateway")
    except PackageNotFoundError:
        return "unknown"
