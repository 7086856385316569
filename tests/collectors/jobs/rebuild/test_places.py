"""The one request that changes a place."""

from __future__ import annotations

from typing import Any

from collectors.jobs.rebuild.cluster import Index
from collectors.jobs.rebuild.places import Place, change

STEM, DAY, NEW = "a", "a-2024.01.01", "sluice-rebuild-j-analytics-2024.01.01"


def actions(held_by: Index | None, *, delete_old: bool = False) -> list[dict[str, Any]]:
    """With a template that gives the alias that is read."""
    return change(Place(DAY, held_by), NEW, {STEM: {}}, stem=STEM, delete_old=delete_old)


def added(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """By alias."""
    return {each["add"]["alias"]: each["add"] for each in found if "add" in each}


def test_an_empty_place_is_taken() -> None:
    """Its name is for writes too."""
    found = actions(None)
    assert found[0] == {"add": {"index": NEW, "alias": DAY, "is_write_index": True}}
    assert set(added(found)) == {DAY, STEM}
    assert len(found) == 2


def test_an_index_of_that_name_goes_first() -> None:
    """No alias could have its name; what else it was called by goes on, as it was."""
    mine = {"filter": {"term": {"app_id": 7}}, "search_routing": "1"}
    found = actions(Index(DAY, {STEM: {}, "mine": mine}))
    assert found[0] == {"remove_index": {"index": DAY}}
    assert added(found)["mine"] == {**mine, "index": NEW, "alias": "mine"}


def test_an_index_of_an_earlier_rebuild_loses_its_names_or_goes() -> None:
    """It must have had them: who changed them meanwhile makes the whole request fail."""
    old = Index("sluice-rebuild-i-analytics-2024.01.01", {STEM: {}, DAY: {"is_write_index": True}})
    removed = [each["remove"] for each in actions(old) if "remove" in each]
    assert removed == [{"index": old.name, "alias": name, "must_exist": True} for name in (STEM, DAY)]
    assert actions(old, delete_old=True)[0] == {"remove_index": {"index": old.name}}
    assert set(added(actions(old))) == {DAY, STEM}
