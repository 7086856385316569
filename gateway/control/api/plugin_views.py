"""What the API shows of plugins that run: their tests, their health and their figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field

from gateway.control.api.views import At, View, at, at_or_none

if TYPE_CHECKING:
    from gateway.control.entities import PluginEntity
    from sluice.plugin_host.health import PluginHealth
    from sluice.plugin_host.tally import HookFigures


@dataclass(frozen=True, slots=True)
class TestedPlugin:
    """A plugin that was tried, and why it cannot be loaded, or nothing."""

    plugin: PluginEntity
    error: str


@dataclass(frozen=True, slots=True)
class PluginsHealth:
    """Every plugin, with what its host says of each of its instances."""

    plugins: Sequence[tuple[PluginEntity, Sequence[PluginHealth]]]


class PluginTestView(View):
    """A plugin's test: it was loaded with its configuration, and let go again."""

    plugin_id: int
    plugin_name: str
    hook_types: list[str]
    status: Annotated[str, Field(examples=["passed"], description="passed or failed")]
    error: Annotated[str, Field(description="why it cannot be loaded, or empty")]

    @classmethod
    def of(cls, tested: TestedPlugin) -> Self:
        """The view of one."""
        return cls(
            plugin_id=tested.plugin.id,
            plugin_name=tested.plugin.name,
            hook_types=list(tested.plugin.hook_types),
            status="failed" if tested.error else "passed",
            error=tested.error,
        )


class HookView(View):
    """What one hook of an instance did since it was loaded; percentiles of its last 256 calls."""

    hook: Annotated[str, Field(examples=["post_auth"])]
    calls: int
    failures: int
    not_called: Annotated[int, Field(description="its breaker was open, or too many were under way")]
    oversized: Annotated[int, Field(description="bodies that its protocol cannot carry")]
    skipped_streams: int
    blocked_loop: Annotated[int, Field(description="calls that kept the worker waiting for more than 100 ms")]
    mean_micros: float
    p50_micros: int
    p99_micros: int
    max_micros: int

    @classmethod
    def of(cls, hook: str, figures: HookFigures) -> Self:
        """The view of one."""
        return cls(hook=hook, **{name: getattr(figures, name) for name in figures.__struct_fields__})


class InstanceView(View):
    """A plugin as it was loaded: once for all LLMs, and once for each attachment with settings of its own."""

    key: str
    status: Annotated[str, Field(examples=["ready"], description="ready, loading or failed")]
    error: str
    is_serving: bool
    attempted_at: At
    load_micros: int
    failures: Annotated[int, Field(description="of its hooks, since it was loaded")]
    version: Annotated[str, Field(examples=["1.0.0"])]
    where: Annotated[str, Field(examples=["in_process"], description="in_process, process or attached")]
    pid: int | None
    restarts: int
    since: At | None
    breaker: Annotated[str, Field(examples=["closed"], description="closed, open or half_open")]
    breaker_openings: int
    under_way: int
    hooks: list[HookView]
    endpoints: list[str]

    @classmethod
    def of(cls, found: PluginHealth) -> Self:
        """The view of one."""
        same = (
            "key",
            "status",
            "error",
            "is_serving",
            "load_micros",
            "failures",
            "version",
            "where",
            "pid",
            "restarts",
        )
        return cls(
            **{name: getattr(found, name) for name in (*same, "breaker", "breaker_openings", "under_way")},
            attempted_at=at(found.attempted_at),
            since=at_or_none(found.since or None),
            hooks=[HookView.of(hook, figures) for hook, figures in found.figures.items()],
            endpoints=list(found.endpoints),
        )


class PluginHealthView(View):
    """A plugin as this worker has it."""

    id: Annotated[int, Field(examples=[1])]
    name: str
    slug: str
    command: str
    hook_types: list[str]
    status: Annotated[str, Field(examples=["ready"], description="ready, loading, failed, or unknown: not loaded here")]
    instances: list[InstanceView]


class HealthSummaryView(View):
    """Plugins by their state."""

    all_ready: bool
    total_plugins: int
    ready_plugins: int
    loading_plugins: int
    failed_plugins: int
    unknown_plugins: int


class PluginsHealthView(View):
    """All plugins by id, and their sum."""

    plugins: dict[str, PluginHealthView]
    summary: HealthSummaryView

    @classmethod
    def of(cls, health: PluginsHealth) -> Self:
        """The view of it."""
        return cls(
            plugins={str(plugin.id): _health(plugin, instances) for plugin, instances in health.plugins},
            summary=summary_of([state_of(instances) for _, instances in health.plugins]),
        )


def _health(plugin: PluginEntity, instances: Sequence[PluginHealth]) -> PluginHealthView:
    return PluginHealthView(
        id=plugin.id,
        name=plugin.name,
        slug=plugin.slug,
        command=plugin.command,
        hook_types=list(plugin.hook_types),
        status=state_of(instances),
        instances=[InstanceView.of(each) for each in instances],
    )


def state_of(instances: Sequence[PluginHealth]) -> str:
    """A plugin is as well as the worst of its instances."""
    states: set[Any] = {each.status for each in instances}
    return next((state for state in ("failed", "loading", "ready") if state in states), "unknown")


def summary_of(states: Sequence[str]) -> HealthSummaryView:
    """How many plugins are in which state; one that is loaded nowhere is not waited for."""
    return HealthSummaryView(
        all_ready="failed" not in states and "loading" not in states,
        total_plugins=len(states),
        ready_plugins=states.count("ready"),
        loading_plugins=states.count("loading"),
        failed_plugins=states.count("failed"),
        unknown_plugins=states.count("unknown"),
    )


def by_plugin(found: Sequence[PluginHealth]) -> dict[int, list[PluginHealth]]:
    """The instances of each plugin."""
    plugins: dict[int, list[PluginHealth]] = {}
    for each in found:
        plugins.setdefault(each.plugin_id, []).append(each)
    return plugins
