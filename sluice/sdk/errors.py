"""What services raise, by what an author can do about it.

ServiceError
├── NotFound             no such key, app, LLM or price
├── ServiceUnavailable   not offered in this runtime, or not reachable now; the message names the service
├── ScopeDenied          the operator did not grant the scope that the call needs
└── PayloadTooLarge      a key, value, message or payload beyond its bound
"""

from __future__ import annotations


class ServiceError(Exception):
    """A service could not do what it was asked."""


class NotFound(ServiceError):  # noqa: N818 - reads as what happened
    """There is nothing of that name or id."""


class ServiceUnavailable(ServiceError):  # noqa: N818 - as above
    """The runtime does not offer this service, or it does not answer."""


class ScopeDenied(ServiceError):  # noqa: N818 - as above
    """The plugin's registration does not grant what the call needs."""

    def __init__(self, plugin: str, scope: str) -> None:
        super().__init__(f"plugin {plugin!r} has no scope {scope!r}; grant it in service_scopes of its registration")
        self.plugin = plugin
        self.scope = scope


class PayloadTooLarge(ServiceError):  # noqa: N818 - as above
    """More than a bound allows; the message names the bound."""
