"""``retention`` of ``collectors.yaml``: what may stand there, and what a slip is told."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from collectors.settings import Settings

ENTRIES = [
    {"name": "search", "path": "sink://elasticsearch"},
    {"name": "archive", "path": "sink://file"},
    {"name": "rows", "path": "sink://database"},
    {"name": "out", "path": "sink://stdout"},
]


def settings(retention: Any) -> Settings:
    """With an entry of each kind of sink."""
    return Settings.model_validate({"data_collection_plugins": ENTRIES, "retention": retention})


def test_limits_by_store_and_kind() -> None:
    """Ages in days, bytes with units; a kind that is not named is kept; without the section nothing is deleted."""
    found = settings(
        {
            "every": "1h",
            "stores": {
                "search": {"proxy_log": {"max_age": "30d", "max_bytes": "2GiB"}, "budget": {"max_bytes": 5}},
                "fallback": {"analytics": {"max_age": "12h"}},
            },
        }
    ).retention
    assert found is not None
    assert found.stores["search"].kinds == ("proxy_log", "budget")
    limit = found.stores["search"].of("proxy_log")
    assert limit is not None
    assert (limit.max_age, limit.max_bytes, found.every) == (30 * 86_400.0, 2 << 30, 3_600.0)
    assert Settings().retention is None


@pytest.mark.parametrize(
    ("retention", "problem"),
    [
        ({"stores": {"serch": {}}}, "no entry 'serch'; there are: search, archive, rows, out, fallback"),
        ({"stores": {"out": {}}}, "'out' is sink://stdout, which has means of its own"),
        ({"stores": {"search": {"proxy_log": {}}}}, "limits nothing"),
        ({"stores": {"search": {"proxy_logs": {"max_age": 1}}}}, "proxy_logs"),
        ({"stores": {"search": {"proxy_log": {"max_age": 0}}}}, "greater than 0"),
        ({"stores": {"search": {"proxy_log": {"max_age": -1}}}}, "greater than 0"),
        ({"stores": {"search": {"proxy_log": {"max_age": "30 days"}}}}, "duration"),
        ({"stores": {"search": {"proxy_log": {"max_bytes": 1.5}}}}, "integer"),
        ({"every": "0s"}, "greater than 0"),
        ({"kv": True}, "kv"),
    ],
)
def test_slips_are_refused(retention: Any, problem: str) -> None:
    """With the key, and what there is."""
    with pytest.raises(ValidationError, match=problem):
        settings(retention)
