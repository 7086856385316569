"""The configuration is followed while services run: what is bad is refused and said, and what runs goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog

from collectors.configuration.checking import configuration_of
from collectors.configuration.reloading import RETRY_SECONDS, Reloading
from collectors.configuration.state import ConfigurationState
from collectors.errors import Halt, Retryable
from sluice.settings import SettingsError
from tests.collectors.fakes import until
from tests.collectors.fleets import FleetBench, closed, entry_of
from tests.collectors.virtual_time import virtual_time


class ScriptedOrigin:
    """Gives what it is told; ``tells_unchanged`` as a service does."""

    where = "there"
    folder = Path()
    file = Path("collectors.yaml")
    interval_seconds = 1.0

    def __init__(self, data: bytes, *, tells_unchanged: bool = False) -> None:
        self.tells_unchanged = tells_unchanged
        self.data = data
        self.error: SettingsError | None = None
        self.reads = 0
        self.kept_data: list[bytes] = []
        self._given: bytes | None = data

    async def read(self, *, insists: bool) -> bytes | None:
        self.reads += 1
        await asyncio.sleep(0.001)
        if self.error is not None:
            self._given = None
            raise self.error
        if self.data == self._given and not (insists and not self.tells_unchanged):
            return None
        self._given = self.data
        return self.data

    def keep(self, data: bytes) -> None:
        self.kept_data.append(data)

    def kept(self) -> bytes | None:
        return None


def document(*entries: dict[str, Any], **more: Any) -> bytes:
    """A configuration of these entries."""
    return json.dumps({"data_collection_plugins": list(entries), **more}).encode()


class Bench(FleetBench):
    """A fleet that follows a scripted origin."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *entries: dict[str, Any], **more: Any) -> None:
        super().__init__(monkeypatch, *entries)
        data = document(*entries)
        self.origin = ScriptedOrigin(data, **more)
        check = partial(configuration_of, where="there", folder=Path())
        begun = check(data)
        self.state = ConfigurationState("there", begun.version, self.metrics.reloaded)
        loop = asyncio.get_running_loop()
        self.reloading = Reloading(self.origin, check, begun, data, self.state, loop.time)
        self.lines: list[Any] = []

    def says(self, *entries: dict[str, Any], **more: Any) -> None:
        """From now on."""
        self.origin.data = document(*entries, **more)

    def logged(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == event]

    def results(self) -> dict[str, int]:
        """What came of reloads."""
        return {result: count for (result,), count in self.metrics.reloads.series()}

    async def until_state(self, name: str) -> None:
        await until(lambda: self.state.name == name)

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Both run, until the block ends."""
        with structlog.testing.capture_logs() as lines:
            self.lines = lines
            async with self.running(), asyncio.TaskGroup() as tasks:
                await until(lambda: all(service.health.is_ready for service in self.fleet.services))
                task = tasks.create_task(self.reloading.run(self.fleet, self.opening))
                try:
                    yield
                finally:
                    task.cancel()


@virtual_time
async def test_a_change_is_taken_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who changed is exchanged, who did not is not touched; it is logged once, counted, and kept."""
    bench = Bench(monkeypatch, entry_of("a"), entry_of("b"))
    async with bench.following():
        version = bench.state.version
        bench.says(entry_of("a"), entry_of("b", priority=1), entry_of("c"))
        await until(lambda: bench.state.version != version)
        await asyncio.sleep(30)  # of the virtual clock: whatever might still be touched
        assert bench.names() == ["a", "b", "c"]
        assert [len(bench.sources[name]) for name in "abc"] == [1, 2, 1]
        [line] = bench.logged("configuration applied")
        assert (line["added"], line["exchanged"], line["removed"]) == (["c"], ["b"], [])
        assert bench.results() == {"applied": 1}
        assert bench.origin.kept_data == [bench.origin.data]


