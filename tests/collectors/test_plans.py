"""Plans: entries of one service in their order, and the fallback that is due to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from collectors.entries import DatabaseEntry, ElasticsearchEntry
from collectors.plans import ServicePlan
from collectors.settings import Settings


def plans(*entries: dict[str, Any]) -> tuple[ServicePlan, ...]:
    """Of entries that are plugins where they do not say otherwise."""
    given = [{"path": "p.py", **entry} for entry in entries]
    return Settings.model_validate({"data_collection_plugins": given}).services()


def fallback(*entries: dict[str, Any]) -> Any:
    """Of the one service that these are."""
    [plan] = plans(*({"name": f"n{at}", "service": "s", **entry} for at, entry in enumerate(entries)))
    return plan.fallback


SINK = {"path": "sink://elasticsearch"}


def test_an_entry_is_a_service_unless_it_names_one() -> None:
    """In the order of the file; within one by priority, the lowest first, and then as in the file."""
    found = plans(
        {"name": "a", "service": "x", "priority": 5},
        {"name": "b"},
        {"name": "c", "service": "x", "priority": -1},
        {"name": "d", "service": "x", "priority": 5},
        {"name": "e", "service": "x", "enabled": False},
    )
    assert [(plan.name, [entry.name for entry in plan.entries]) for plan in found] == [
        ("x", ["c", "a", "d"]),
        ("b", ["b"]),
    ]
    assert found[0].first.name == "c"


def test_a_service_reads_what_any_of_its_entries_wants() -> None:
    """And no topic besides."""
    [plan] = plans(
        {"name": "a", "service": "s", "hook_types": ["budget"]},
        {"name": "b", "service": "s", "hook_types": ["proxy_log"]},
    )
    assert plan.kinds == ("proxy_log", "budget")


def test_of_the_bounds_the_smallest_hold() -> None:
    """One stream of records passes through all of them."""
    [plan] = plans(
        {"name": "a", "service": "s", "flow": {"max_records": 10, "max_bytes": 2_000}},
        {"name": "b", "service": "s", "flow": {"max_records": 20, "max_bytes": 1_000}},
    )
    assert (plan.flow.max_records, plan.flow.max_bytes) == (10, 1_000)


@pytest.mark.parametrize(
    ("entries", "needed"),
    [
        ([{}], True),
        ([{"replace_database": True}], True),  # it may pass
        ([SINK], False),
        ([{**SINK, "replace_database": False}], True),
        ([SINK, {}], True),
        ([SINK, {"path": "sink://database"}], False),
        ([{"fallback": "none"}], False),
        ([{**SINK, "fallback": "sink://database"}], False),
        ([{}, {"fallback": "none"}], False),
        ([{"fallback": {"path": "sink://file", "config": {"enabled": False}}}], False),  # the reference's switch
        ([{"fallback": "none"}, {"fallback": "none"}], False),
    ],
)
def test_a_fallback_is_there_where_an_event_can_need_it(entries: list[dict[str, Any]], needed: bool) -> None:
    """Sinks of ours take whatever can be written: their services open no database."""
    assert (fallback(*entries) is not None) == needed


def test_a_fallback_is_any_sink_with_its_settings() -> None:
    """A path alone, or with what an entry of that sink has."""
    given = {"path": "sink://elasticsearch", "config": {"elasticsearch_url": "http://e:1"}, "batch": {"max_records": 7}}
    found = fallback({"fallback": given})
    assert isinstance(found, ElasticsearchEntry)
    assert (found.name, found.config.elasticsearch_url, found.batch.max_records) == ("fallback", "http://e:1", 7)


@pytest.mark.parametrize("given", [{}, {"fallback": "sink://database"}, {"fallback": {"path": "sink://database"}}])
def test_the_default_fallback_is_the_gateway_s_events_database(given: dict[str, Any]) -> None:
    """In the data folder; a ``url`` of its own is kept."""
    [plan] = plans({"name": "a", **given})
    found = plan.fallback_in(Path("/var/sluice"))
    assert isinstance(found, DatabaseEntry)
    assert found.config.url == "sqlite+aiosqlite:////var/sluice/events.db"
    own = {"path": "sink://database", "config": {"url": "sqlite:///own.db"}}
    [plan] = plans({"name": "a", "fallback": own})
    found = plan.fallback_in(Path("/var/sluice"))
    assert isinstance(found, DatabaseEntry)
    assert found.config.url == "sqlite+aiosqlite:///own.db"


def test_two_fallbacks_of_one_service_are_refused() -> None:
    """Also where one of them is switched off: it would bite when it is switched on."""
    with pytest.raises(ValueError, match=r"service 's': fallback: is said differently by 'n0' and 'n1'"):
        fallback({"fallback": "none"}, {"fallback": "sink://database", "enabled": False})
