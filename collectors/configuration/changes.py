"""What another configuration changes of what runs. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from collectors.entries import AnyEntry, PluginEntry
from collectors.plans import ServicePlan
from collectors.settings import ControlSettings, Settings

_TAKES_EFFECT = ("version", "data_collection_plugins", "control", "retention", "reconcile", "budget_truth", "archive")
"""All other keys are read once, when the process starts."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a service is made from; another one is another service under the same name."""

    plan: ServicePlan
    control: ControlSettings = field(default_factory=ControlSettings)
    """As its plugins know it; of a service without plugins always the same."""

    @property
    def name(self) -> str:
        """The service's."""
        return self.plan.name

    def makes_the_same(self, other: Recipe, data_dir: Path) -> bool:
        """Whether there is nothing to exchange."""
        return (
            self.control == other.control
            and _without_fallbacks(self.plan) == _without_fallbacks(other.plan)
            and self.plan.fallback_in(data_dir) == other.plan.fallback_in(data_dir)
            and _free_forms(self.plan) == _free_forms(other.plan)
        )


def _without_fallbacks(plan: ServicePlan) -> Sequence[AnyEntry]:
    """Whichever entry says it, the fallback is the plan's."""
    return [entry.model_copy(update={"fallback": None}) for entry in plan.entries]


def _free_forms(plan: ServicePlan) -> Sequence[str]:
    """What plugins are given, by its types too: in Python ``1`` equals ``True``, to a plugin it need not."""
    configs = [entry.config for entry in plan.entries if isinstance(entry, PluginEntry)]
    return [json.dumps(config, sort_keys=True, default=repr) for config in configs]


def recipes_of(settings: Settings, plans: Iterable[ServicePlan]) -> tuple[Recipe, ...]:
    """One for each service, in their order."""
    return tuple(
        Recipe(plan, settings.control)
        if any(isinstance(entry, PluginEntry) for entry in plan.entries)
        else Recipe(plan)
        for plan in plans
    )


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be done, in the order of the new configuration."""

    removed: tuple[str, ...] = ()
    changed: tuple[Recipe, ...] = ()
    added: tuple[Recipe, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.removed or self.changed or self.added)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all services that are touched."""
        return (*self.removed, *(each.name for each in (*self.changed, *self.added)))


def changes_of(
    running: Mapping[str, Recipe], wanted: Sequence[Recipe], data_dir: Path, failed: Iterable[str] = ()
) -> Changes:
    """From what runs to what is wanted; what has failed for good begins anew, whatever it is made from."""
    names, failures = {each.name for each in wanted}, set(failed)
    return Changes(
        removed=tuple(name for name in running if name not in names),
        changed=tuple(
            each
            for each in wanted
            if each.name in running and (each.name in failures or not each.makes_the_same(running[each.name], data_dir))
        ),
        added=tuple(each for each in wanted if each.name not in running),
    )


def restart_keys(begun_with: Settings, now: Settings) -> tuple[str, ...]:
    """Keys that differ and take effect with the next start of the process alone."""
    keys = [key for key in Settings.model_fields if key not in _TAKES_EFFECT]
    return tuple(key for key in keys if getattr(begun_with, key) != getattr(now, key))


def new_sinks(recipe: Recipe, running: Recipe | None) -> tuple[AnyEntry, ...]:
    """The entries of a service, its fallback among them, whose sinks were not there before."""
    known = [] if running is None else [(entry.path, entry.config) for entry in _entries(running.plan)]
    return tuple(entry for entry in _entries(recipe.plan) if (entry.path, entry.config) not in known)


def _entries(plan: ServicePlan) -> Sequence[AnyEntry]:
    return plan.entries if plan.fallback is None else (*plan.entries, plan.fallback)
