"""What operators paused is known to workers that are started later."""

from __future__ import annotations

from pathlib import Path

from collectors.plans import plans_of
from collectors.process import Process
from collectors.settings import HostSettings, Settings
from collectors.workers.pausing import Paused
from collectors.workers.place import WorkerPlace


def test_what_is_kept_is_what_was_said_last(tmp_path: Path) -> None:
    """By whoever reads it; nobody has paused anything at first, and nothing else is left in the folder."""
    assert Paused(tmp_path).names() == frozenset()
    Paused(tmp_path).keep({"a", "b/ü"})
    assert Paused(tmp_path).names() == {"a", "b/ü"}
    Paused(tmp_path).keep(set())
    assert Paused(tmp_path).names() == frozenset()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_worker_begins_with_paused_what_was_paused(tmp_path: Path) -> None:
    """Before it takes anything in: the one that died must not resume a service by dying."""
    entries = [{"name": name, "path": "sink://stdout"} for name in ("a", "b")]
    settings = Settings.model_validate({"data_collection_plugins": entries})
    plans = plans_of(settings.data_collection_plugins)
    Paused(tmp_path).keep({"b", "gone"})
    host = HostSettings(data_dir=tmp_path / "data")
    worker = Process(settings, host, plans, worker=WorkerPlace(1, tmp_path / "1.sock", -1))
    alone = Process(settings, host, plans)
    assert [service.health.is_paused for service in worker._fleet.services] == [False, True]
    assert not any(service.health.is_paused for service in alone._fleet.services)
