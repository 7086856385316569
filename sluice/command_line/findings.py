"""What ``sluice doctor`` finds, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Fix:
    """What ``sluice doctor --fix`` can do by itself, and undo nothing with it."""

    what: str
    """As a question's object: ``make the folder /data, for its owner alone``."""
    apply: Callable[[], str]
    """Does it, and says what was done. What it raises is told, and is no traceback."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that ``sluice doctor`` looked at."""

    ok: bool
    what: str
    remedy: str = ""
    """What to do, where it is not ok."""
    why: str = ""
    """What comes of it, where it is not ok."""
    fix: Fix | None = None
    """Where it can be mended safely."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What ``sluice doctor`` is asked about."""

    config: Path
    """``sluice.yaml``."""
    collectors: Path = Path("collectors.yaml")


Check = Callable[[Installation], Iterable[Finding]]
"""Looks at one part of an installation."""