@virtual_time
async def test_what_says_the_same_touches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other bytes of the same meaning are another version, and nobody leaves a group for them."""
    bench = Bench(monkeypatch, entry_of("a"))
    async with bench.following():
        version = bench.state.version
        bench.says(entry_of("a", enabled=True))
        await until(lambda: bench.state.version != version)
        assert closed(bench.sources["a"]) == [False]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"data_collection_plugins: [", ["is no YAML"]),
        (b"", ["has no enabled entry"]),
        (document(), ["has no enabled entry"]),
        (
            document(entry_of("a", smaple=1, enabled="perhaps")),
            ["smaple: unknown key; did you mean sample?", "enabled"],
        ),
        (document({"name": "a", "path": "sink://elastic"}), ["path"]),
        (document(entry_of("a"), entry_of("a")), ["names two entries"]),
        (document({"name": "a", "path": "missing.py"}), ["path: there is no file missing.py"]),
        (document(entry_of("a", config={"password": "${NOT_SET_ANYWHERE}"})), ["NOT_SET_ANYWHERE is not set"]),
        (b"\xff", ["UnicodeDecodeError"]),
    ],
)
def test_a_bad_one_is_refused(monkeypatch: pytest.MonkeyPatch, data: bytes, said: list[str]) -> None:
    """With every problem, once in the log, and on the page until a good one comes; what runs goes on."""

    @virtual_time
    async def check() -> None:
        bench = Bench(monkeypatch, entry_of("a"))
        async with bench.following():
            good = bench.origin.data
            bench.origin.data = data
            await bench.until_state("refused")
            await asyncio.sleep(60)  # of the virtual clock: many polls, and it is said once
            [line] = bench.logged("configuration refused, what runs goes on")
            assert len(line["problems"]) == len(bench.state.document()["problems"])
            for part in said:
                assert any(part in problem for problem in line["problems"])
            assert closed(bench.sources["a"]) == [False]
            assert bench.service("a").health.is_ready
            assert bench.results() == {"refused": 1}
            assert bench.origin.kept_data == []
            bench.origin.data = good
            await bench.until_state("current")
            assert closed(bench.sources["a"]) == [False]

    check()


@virtual_time
async def test_a_refused_one_is_tried_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The file that was missing may come after the configuration that names it."""
    bench = Bench(monkeypatch, entry_of("a"))
    plugin = tmp_path / "late.py"
    async with bench.following():
        bench.says(entry_of("a", priority=1), {"name": "p", "path": str(plugin), "fallback": "none"})
        await bench.until_state("refused")
        plugin.touch()
        await until(lambda: bench.state.name == "current", RETRY_SECONDS + 5)
        assert bench.names() == ["a", "p"]


@pytest.mark.parametrize("cause", [Retryable("away"), Halt("401", "give a password")])
def test_a_service_waits_for_its_new_sink(monkeypatch: pytest.MonkeyPatch, cause: Exception) -> None:
    """The old one runs on, and it is said why; the others are exchanged; when the sink answers so is this one."""

    @virtual_time
    async def check() -> None:
        bench = Bench(monkeypatch, entry_of("a"), entry_of("b"))
        async with bench.following():
            bench.sink("a").check_errors.extend([cause] * 3)
            other = {"elasticsearch_url": "http://elsewhere:9200"}
            bench.says(entry_of("a", config=other), entry_of("b", priority=1), entry_of("c"))
            await bench.until_state("waiting")
            assert bench.state.waiting == {"a": f"a: {cause}"}
            assert [len(bench.sources[name]) for name in "abc"] == [1, 2, 1]
            assert bench.service("a").health.is_ready
            await until(lambda: bench.state.name == "current", 5 * RETRY_SECONDS)
            assert [len(bench.sources[name]) for name in "abc"] == [2, 2, 1]
            assert len(bench.logged("service is not exchanged yet, the old one runs on")) == 1
            assert bench.results() == {"waiting": 1, "applied": 1}

    check()


