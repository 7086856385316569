"""A replay writes to an entry, to a topic, or nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.jobs.choosing import Chosen, Moments
from collectors.jobs.interface import UsageError
from collectors.jobs.options import RangeOptions
from collectors.jobs.replay.dry import NoSink
from collectors.jobs.replay.plan import Plan
from collectors.jobs.replay.target import Place, entry_of, sink_of
from collectors.jobs.replay.topic import TopicSink
from collectors.settings import HostSettings
from collectors.sinks.database.sink import DatabaseSink
from tests.collectors.jobs.bench import MemoryOrigin, origin_of
from tests.integration.stack import write_yaml


def plan(sink: str = "", to_topic: str = "") -> Plan:
    """To one of them."""
    return Plan(RangeOptions(), sink, to_topic, 0.0, Chosen((), (), {}), Moments(None, None))


def place(folder: Path, *, is_dry: bool = False, kafka: str = "") -> Place:
    """With an entry whose batches are small."""
    url = f"sqlite:///{folder}/rows.db"
    entry = {"name": "rows", "path": "sink://database", "batch": {"max_records": 7}, "config": {"url": url}}
    path = write_yaml(folder / "collectors.yaml", {"data_collection_plugins": [entry]})
    host = HostSettings.model_validate({"data_dir": folder / "data", "kafka": {"bootstrap_servers": kafka}})
    return Place(host, path, MemoryOrigin({}), "job", is_dry)


async def test_an_entry_is_as_in_life(tmp_path: Path) -> None:
    """Its settings, and its own sink, made ready."""
    here = place(tmp_path)
    entry = entry_of(plan("rows"), here)
    sink = await sink_of(plan("rows"), entry, here)
    assert entry.batch.max_records == 7
    assert isinstance(sink, DatabaseSink)
    assert (tmp_path / "rows.db").exists()
    await sink.close()


async def test_a_dry_run_reaches_nothing(tmp_path: Path) -> None:
    """But the entry's selection holds."""
    here = place(tmp_path, is_dry=True)
    entry = entry_of(plan("rows"), here)
    assert entry.name == "rows"
    assert isinstance(await sink_of(plan("rows"), entry, here), NoSink)
    assert not (tmp_path / "rows.db").exists()


async def test_a_topic_must_be_there_on_kafka(tmp_path: Path) -> None:
    """A wrong name makes no topic; journals have any."""
    here = place(tmp_path, kafka="127.0.0.1:9")
    with pytest.raises(UsageError, match="no topic 'copy' in memory; make it first"):
        await sink_of(plan(to_topic="copy"), entry_of(plan(to_topic="copy"), here), here)
    here = Place(HostSettings(data_dir=tmp_path), tmp_path / "absent.yaml", origin_of(1), "job")
    sink = await sink_of(plan(to_topic="copy"), entry_of(plan(to_topic="copy"), here), here)
    assert isinstance(sink, TopicSink)
    await sink.close()
