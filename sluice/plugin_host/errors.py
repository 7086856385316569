"""What ends an exchange because of a plugin, and what refuses a plugin before it serves.

PluginLoadError     the configuration names a plugin that cannot serve: nothing starts
PluginBlocked       a plugin decided to answer instead of the vendor
PluginFailed        a plugin raised, hung or answered nonsense, and its policy is ``closed``
CredentialRejected  no ``auth`` plugin accepted the credential
OversizeError       what a plugin should be given is more than its protocol carries; raised before any of it is sent
"""

from __future__ import annotations

from sluice.sdk.capabilities import Hook
from sluice.sdk.headers import RawHeaders

_MAX_DESCRIBED_CHARACTERS = 200


def described(error: BaseException) -> str:
    """Type and text of what a plugin raised, whatever its own ``__str__`` does, and no longer than a log line."""
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001 - its ``__str__`` is the plugin's too
        text = "(its text cannot be read)"
    return f"{type(error).__name__}: {text}"[:_MAX_DESCRIBED_CHARACTERS]


class PluginLoadError(Exception):
    """A plugin that cannot be loaded; the message names it, what is wrong and the remedy."""

    def __init__(self, plugin: str, problem: str, remedy: str) -> None:
        super().__init__(f"plugin {plugin!r}: {problem}; {remedy}")
        self.plugin = plugin
        self.problem = problem
        self.remedy = remedy


class PluginBlocked(Exception):  # noqa: N818 - a decision, not an error
    """A plugin's own answer to the client."""

    def __init__(
        self, plugin: str, hook: Hook, status_code: int, headers: RawHeaders, body: bytes | None, message: str
    ) -> None:
        super().__init__(message)
        self.plugin = plugin
        self.hook = hook
        self.status_code = status_code
        self.headers = headers
        """Without the framing headers (``content-length`` …), which are the host's."""
        self.body = body
        """``None`` where the host is to say ``message`` in the vendor's error shape."""
        self.message = message


class PluginFailed(Exception):  # noqa: N818 - reads as an outcome: plugin_failed
    """A plugin whose failure closes the exchange. ``reason`` is for operators, not for clients."""

    def __init__(self, plugin: str, hook: Hook, reason: str) -> None:
        super().__init__(f"plugin {plugin!r} failed in {hook}: {reason}")
        self.plugin = plugin
        self.hook = hook
        self.reason = reason


class CredentialRejected(Exception):  # noqa: N818 - a decision, not an error
    """No ``auth`` plugin accepted the credential; ``plugin`` is the last that rejected it, or empty."""

    def __init__(self, plugin: str = "", message: str = "") -> None:
        super().__init__(message)
        self.plugin = plugin
        self.message = message
        """The plugin's own words, for the client; may be empty."""


class OversizeError(Exception):
    """A body that a plugin cannot be given: raised by its handler before any of it is sent."""

    def __init__(self, limit_bytes: int, size: int) -> None:
        super().__init__(f"{size} bytes are more than the {limit_bytes} that it can be given")
        self.limit_bytes = limit_bytes
        self.size = size
