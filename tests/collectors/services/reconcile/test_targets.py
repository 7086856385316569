"""Which sinks can be asked, and what the decision table says that each should have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from collectors.services.reconcile.targets import Target, targets_of
from collectors.settings import HostSettings, Settings
from schemas.codec import SchemaBook
from sluice.settings import settings_of
from tests.collectors.events import make_record
from tests.collectors.frames import frame_of_records

ROWS = {"path": "sink://database"}
SEARCH = {"path": "sink://elasticsearch"}
PLUGIN = {"path": "python://somewhere:Collector"}
FRAME = frame_of_records(SchemaBook(), [make_record(offset=at, sequence=at + 1, app_id=at) for at in range(4)])


def targets(*entries: dict[str, Any]) -> tuple[dict[str, Target], dict[str, str]]:
    """By name, and the reasons of the others."""
    named = [{"name": f"e{at}", **entry} for at, entry in enumerate(entries)]
    settings = settings_of({"data_collection_plugins": named}, Settings, "c.yaml", {})
    found, others = targets_of(settings, HostSettings(data_dir=Path("/data")))
    return {target.name: target for target in found}, {other.sink: other.reason for other in others}


def apps(target: Target) -> list[int]:
    """Of the frame's rows, those that it should have."""
    return FRAME.rows["app_id"].filter(target.wanted(FRAME)).to_list()


def only(*ids: int) -> dict[str, Any]:
    """Events of these apps alone."""
    return {"include": {"apps": list(ids)}}


def test_entries_should_have_what_they_select() -> None:
    """Kind, include, exclude and sample are theirs; what is switched off is not compared."""
    found, _ = targets(ROWS, {**SEARCH, **only(1, 3)}, {**ROWS, "hook_types": ["budget"]}, {**ROWS, "enabled": False})
    assert list(found) == ["e0", "e1", "e2"]
    assert [apps(target) for target in found.values()] == [[0, 1, 2, 3], [1, 3], []]
    assert found["e2"].kinds == ("budget",)
    assert found["e1"].group == "sluice.e1"


@pytest.mark.parametrize(
    ("entries", "wanted"),
    [
        ([{**PLUGIN, "replace_database": False}], [0, 1, 2, 3]),  # rows 2, 3, 8
        ([{**PLUGIN, "replace_database": True}], []),  # row 1; what it passes may be there
        ([{**SEARCH, "replace_database": False, **only(1)}, {**SEARCH, **only(1, 2)}], [1]),  # row 6
        ([{**PLUGIN, **only(1, 2)}, {**SEARCH, **only(2, 3)}], [1]),  # row 4: of 2 only the plugin can tell
        ([{**PLUGIN, **only(1)}, {**PLUGIN, **only(3)}], [1, 3]),  # rows 11 and 12
    ],
)
def test_fallbacks_should_have_what_the_table_says_for_certain(
    entries: list[dict[str, Any]], wanted: list[int]
) -> None:
    """Of one service with these entries."""
    found, _ = targets(*({**entry, "service": "s"} for entry in entries))
    assert apps(found["fallback"]) == wanted
    assert found["fallback"].entry.config.url.endswith("/data/events.db")  # type: ignore[union-attr]


def test_no_fallback_is_compared_where_there_is_none() -> None:
    """Sinks of ours replace it by default, and `none` is none; of several each has its service's name."""
    assert "fallback" not in targets(SEARCH)[0]
    assert "fallback" not in targets({**PLUGIN, "fallback": "none"})[0]
    assert list(targets(PLUGIN, PLUGIN)[0]) == ["fallback@e0", "fallback@e1"]
    assert "fallback" in targets({**PLUGIN, "fallback": "sink://stdout"})[1]


def test_who_cannot_be_asked_says_why() -> None:
    """Every other sink, and every plugin, with a reason of its own kind."""
    webhook = {"path": "sink://webhook", "config": {"url": "http://x/"}}
    _, reasons = targets({"path": "sink://file"}, webhook, {"path": "sink://clickhouse"}, {"path": "sink://otlp"},
                         {"path": "sink://stdout"}, PLUGIN)  # fmt: skip
    assert list(reasons) == ["e0", "e1", "e2", "e3", "e4", "e5"]
    assert all(reasons.values())
    assert reasons["e5"] == "only the plugin knows what it kept"


def test_letters_of_others_explain_only_beside_them() -> None:
    """A dead letter of an entry is its own; for the fallback it counts where another entry may have handled it."""
    found, _ = targets({**PLUGIN, "service": "s"})
    assert found["fallback"].letters_of == {"fallback", "s"}
    found, _ = targets({**PLUGIN, "service": "s"}, {**SEARCH, "service": "s"})
    assert found["fallback"].letters_of == {"fallback", "s", "e0", "e1"}
    assert found["e1"].letters_of == {"e1", "s"}


def test_documents_of_a_kind_lie_in_one_place() -> None:
    """Two entries with one database, or one index, are read once."""
    found, _ = targets(ROWS, ROWS, SEARCH, {**SEARCH, "config": {"indices": {"budget": "other"}}})
    e0, e1, e2, e3 = found.values()
    assert e0.place("budget") == e1.place("budget")
    assert e2.place("analytics") == e3.place("analytics")
    assert e2.place("budget") != e3.place("budget")
