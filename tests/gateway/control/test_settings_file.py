"""``sluice.yaml`` while the gateway runs: what can take effect does, what cannot is said, once."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from structlog.testing import capture_logs

from gateway.control import settings_file as settings_file_module
from gateway.control.errors import ControlDatabaseError
from gateway.control.settings_file import SettingsFile
from gateway.control.store import ControlStore
from tests.gateway.control.made import ADMIN, llm
from tests.integration.waiting import until_found

SECONDS = 20.0
LLM = {"id": 1, "slug": "demo", "base_url": "http://127.0.0.1:9/v1", "api_key": "vendor-key"}


class File:
    """The settings file of a running gateway."""

    def __init__(self, path: Path, store: ControlStore) -> None:
        self.path = path
        self.store = store
        self.file = SettingsFile(path, store)
        self.lines: list[Any] = []

    def write(self, document: Any = None, **sections: Any) -> None:
        """Put another in its place, as an editor does."""
        partial = self.path.with_suffix(".partial")
        partial.write_text(document if isinstance(document, str) else yaml.safe_dump(sections))
        partial.replace(self.path)

    async def look(self) -> bool:
        """One look; what it logs is kept."""
        with capture_logs() as lines:
            changed = await self.file.look()
        self.lines += lines
        return changed

    async def slugs(self) -> list[str]:
        """The LLMs that are kept."""
        return [each.slug for each in (await self.store.llms.find()).items]

    def said(self) -> list[str]:
        """What was logged since the last time."""
        found = [line["event"] for line in self.lines]
        self.lines.clear()
        return found


@pytest.fixture(name="file")
def a_file(store: ControlStore, tmp_path: Path) -> File:
    """With one LLM."""
    made = File(tmp_path / "sluice.yaml", store)
    made.write(llms=[LLM])
    return made


async def test_entities_take_effect_as_they_are_written(file: File) -> None:
    """New, changed and gone; a look at a file that nobody touched does nothing."""
    assert [await file.look(), await file.look()] == [True, False]
    assert await file.slugs() == ["demo"]
    file.write(llms=[{**LLM, "slug": "other"}, {"id": 2, "slug": "second", "base_url": "http://b"}])
    assert await file.look()
    assert await file.slugs() == ["other", "second"]
    file.write(llms=[])
    assert await file.look()
    assert await file.slugs() == []
    assert file.said() == ["settings file applied"] * 3


async def test_what_is_written_anew_and_says_the_same_is_no_change(file: File) -> None:
    """Another layout, a comment, another section: no entity gets another version."""
    await file.look()
    generation = await file.store.generation()
    file.write("# a comment\n" + yaml.safe_dump({"llms": [LLM], "record": {"unauthenticated_per_second": 1}}))
    assert not await file.look()
    assert await file.store.generation() == generation


@pytest.mark.parametrize(
    "bad", ["llms: [", "llms: [{id: 1}]", "gateway: {prt: 1}", "llms: [{id: 0, slug: a, base_url: b}]", "\x00", "- a"]
)
async def test_a_bad_file_changes_nothing_and_is_said_once(file: File, bad: str) -> None:
    """With every problem and no secret; a good one is taken again, and another bad one is said again."""
    await file.look()
    file.said()
    for _ in range(2):
        file.write(bad + f"\n# vendor-key {len(bad)}")
        assert [await file.look() for _ in range(3)] == [False, False, False]
        (line,) = file.lines
        assert (line["event"], line["log_level"]) == ("settings file cannot be used", "error")
        assert line["problems"]
        assert "vendor-key" not in str(line)
        file.said()
    assert await file.slugs() == ["demo"]
    file.write(llms=[{**LLM, "slug": "mended"}])
    assert await file.look()
    assert await file.slugs() == ["mended"]


async def test_a_file_that_is_gone_changes_nothing(file: File) -> None:
    """Deleted by mistake, it takes no LLM with it; it is said once."""
    await file.look()
    file.said()
    file.path.unlink()
    assert [await file.look() for _ in range(2)] == [False, False]
    assert file.said() == ["settings file cannot be used"]
    assert await file.slugs() == ["demo"]
    file.write(llms=[{**LLM, "slug": "back"}])
    assert await file.look()


async def test_one_that_wants_what_the_api_made_is_refused_whole(file: File) -> None:
    """With what is in the way; nothing of it is applied, and once that is gone it is, when it is written again."""
    await file.look()
    file.said()
    there = await file.store.llms.create(llm("second"), ADMIN)
    file.write(llms=[{**LLM, "slug": "changed"}, {"id": 77, "slug": "second", "base_url": "http://b"}])
    assert not await file.look()
    assert "made over the API" in str(file.lines)
    assert file.said() == ["settings file cannot be used"]
    assert await file.slugs() == ["demo", "second"]
    await file.store.llms.delete(there.id, ADMIN)
    os.utime(file.path, ns=(1, 1))
    assert await file.look()
    assert await file.slugs() == ["changed", "second"]


async def test_what_needs_a_restart_is_said_once(file: File) -> None:
    """By its section; entities beside it take effect all the same, and going back to what runs needs nothing."""
    await file.look()
    file.said()
    file.write(llms=[{**LLM, "slug": "other"}], gateway={"port": 9}, budget={"unpriced": "deny"})
    assert await file.look()
    assert file.lines[0]["sections"] == ["gateway", "budget"]
    assert file.said() == ["settings changed that need a restart", "settings file applied"]
    file.write(llms=[LLM], gateway={"port": 9}, budget={"unpriced": "deny"})
    await file.look()
    assert file.said() == ["settings file applied"]
    file.write(llms=[LLM])
    await file.look()
    assert file.said() == []


async def test_a_database_that_is_away_is_tried_again(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is wrong with the file: the next look takes it."""

    async def away(*_: Any) -> bool:
        raise ControlDatabaseError("control.database_url: it is away")

    with monkeypatch.context() as patch:
        patch.setattr(file.store, "apply_file", away)
        assert [await file.look(), await file.look()] == [False, False]
    assert file.said() == ["settings file not applied"] * 2
    assert await file.look()
    assert await file.slugs() == ["demo"]