@virtual_time
async def test_a_sink_that_is_away_holds_up_no_other_change_of_its_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only sinks that were not there are asked: what is changed may be what helps."""
    bench = Bench(monkeypatch, entry_of("a"))
    async with bench.following():
        bench.sink("a").check_errors.extend([Retryable("away")] * 1_000)
        bench.says(entry_of("a", priority=1))
        await until(lambda: len(bench.sources["a"]) == 2)


@pytest.mark.parametrize("tells_unchanged", [True, False])
def test_an_origin_that_is_away_changes_nothing(monkeypatch: pytest.MonkeyPatch, tells_unchanged: bool) -> None:
    """It is said once, and over when it is there again, with the same or with another configuration."""

    @virtual_time
    async def check() -> None:
        bench = Bench(monkeypatch, entry_of("a"), tells_unchanged=tells_unchanged)
        async with bench.following():
            bench.origin.error = SettingsError("there", ["does not answer"])
            await bench.until_state("unreachable")
            await asyncio.sleep(60)  # of the virtual clock: many polls, and it is said once
            assert bench.results() == {"unreachable": 1}
            assert len(bench.logged("configuration cannot be read, what runs goes on")) == 1
            assert bench.state.document()["problems"] == ["does not answer"]
            bench.origin.error = None
            await bench.until_state("current")
            assert closed(bench.sources["a"]) == [False]

    check()


@virtual_time
async def test_being_told_looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the interval; and what has not changed is left alone."""
    bench = Bench(monkeypatch, entry_of("a"))
    bench.origin.interval_seconds = 10_000.0
    async with bench.following():
        bench.reloading.tell()
        await until(lambda: bench.origin.reads == 1, 1)
        bench.says(entry_of("a", priority=1))
        bench.reloading.tell()
        await until(lambda: len(bench.sources["a"]) == 2, 20)
        assert bench.results() == {"applied": 1}


@virtual_time
async def test_a_storm_is_one_round_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is told while an exchange is under way; two never run at once."""
    bench = Bench(monkeypatch, entry_of("a"))
    bench.origin.interval_seconds = 10_000.0
    applying, most = 0, 0
    real: Callable[..., Any] = bench.fleet.apply

    async def apply(*arguments: Any) -> None:
        nonlocal applying, most
        applying += 1
        most = max(most, applying)
        await real(*arguments)
        await asyncio.sleep(1)
        applying -= 1

    monkeypatch.setattr(bench.fleet, "apply", apply)
    async with bench.following():
        for number in range(1_000):
            bench.says(entry_of("a", priority=number))
            bench.reloading.tell()
            await asyncio.sleep(0.002)
        await until(lambda: bench.fleet.recipes["a"].plan.first.priority == 999)
        assert most == 1
        assert bench.origin.reads <= 6


@virtual_time
async def test_keys_that_need_a_restart_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the log and on the page, until they are what they were; the services are exchanged none the less."""
    bench = Bench(monkeypatch, entry_of("a"))
    async with bench.following():
        bench.says(entry_of("a", priority=1), server={"port": 1})
        await until(lambda: bench.state.needs_restart == ("server",))
        assert len(bench.logged("configuration has keys that take effect with the next start")) == 1
        assert bench.state.name == "current"
        assert len(bench.sources["a"]) == 2
        bench.says(entry_of("a", priority=1))
        await until(lambda: bench.state.needs_restart == ())
        assert len(bench.sources["a"]) == 2


@virtual_time
async def test_a_fault_of_a_reload_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a refusal with its kind; the next one may go well."""
    bench = Bench(monkeypatch, entry_of("a"))

    async def broken(*_: Any) -> None:
        raise ZeroDivisionError

    async with bench.following():
        with monkeypatch.context() as patch:
            patch.setattr(bench.fleet, "apply", broken)
            bench.says(entry_of("a", priority=1))
            await bench.until_state("refused")
            assert "ZeroDivisionError" in bench.state.document()["problems"][0]
        await bench.until_state("current")
        assert len(bench.sources["a"]) == 2


@virtual_time
async def test_reloads_under_load_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty good ones with bad ones between, while records flow: all is in the sink, once."""
    bench = Bench(monkeypatch, entry_of("a"), entry_of("b"))
    async with bench.following():
        for number in range(20):
            for name in ("a", "b"):
                bench.feed(name, 100)
            bench.says(entry_of("a", batch={"max_records": 10 + number}), entry_of("b"))
            await asyncio.sleep(1.3)
            bench.origin.data = b"data_collection_plugins: [" + str(number).encode()
            await asyncio.sleep(1.3)
        await until(lambda: bench.log("a").is_done and bench.log("b").is_done)
        assert bench.results() == {"applied": 20, "refused": 20}
        assert closed(bench.sources["b"]) == [False]
    bench.assert_exact("a", "b")
