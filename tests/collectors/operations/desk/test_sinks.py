"""Which sinks have the events of an exchange: asked of real stores, each within a bound."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from collectors.operations.desk import sinks as module
from collectors.operations.desk.asking import DeskError
from collectors.operations.desk.sinks import Sinks
from collectors.services.reconcile.rows import RowStore
from collectors.settings import HostSettings, Settings
from collectors.sinks.database.sink import DatabaseSink
from collectors.sinks.settings import DatabaseSettings
from schemas.codec import SchemaBook
from tests.collectors.events import make_record
from tests.collectors.frames import frame_of_records
from tests.collectors.retention.stored import store


def entry(name: str, path: str = "sink://database", **given: Any) -> dict[str, Any]:
    """One of collectors.yaml."""
    return {"name": name, "path": path, **given}


def sinks_of(folder: Path, *entries: dict[str, Any]) -> Sinks:
    """Those of these entries."""
    settings = Settings.model_validate({"data_collection_plugins": list(entries)})
    return Sinks(lambda: settings, HostSettings(data_dir=folder / "data"))


async def stored(url: str) -> str:
    """A database with the analytics of one exchange, and its id."""
    record = make_record("analytics")
    sink = DatabaseSink(DatabaseSettings(url=url))
    await sink.start()
    await store(sink, frame_of_records(SchemaBook(), [record]))
    await sink.close()
    return dict(record.headers)["ce_id"].decode().removesuffix("-a")


async def test_each_sink_says_what_it_has_and_what_it_does_not_take(tmp_path: Path) -> None:
    """There, not there, not taken; a sink that cannot be asked says why."""
    url = f"sqlite:///{tmp_path / 'rows.db'}"
    exchange = await stored(url)
    sinks = sinks_of(
        tmp_path,
        entry("rows", config={"url": url}),
        entry("budgets", config={"url": url}, hook_types=["budget"]),
        entry("hook", "sink://webhook", config={"url": "http://127.0.0.1:9/x"}),
    )
    rows, budgets, hook = (await sinks.holders(exchange))["sinks"]
    assert rows["has"] == {"proxy_log": False, "analytics": True, "budget": False}
    assert (budgets["kinds"], budgets["has"]) == (["budget"], {"budget": False})
    assert (hook["sink"], "not_asked" in hook) == ("hook", True)


async def test_one_that_is_away_or_hangs_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not known is no absence."""
    url = f"sqlite:///{tmp_path / 'rows.db'}"
    exchange = await stored(url)
    monkeypatch.setattr(module, "ASK_SECONDS", 2.0)
    present = RowStore.present

    async def slow(self: RowStore, kind: Any, ids: Any) -> set[str]:
        if "slow" in str(self._engine.url):
            await asyncio.Event().wait()
        return await present(self, kind, ids)

    monkeypatch.setattr(RowStore, "present", slow)
    away = {"elasticsearch_url": "http://127.0.0.1:1"}
    sinks = sinks_of(
        tmp_path,
        entry("search", "sink://elasticsearch", config=away),
        entry("slow", config={"url": f"sqlite:///{tmp_path / 'slow.db'}"}),
        entry("rows", config={"url": url}),
    )
    search, hanging, rows = (await sinks.holders(exchange))["sinks"]
    assert search["problem"]
    assert search["has"] == {}
    assert hanging["problem"] == "it did not answer within 2 s"
    assert rows["has"]["analytics"] is True


async def test_a_flood_is_refused_and_not_queued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asked has gone after two seconds: sinks are not asked on behalf of nobody."""
    monkeypatch.setattr(module, "_MAX_WAITING", 2)
    sinks = sinks_of(tmp_path, entry("rows", config={"url": f"sqlite:///{tmp_path / 'rows.db'}"}))
    found = await asyncio.gather(*(sinks.holders("x") for _ in range(5)), return_exceptions=True)
    assert [each.status for each in found if isinstance(each, DeskError)] == [503] * 3
    assert "sinks" in await sinks.holders("x")


@pytest.mark.parametrize("exchange", ["../x", "a b", "x" * 200, "a'b"])
async def test_what_is_no_id_is_not_asked_for(tmp_path: Path, exchange: str) -> None:
    """400, and no sink hears of it."""
    with pytest.raises(DeskError, match="characters that no id has"):
        await sinks_of(tmp_path).holders(exchange)