async def test_a_fault_of_ours_ends_no_worker(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is logged with its place; the file is not tried again until it changes, and then it may be good."""

    async def broken(*_: Any) -> bool:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(file.store, "apply_file", broken)
        assert [await file.look(), await file.look()] == [False, False]
    assert file.said() == ["settings file not applied"]
    file.write(llms=[{**LLM, "slug": "again"}])
    assert await file.look()


async def test_of_many_workers_one_writes(file: File) -> None:
    """They all see the change; it is made once."""
    others = [SettingsFile(file.path, file.store) for _ in range(4)]
    assert sorted(await asyncio.gather(*(other.look() for other in others))) == [False, False, False, True]
    assert (await file.store.llms.get(1)).version == 1


async def test_it_is_looked_at_each_second(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the worker runs."""
    monkeypatch.setattr(settings_file_module, "LOOK_SECONDS", 0.01)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(file.file.run())
        for slug in ("one", "two"):
            file.write(llms=[{**LLM, "slug": slug}])

            async def is_kept(wanted: str = slug) -> bool:
                return await file.slugs() == [wanted]

            await until_found(is_kept, SECONDS, "it is taken")
        running.cancel()


async def test_a_file_that_is_being_written_is_left_alone(file: File) -> None:
    """Half of one deletes what the other half has, with links and tokens that nobody gets back: it is taken when two
    looks found the same."""
    await file.look()
    await file.file.look_when_settled()
    whole = yaml.safe_dump({"llms": [LLM, {**LLM, "id": 2, "slug": "other"}]})
    generation = await file.store.generation()
    for written in ("", "llms: []", whole):
        file.path.write_text(written)
        assert not await file.file.look_when_settled()
    assert await file.store.generation() == generation
    assert await file.file.look_when_settled()
    assert await file.slugs() == ["demo", "other"]


async def test_an_empty_file_deletes_nothing(file: File) -> None:
    """It is what a full disk or an editor leaves; who means it says so."""
    await file.look()
    file.said()
    file.path.write_text("")
    assert not await file.look()
    assert file.said() == ["settings file cannot be used"]
    assert await file.slugs() == ["demo"]
    file.write("version: '1'")
    assert await file.look()
    assert await file.slugs() == []
