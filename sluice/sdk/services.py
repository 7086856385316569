"""What a context hands to a plugin: Protocols, implemented by the host and by ``sluice.sdk.testing``."""

from __future__ import annotations

from typing import Any, Protocol


class Logger(Protocol):
    """A structured log: a fixed lower-case phrase, and what varies as key-values. Never a body or a credential."""

    def debug(self, event: str, **values: Any) -> Any:
        """For the author alone."""
        ...

    def info(self, event: str, **values: Any) -> Any:
        """Worth knowing."""
        ...

    def warning(self, event: str, **values: Any) -> Any:
        """Somebody should look, some day."""
        ...

    def error(self, event: str, **values: Any) -> Any:
        """Somebody should look, now."""
        ...


class Services(Protocol):
    """The services of the runtime that a plugin runs in."""

    @property
    def logger(self) -> Logger:
        """A log that already names the plugin."""
        ...
