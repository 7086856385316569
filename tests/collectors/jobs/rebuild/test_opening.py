"""An entry has a rebuild, or a reason why it has none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from collectors.jobs.interface import UsageError
from collectors.jobs.rebuild.elasticsearch import ElasticsearchRebuild
from collectors.jobs.rebuild.opening import open_rebuild
from collectors.settings import Settings


def entry(path: str = "sink://elasticsearch", **more: Any) -> Any:
    """The only one of a configuration."""
    settings = Settings.model_validate({"data_collection_plugins": [{"name": "here", "path": path, **more}]})
    return settings.data_collection_plugins[0]


def test_of_elasticsearch_it_is_of_the_kinds_that_the_entry_takes(tmp_path: Path) -> None:
    """Nothing is reached, and nothing written."""
    rebuild = open_rebuild(entry(hook_types=["budget"]), tmp_path / "j", "j", ("analytics", "budget"))
    assert isinstance(rebuild, ElasticsearchRebuild)
    assert rebuild._indices.targets == {"budget": "sluice-rebuild-j-budget"}
    assert not (tmp_path / "j").exists()


@pytest.mark.parametrize("job", ["", "J", "-j", "_j", ".", "..", "a b", "a/b", "a*", "a,b", "\u00e9", "j" * 81, "a\n"])
def test_a_name_that_no_index_can_bear_is_refused(job: str, tmp_path: Path) -> None:
    """With one that could be."""
    with pytest.raises(UsageError, match="cannot stand in the name of an index; use at most 80 small letters"):
        open_rebuild(entry(), tmp_path, job, ("budget",))


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("sink://database", "whose tables have all days in one.*delete the rows .*replay without --rebuild.*reconcile"),
        ("sink://file", "which has nothing to swap.*replay without --rebuild"),
        ("sink://stdout", "which has nothing to swap.*replay without --rebuild"),
    ],
)
def test_other_sinks_are_refused_by_name(path: str, words: str, tmp_path: Path) -> None:
    """With why, and what to do instead; of a job that has something else to do instead, with that."""
    with pytest.raises(UsageError, match=f"here is {path}, {words}"):
        open_rebuild(entry(path), tmp_path, "j", ("budget",))
    with pytest.raises(UsageError, match=r"sink://elasticsearch, or do that$"):
        open_rebuild(entry(path), tmp_path, "j", ("budget",), "do that")
