"""What the server asks of a format. A module is one: it has these names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from sluice.dev.vendor.asked import Asked
from sluice.dev.vendor.script import Script
from sluice.dev.vendor.wire import Request

Answered = Mapping[str, Any]


class RefusedError(ValueError):
    """A request that this vendor does not answer, whatever the script says."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Format(Protocol):
    """One vendor's way of speaking. Answers depend on nothing but ``asked`` and ``script``."""

    @property
    def NAME(self) -> str:  # noqa: N802 - a module's constant
        """What the log calls it."""
        ...

    def is_path(self, path: str) -> bool:
        """Whether a path is one of this vendor's."""
        ...

    def ask(self, path: str, query: str, request: Request) -> Asked:
        """What a ``POST`` to one of its paths asks for; raises ``ValueError`` for a body that is not what it should
        be, ``RefusedError`` for what needs another answer than 400."""
        ...

    def whole_body(self, asked: Asked, script: Script) -> bytes:
        """A plain answer."""
        ...

    def stream_pieces(self, asked: Asked, script: Script) -> list[bytes]:
        """A streamed answer: a piece for each piece of text, the frames before it in the first, one that ends it."""
        ...

    def content_type(self, asked: Asked, *, is_stream: bool) -> str:
        """Of what is answered with success."""
        ...

    def headers(self, asked: Asked, script: Script) -> tuple[tuple[str, str], ...]:
        """Further headers of what is answered with success."""
        ...

    def usage(self, asked: Asked, script: Script) -> Answered:
        """All that the answer tells of its worth, as the vendor counts it; empty for what it does not count."""
        ...

    def error_body(self, status: int, message: str = "") -> bytes:
        """An error, as this vendor's SDK reads it."""
        ...

    def stream_error(self, asked: Asked) -> bytes:
        """The same within a stream that has begun."""
        ...

    def garbage(self, asked: Asked) -> bytes:
        """A frame of a stream that nobody can read, with an end that everybody finds."""
        ...

    def models_body(self, path: str) -> bytes | None:
        """The list of models, where a ``GET`` of this path asks for it."""
        ...
