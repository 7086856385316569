"""To whom a dead letter goes: back to the entry that refused it, and of what nobody could decode to all of its service.

What goes nowhere is *left*, with the reason and what to do about it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from collectors.entries import FALLBACK, AnyEntry
from collectors.jobs.interface import UsageError
from collectors.jobs.redrive.letters import Letter
from collectors.plans import ServicePlan, may_need_fallback
from collectors.settings import Settings
from schemas.topics import Topics


class Target(NamedTuple):
    """Entries of one service that a letter is given to; the fallback alone is called as fallbacks are."""

    service: str
    entries: tuple[str, ...]


class Left(NamedTuple):
    """Why a letter goes nowhere: a stable code, and a sentence that says what to do."""

    code: str
    why: str


@dataclass(frozen=True, slots=True)
class Routing:
    """Which letters are meant, and where each goes; ``collector`` and ``give_to`` are names, empty is all."""

    settings: Settings
    topics: Topics
    collector: str = ""
    give_to: str = ""
    max_redrives: int | None = None
    """``None`` is what the entry's ``dead_letter.max_redrives`` says."""

    def check(self) -> None:
        """UsageError where ``give_to`` is nobody."""
        if self.give_to and self.give_to not in self._entries():
            raise UsageError(f"--give-to: no enabled entry {self.give_to!r}; there are: {self._known()}")

    def concerns(self, letter: Letter) -> bool:
        """Whether ``--collector`` means it: who refused it, or an entry of the service that could not decode it."""
        if not self.collector or letter.collector == self.collector:
            return True
        entry = self._entries().get(self.collector)
        if entry is None or not letter.is_undecodable:
            return False
        return not letter.collector or self._service_of(letter) == entry.service_name

    def route(self, letter: Letter) -> Target | Left:
        """Where it goes, or why nowhere."""
        if letter.is_truncated:
            return Left(
                "truncated", "they hold only a part of their record; replay it from its topic while that has it"
            )
        if (foreign := self._foreign(letter)) is not None:
            return foreign
        target = self._owner(letter)
        if isinstance(target, Left):
            return target
        limit = self.limit(target)
        if letter.redrives >= limit:
            return Left(
                "max_redrives",
                f"they were given back {limit} times already; remove the cause, then raise --max-redrives",
            )
        return target

    def left_out(self, target: Target, refused_by: str) -> tuple[str, ...]:
        """The other entries of a service of which ``--collector`` alone is given what none could decode."""
        if target.entries != (self.collector,) or refused_by == self.collector:
            return ()
        return tuple(each.name for each in self._services()[target.service].entries if each.name != self.collector)

    def limit(self, target: Target) -> int:
        """How often a letter is given back."""
        return self.plan(target).first.dead_letter.max_redrives if self.max_redrives is None else self.max_redrives

    def _foreign(self, letter: Letter) -> Left | None:
        namespace = self.topics.namespace
        topic, group = letter.text("topic"), letter.text("group")
        if (not topic or topic == letter.topic) and (not group or group.startswith(f"{namespace}.")):
            return None
        return Left(
            "foreign", f"they come from another namespace than {namespace}; redrive them with that kafka.namespace"
        )

    def _owner(self, letter: Letter) -> Target | Left:
        entries, services = self._entries(), self._services()
        if self.give_to:
            return Target(entries[self.give_to].service_name, (self.give_to,))
        name, service = letter.collector, self._service_of(letter)
        if name == FALLBACK:
            return self._fallback(service)
        named = entries.get(self.collector)
        if named is not None and name != self.collector:
            return Target(named.service_name, (named.name,))  # it is undecodable, and this one was asked for
        entry = entries.get(name)
        if entry is not None and not (letter.is_undecodable and name == service):
            return Target(entry.service_name, (name,))
        plan = services.get(name) or (services.get(service) if not name else None)
        if plan is not None:
            return Target(plan.name, tuple(each.name for each in plan.entries))
        return self._nobody(name)

    def _nobody(self, name: str) -> Left:
        if not name:
            return Left("no_collector", "their headers name no collector; say whom to give them to: --give-to ENTRY")
        disabled = {each.name for each in self.settings.data_collection_plugins if not each.enabled}
        what = "is disabled: enable it" if name in disabled else "is no entry: add it"
        return Left("not_configured", f"{name!r} {what}, or say --give-to ENTRY; there are: {self._known()}")

    def _fallback(self, service: str) -> Target | Left:
        plan = self._services().get(service)
        if plan is None or plan.fallback is None:
            known = ", ".join(each.name for each in self._services().values() if each.fallback is not None)
            return Left(
                "not_configured",
                f"service {service!r} has no fallback; of those that are there have one: {known or 'none'}",
            )
        return Target(service, (FALLBACK,))

    def plan(self, target: Target, data_dir: Path = Path()) -> ServicePlan:
        """What runs for a target: its entries alone, with their service's fallback where they may need it."""
        plan = self._services()[target.service]
        if target.entries == (FALLBACK,):
            fallback = plan.fallback_in(data_dir)
            assert fallback is not None  # noqa: S101 - `_fallback` has seen it
            return ServicePlan(plan.name, (fallback,))
        entries = tuple(each for each in plan.entries if each.name in target.entries)
        needed = any(may_need_fallback(each) for each in entries)
        return replace(plan, entries=entries, fallback=plan.fallback if needed else None)

    def _entries(self) -> dict[str, AnyEntry]:
        return {each.name: each for plan in self._services().values() for each in plan.entries}

    def _services(self) -> dict[str, ServicePlan]:
        return {plan.name: plan for plan in self.settings.services()}

    def _known(self) -> str:
        return ", ".join(self._entries()) or "none"

    def _service_of(self, letter: Letter) -> str:
        """By its group; an entry alone is a service of its own name."""
        return letter.text("group").removeprefix(f"{self.topics.namespace}.") or letter.collector
