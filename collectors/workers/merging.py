"""The pages of several workers as one: what each says of a service becomes what is true of it in all. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Document = Mapping[str, Any]
Said = Sequence[tuple[int, Document]]
"""What workers say, each by its index."""

_ALL = ("live", "ready", "progressing")
_ANY = ("halted", "paused")
_SUMS = ("lag_records", "records_per_second")
_GREATEST = ("lag_seconds", "oldest_unfinished_seconds")
_LEAST = ("seconds_to_loss",)
_COUNTS = ("lag_by_partition", "outcomes", "retries", "dead_letters")
_STATES = ("halted", "in trouble", "not running", "paused", "running")
"""The first of these that any worker is in is the service's."""


def merged_services(documents: Said) -> dict[str, Any]:
    """``services`` of ``/health`` and ``/ready``, by name."""
    names = dict.fromkeys(name for _, document in documents for name in document.get("services", {}))
    return {
        name: merged([(at, document["services"][name]) for at, document in documents if name in document["services"]])
        for name in names
    }


def merged_list(documents: Said) -> list[dict[str, Any]]:
    """``services`` of ``/services``: one for each name, in the order of the first worker that has it."""
    found: dict[str, list[tuple[int, Document]]] = {}
    for at, document in documents:
        for each in document.get("services", ()):
            found.setdefault(each["service"], []).append((at, each))
    return [merged(said) for said in found.values()]


def merged(said: Said) -> dict[str, Any]:
    """One service, as all workers together do it."""
    first = said[0][1]
    one = dict(first)
    for keys, how in ((_ALL, all), (_ANY, any), (_SUMS, _sum), (_GREATEST, _greatest), (_LEAST, _least)):
        merge: Callable[[list[Any]], Any] = how
        one.update({key: merge([each.get(key) for _, each in said]) for key in keys if key in first})
    one.update({key: _added(each.get(key, {}) for _, each in said) for key in _COUNTS if key in first})
    one["causes"] = {f"worker {at}: {where}": why for at, each in said for where, why in each.get("causes", {}).items()}
    if "assignment" in first:
        one["assignment"] = sorted(name for _, each in said for name in each.get("assignment", ()))
        one["last_error"] = min((e for _, each in said if (e := each.get("last_error"))), key=_age, default=None)
    if "state" in first:
        states = {each.get("state") for _, each in said}
        one["state"] = next((state for state in _STATES if state in states), first["state"])
        one["workers"] = {str(at): each.get("state") for at, each in said}
    return one


def merged_configuration(documents: Said) -> dict[str, Any] | None:
    """Of the worker that has most to say: one that is stale before one that is not."""
    found = [(at, document["configuration"]) for at, document in documents if document.get("configuration")]
    if not found:
        return None
    at, configuration = next((each for each in found if each[1].get("state") != "current"), found[0])
    return {**configuration, "worker": at, "versions": sorted({each["version"] for _, each in found})}


def _sum(values: list[Any]) -> Any:
    known = [value for value in values if value is not None]
    return round(sum(known), 1) if known else None


def _greatest(values: list[Any]) -> Any:
    return max((value for value in values if value is not None), default=None)


def _least(values: list[Any]) -> Any:
    return min((value for value in values if value is not None), default=None)


def _added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for each in counts:
        for key, count in each.items():
            total[key] = total.get(key, 0) + count
    return total


def _age(error: Mapping[str, Any]) -> float:
    return float(error.get("seconds_ago", 0.0))
