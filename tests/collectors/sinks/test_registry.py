"""The catalogue of sinks: each entry finds its own, and what is not installed is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from collectors.entries import SINK_PATHS, DatabaseEntry, ElasticsearchEntry
from collectors.settings import ControlSettings, HostSettings
from collectors.sinks.database.sink import DatabaseSink
from collectors.sinks.elasticsearch.sink import ElasticsearchSink
from collectors.sinks.registry import PLUGIN, SINKS, SinkKind, SinkOpening, kind_of, open_sink
from schemas.events import KINDS

OPENING = SinkOpening(HostSettings(), Path(), ControlSettings())


def test_every_path_has_its_row_and_its_entry() -> None:
    """A sink that one of the two lists forgets could be written in a file and not be run, or the other way round."""
    assert tuple(SINKS) == SINK_PATHS
    assert kind_of("python://x:Y") is PLUGIN


def test_what_is_not_installed_is_named() -> None:
    """By module, so that the extra that brings it can be told."""
    kind = SinkKind("x:y", needs=("json", "not_there_at_all"))
    assert kind.missing() == ("not_there_at_all",)
    assert SinkKind("x:y", needs=("not_there.at_all", "json.decoder")).missing() == ("not_there.at_all",)


def elasticsearch(**settings: Any) -> ElasticsearchEntry:
    """An entry whose server is nowhere."""
    url = "http://127.0.0.1:1"
    entry = {"name": "es", "path": "sink://elasticsearch", "config": {"elasticsearch_url": url}, **settings}
    return ElasticsearchEntry.model_validate(entry)


async def test_an_entry_names_its_sink(tmp_path: Path) -> None:
    """Nothing is reached and nothing is made before ``start``: a server that is away is no reason not to begin."""
    search = open_sink(elasticsearch(), OPENING)
    assert isinstance(search, ElasticsearchSink)
    await search.close()
    path = tmp_path / "below" / "events.db"
    config = {"url": f"sqlite:///{path}"}
    entry = DatabaseEntry.model_validate({"name": "db", "path": "sink://database", "config": config})
    database = open_sink(entry, OPENING)
    assert isinstance(database, DatabaseSink)
    await database.close()
    assert not path.parent.exists()


async def test_a_sink_knows_only_the_kinds_of_its_entry() -> None:
    """What an entry does not take needs no index: no template is installed for it."""
    for kinds in (KINDS, ("budget",)):
        sink = open_sink(elasticsearch(hook_types=kinds), OPENING)
        assert isinstance(sink, ElasticsearchSink)
        assert tuple(sink._stems) == kinds
        await sink.close()


@pytest.mark.parametrize("max_writes", [1, 64])
async def test_every_write_has_a_connection(max_writes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as there may be writes, and some for the checks beside them: no write waits for a connection."""
    asked: list[int] = []
    real = ElasticsearchSink.__init__

    def noting(self: ElasticsearchSink, *arguments: Any, connections: int, **named: Any) -> None:
        asked.append(connections)
        real(self, *arguments, connections=connections, **named)

    monkeypatch.setattr(ElasticsearchSink, "__init__", noting)
    await open_sink(elasticsearch(flow={"max_writes": max_writes}), OPENING).close()
    assert asked[0] > max_writes
