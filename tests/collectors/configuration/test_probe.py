"""Before a service is exchanged its new sinks are asked, those that can be, and whatever they do is a reason."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from collectors.configuration import probe
from collectors.configuration.probe import can_be_asked, why_not
from collectors.entries import AnyEntry
from collectors.errors import Halt, Retryable
from collectors.settings import ControlSettings, HostSettings, Settings
from collectors.sinks.registry import SinkOpening
from tests.collectors.virtual_time import virtual_time

OPENING = SinkOpening(HostSettings(), Path(), ControlSettings())


class AskedSink:
    """Answers as it is told."""

    def __init__(self, answer: Exception | float | None, closing: Exception | None = None) -> None:
        self._answer = answer
        self._closing = closing
        self.closed = False

    async def check(self) -> None:
        if isinstance(self._answer, float):
            await asyncio.sleep(self._answer)
        elif self._answer is not None:
            raise self._answer

    async def close(self) -> None:
        self.closed = True
        if self._closing is not None:
            raise self._closing


def entry(**values: Any) -> AnyEntry:
    """One."""
    [found] = Settings.model_validate({"data_collection_plugins": [{"name": "e", **values}]}).data_collection_plugins
    return found


SEARCH = entry(path="sink://elasticsearch")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, ""),
        (Retryable("away"), "e: away"),
        (Halt("401", "give a password"), "e: 401"),
        (ZeroDivisionError(), "e: the sink raised ZeroDivisionError as it was checked"),
        (1_000.0, "e: does not answer within 10 s"),
    ],
)
def test_whatever_a_sink_answers_is_a_reason(
    monkeypatch: pytest.MonkeyPatch, answer: Exception | float | None, reason: str
) -> None:
    """Nothing is raised, and the sink is let go of, even where that fails."""
    sink = AskedSink(answer, OSError())
    monkeypatch.setattr(probe, "open_sink", lambda *_: sink)

    async def ask() -> None:
        assert (await why_not([SEARCH], OPENING)).startswith(reason)
        assert bool(await why_not([SEARCH], OPENING)) == bool(reason)

    virtual_time(ask)()
    assert sink.closed


async def test_a_sink_that_cannot_be_made_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong with its settings beyond their form shows here, of those that are not asked too."""

    def fail(*_: Any) -> None:
        raise ValueError

    monkeypatch.setattr(probe, "open_sink", fail)
    assert await why_not([SEARCH], OPENING) == "e: cannot be opened (ValueError)"
    assert await why_not([entry(path="python://x:Y")], OPENING) == "e: cannot be opened (ValueError)"


@pytest.mark.parametrize(
    ("found", "can"),
    [
        (SEARCH, True),
        (entry(path="sink://webhook", config={"url": "https://h"}), True),
        (entry(path="sink://kafka", config={"topic": "t"}), True),
        (entry(path="sink://database"), False),
        (entry(path="sink://file"), False),
        (entry(path="sink://stdout"), False),
        (entry(path="python://x:Y"), False),
    ],
)
async def test_only_who_needs_no_start_is_asked(monkeypatch: pytest.MonkeyPatch, found: AnyEntry, can: bool) -> None:
    """A start makes folders, files and processes, which the one that runs may have."""
    monkeypatch.setattr(probe, "open_sink", lambda *_: AskedSink(Retryable("away")))
    assert can_be_asked(found) == can
    assert bool(await why_not([found], OPENING)) == can


@pytest.mark.parametrize("path", ["sink://database", "sink://file", "sink://stdout", "plugin.py"])
async def test_whoever_is_not_asked_is_opened_without_a_trace(tmp_path: Path, path: str) -> None:
    """No folder, no file, no process is made by it."""
    opening = SinkOpening(HostSettings(data_dir=tmp_path / "data"), tmp_path, ControlSettings())
    config = {"url": f"sqlite:///{tmp_path}/x.db"} if path == "sink://database" else {}
    if path == "sink://file":
        config = {"output_directory": str(tmp_path / "out")}
    assert await why_not([entry(path=path, config=config)], opening) == ""
    assert list(tmp_path.iterdir()) == []


async def test_a_real_one_that_is_away_says_so() -> None:
    """Elasticsearch on a port where nobody listens."""
    away = entry(path="sink://elasticsearch", config={"elasticsearch_url": "http://127.0.0.1:9"})
    assert "http://127.0.0.1:9 does not answer" in await why_not([away], OPENING)
