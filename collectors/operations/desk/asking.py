"""What a desk is asked for, read from outside: every text is bounded, and is never taken for an option."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.events import KINDS

MAX_TEXT = 400


class DeskError(Exception):
    """It cannot be done; ``status`` is that of HTTP, the message says what to do."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Letters:
    """Which dead letters; empty is all."""

    collector: str = ""
    reason: str = ""
    kind: str = ""

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Letters:
        """Raises DeskError naming what is wrong."""
        texts = {name: text_in(found, name) for name in ("collector", "reason", "kind")}
        if texts["kind"] and texts["kind"] not in KINDS:
            raise DeskError(400, f"kind: {texts['kind']!r} is none of {', '.join(KINDS)}")
        return cls(**texts)

    def options(self) -> list[str]:
        """For commands: a value that begins with a dash stays a value."""
        named = {"--collector": self.collector, "--reason": self.reason, "--kind": self.kind}
        return [f"{option}={value}" for option, value in named.items() if value]


def text_in(found: Mapping[str, Any], name: str) -> str:
    """A text that a command line can bear; empty where there is none. Raises DeskError."""
    value = found.get(name, "")
    if not isinstance(value, str) or len(value) > MAX_TEXT or not (value.isprintable()):
        raise DeskError(400, f"{name}: must be a text of at most {MAX_TEXT} printable characters")
    return value


def flag_in(found: Mapping[str, Any], name: str) -> bool:
    """Whether it is set. Raises DeskError."""
    value = found.get(name, False)
    if not isinstance(value, bool):
        raise DeskError(400, f"{name}: must be true or false")
    return value
