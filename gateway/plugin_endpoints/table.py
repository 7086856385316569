"""Which endpoint a request is for: an immutable table, made anew when the plugins that serve are others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.plugin_endpoints.account import Account
from sluice.plugin_host.endpoint_paths import METHODS, Pattern, parse_pattern, segments_of
from sluice.plugin_host.loaded import LoadedPlugin
from sluice.sdk.endpoints import EndpointRegistration

Plugins = Mapping[str, LoadedPlugin]
"""Those with endpoints, by slug."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One registration of a plugin that serves."""

    plugin: LoadedPlugin
    registration: EndpointRegistration
    pattern: Pattern
    account: Account


class Found(NamedTuple):
    """An endpoint, and what stood at the parameters of its path."""

    endpoint: Endpoint
    parameters: Mapping[str, str]


Methods = dict[str, Endpoint]


@dataclass(slots=True)
class _Place:
    """What lies below one slug."""

    exact: dict[tuple[str, ...], Methods] = field(default_factory=dict)
    """Paths without parameters: always the most specific ones."""
    patterns: list[tuple[Pattern, Methods]] = field(default_factory=list)
    """The others, the most specific one first."""

    def matching(self, segments: tuple[str, ...]) -> Iterator[Methods]:
        """What there is for this path, the most specific first."""
        methods = self.exact.get(segments)
        if methods is not None:
            yield methods
        for pattern, methods in self.patterns:
            if pattern.match(segments) is not None:
                yield methods


class RouteTable:
    """The endpoints of all plugins."""

    def __init__(self, plugins: Plugins, before: RouteTable | None = None) -> None:
        """Registrations were checked when their plugins were loaded. The accounts of plugins that were in the table
        ``before`` are kept."""
        self.accounts: dict[int, Account] = {}
        for plugin in plugins.values():
            known = before.accounts.get(id(plugin)) if before else None
            self.accounts[id(plugin)] = known or Account(plugin)
        self._places = {slug: _place(plugin, self.accounts[id(plugin)]) for slug, plugin in plugins.items()}

    def find(self, slug: str, segments: tuple[str, ...], method: str) -> Found | None:
        """The most specific endpoint for path and method; HEAD is what GET is, where it is not registered itself."""
        for methods in self._matching(slug, segments):
            endpoint = methods.get(method)
            if endpoint is None and method == "HEAD":
                endpoint = methods.get("GET")
            if endpoint is not None:
                return Found(endpoint, endpoint.pattern.match(segments) or {})
        return None

    def allowed(self, slug: str, segments: tuple[str, ...]) -> tuple[str, ...]:
        """The methods that have an answer for this path; none where nobody knows it."""
        known = {method for methods in self._matching(slug, segments) for method in methods}
        if not known:
            return ()
        if "GET" in known:
            known.add("HEAD")
        known.add("OPTIONS")
        return tuple(method for method in METHODS if method in known)

    def _matching(self, slug: str, segments: tuple[str, ...]) -> Iterator[Methods]:
        place = self._places.get(slug)
        return iter(()) if place is None else place.matching(segments)


def _place(plugin: LoadedPlugin, account: Account) -> _Place:
    place = _Place()
    by_shape: dict[object, tuple[Pattern, Methods]] = {}
    for registration in plugin.endpoints:
        pattern = parse_pattern(registration.path)
        _, methods = by_shape.setdefault(pattern.shape, (pattern, {}))
        for method in registration.methods:
            methods[method] = Endpoint(plugin, registration, pattern, account)
    for pattern, methods in by_shape.values():
        if pattern.names or pattern.takes_rest:
            place.patterns.append((pattern, methods))
        else:
            place.exact[segments_of(pattern.path)] = methods
    place.patterns.sort(key=lambda each: (each[0].rank, each[0].path))
    return place
