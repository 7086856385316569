"""What stands at a place (the name that writers and readers of a day use), and the one request that changes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from collectors.jobs.interface import UsageError
from collectors.jobs.rebuild.cluster import Cluster, Index
from sluice.eventstore.names import job_index_of


@dataclass(frozen=True, slots=True)
class Place:
    """The dated name of an entry, and the index that has it, or that it is an alias of."""

    name: str
    held_by: Index | None = None

    @property
    def is_alias(self) -> bool:
        """Of an index that an earlier rebuild put there."""
        return self.held_by is not None and self.held_by.name != self.name


async def look_at(cluster: Cluster, name: str) -> Place:
    """UsageError where somebody made it what we do not touch."""
    found = await cluster.find(name)
    if not found:
        return Place(name)
    if len(found) > 1:
        names = ", ".join(index.name for index in found)
        raise UsageError(f"{name} is an alias of several indices ({names}): leave it one of them, and try again")
    [index] = found
    if index.name != name and job_index_of(index.name) is None:
        raise UsageError(f"{name} is an alias of {index.name}, which no rebuild made: remove the alias, and try again")
    return Place(name, index)


def change(
    place: Place, target: str, aliases: Mapping[str, Any], *, stem: str, delete_old: bool
) -> list[dict[str, Any]]:
    """The actions by which an index takes a place: it gets the name of the old one, for writes too, the alias that is
    read, those of its template and whatever else the old one was called by. Applied together or not at all.

    An index with the place's own name must go for it: it has been copied before, or ``delete_old``.
    """
    old = place.held_by
    wanted = {**aliases, **(old.aliases if old is not None else {}), stem: aliases.get(stem, {})}
    wanted.pop(place.name, None)
    actions = _removal(place, delete_old=delete_old)
    actions.append({"add": {"index": target, "alias": place.name, "is_write_index": True}})
    return actions + [{"add": {**_how(options), "index": target, "alias": name}} for name, options in wanted.items()]


def _removal(place: Place, *, delete_old: bool) -> list[dict[str, Any]]:
    old = place.held_by
    if old is None:
        return []
    if not place.is_alias or delete_old:
        return [{"remove_index": {"index": old.name}}]
    return [{"remove": {"index": old.name, "alias": name, "must_exist": True}} for name in old.aliases]


def _how(options: Mapping[str, Any]) -> dict[str, Any]:
    """As aliases are shown, which is how they are made."""
    return {key: value for key, value in options.items() if key in _KEYS}


_KEYS = ("filter", "index_routing", "search_routing", "is_write_index", "is_hidden")
