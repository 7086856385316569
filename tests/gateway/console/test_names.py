"""What apps and LLMs are called now."""

from __future__ import annotations

import pytest

from gateway.console.names import Names
from gateway.sharded_map import ShardedMap
from gateway.snapshot import App, Snapshot

APPS = {number: App(number, f"shop {number}", None, frozenset(), "full") for number in range(1, 10_001)}


@pytest.fixture(scope="module")
def names() -> Names:
    """Of ten thousand apps."""
    snapshot = Snapshot(apps=ShardedMap[int, App]().changed(APPS))
    return Names(lambda: snapshot)


def test_numbers_have_names_and_what_is_gone_its_number(names: Names) -> None:
    """A figure of an app that was deleted still says whose it is; fields that speak for themselves have no names."""
    assert names.of("app_id", [7, 99_999, None, "x"]) == {"7": "shop 7", "99999": "app 99999"}
    assert names.of("llm_id", [3]) == {"3": "LLM 3"}
    assert names.of("vendor", ["openai"]) == {}


def test_of_ten_thousand_so_many_are_found_as_fit(names: Names) -> None:
    """By any part of the name, whatever its case; never more than asked for."""
    assert len(names.matching("app_id", "SHOP", 50) or []) == 50
    assert names.matching("app_id", "shop 9999", 50) == [(9999, "shop 9999")]
    assert names.matching("app_id", "nothing", 50) == names.matching("llm_id", "nothing", 50) == []
    assert names.matching("vendor", "o", 50) is None
