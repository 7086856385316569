"""What serves under an instance's key, and why not where nothing does."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from sluice.clock import now_micros
from sluice.plugin_host.errors import PluginLoadError
from sluice.plugin_host.health import PluginHealth, health_of
from sluice.plugin_host.link import Link
from sluice.plugin_host.loaded import LoadedPlugin
from sluice.plugin_host.refusals import too_early
from sluice.plugin_host.registration import Instance, Placement
from sluice.sdk.capabilities import Hook

RETRY_BASE_SECONDS = 1.0
RETRY_MAX_SECONDS = 60.0
"""Between attempts to load a plugin that could not be: from the first of these, doubled each time, to the second."""

_MAX_DOUBLINGS = 16


class Began:
    """When an attempt began, and how long it takes."""

    def __init__(self) -> None:
        self.at = now_micros()
        self._ns = time.monotonic_ns()

    def micros(self) -> int:
        """Since then."""
        return (time.monotonic_ns() - self._ns) // 1000


@dataclass(slots=True)
class Place:
    """An instance, or where it could not be loaded, the one before it, if any."""

    instance: Instance
    loaded: LoadedPlugin | None
    began: Began
    load_micros: int = field(init=False)
    error: str = ""
    refusals: Mapping[Hook, Link] = field(default_factory=dict)
    """Instead of a plugin that is not there and whose failure closes exchanges."""
    failures: int = 0
    """In a row."""
    retry_at: float = math.inf
    """By the monotonic clock; a failure may heal by itself: what the plugin needs was not up yet."""

    def __post_init__(self) -> None:
        self.load_micros = self.began.micros()

    @classmethod
    def of_failure(cls, instance: Instance, error: PluginLoadError, before: Place | None, began: Began) -> Place:
        """Of an instance that could not be loaded: what served before it serves on."""
        again = before is not None and before.instance == instance
        failures = 1 + (before.failures if before and again else 0)
        pause = min(RETRY_BASE_SECONDS * 2 ** min(failures - 1, _MAX_DOUBLINGS), RETRY_MAX_SECONDS)
        serving = before.loaded if before else None
        retry_at = time.monotonic() + pause
        return cls(instance, serving, began, error=str(error), failures=failures, retry_at=retry_at)

    def is_news(self, before: Place | None) -> bool:
        """Whether its failure is another than the one before."""
        return before is None or before.instance != self.instance or before.error != self.error

    def is_due(self) -> bool:
        """Whether a load that failed is to be tried again."""
        return time.monotonic() >= self.retry_at

    def link(self, placement: Placement, hook: Hook) -> Link | None:
        """At a hook, if it acts there."""
        links = self.refusals if self.loaded is None else self.loaded.links
        link = links.get(hook)
        if hook == "post_auth" and placement.app_id is not None and self.loaded is not None:
            early = links.get("pre_auth")
            if early is not None and not early.fails_open:  # nobody passes a filter by how it is attached
                return too_early(early)
        return replace(link, key=f"{link.key}#{placement.turn}") if link and placement.turn else link

    def health(self, attempted: Instance | None) -> PluginHealth:
        """How it is; ``attempted`` is the instance that is being loaded."""
        return health_of(
            self.instance.key,
            self.instance.registration,
            self.loaded,
            error=self.error,
            is_loading=attempted is not None and attempted.key == self.instance.key,
            attempted_at=self.began.at,
            load_micros=self.load_micros,
        )


@dataclass(frozen=True, slots=True)
class Attempt:
    """To load an instance, and what came of it."""

    began: Began
    outcome: LoadedPlugin | PluginLoadError


def is_due(place: Place | None, instance: Instance) -> bool:
    """Whether an instance is to be loaded in this place."""
    return place is None or place.instance != instance or place.is_due()


def loaded_in(attempts: Iterable[Attempt]) -> list[LoadedPlugin]:
    """What was loaded by these."""
    return [attempt.outcome for attempt in attempts if isinstance(attempt.outcome, LoadedPlugin)]


def only_in(some: Mapping[str, Place], others: Mapping[str, Place]) -> list[LoadedPlugin]:
    """What serves at some of these places and at none of the others."""
    kept = {id(place.loaded) for place in others.values()}
    return [place.loaded for place in some.values() if place.loaded is not None and id(place.loaded) not in kept]
