"""``sluice collect``: what is wrong with the files is said in one line before anything starts, with its exit code."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from collectors import command, process
from collectors.operations.desk.desk import Desk
from collectors.plans import ServicePlan
from collectors.server import PortTakenError
from collectors.settings import HostSettings, Settings
from collectors.sinks import registry
from collectors.workers import running
from collectors.workers.place import WorkerPlace
from sluice.command_line.findings import Installation
from sluice.commands import Commands
from sluice.settings import SettingsError

TWO = """
data_collection_plugins:
  - {name: search, path: "sink://elasticsearch"}
  - {name: archive, path: "sink://database"}
  - {name: quiet, path: "sink://database", enabled: false}
"""


class Bench:
    """The command in a folder, with a process that only notes what it was given."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.started: list[tuple[Settings, HostSettings, list[str]]] = []
        self.folders: list[Path] = []
        self.ends_with: int | Exception = 0
        self.commands = Commands(typer.Typer())
        self.commands.app.callback()(lambda: None)
        command.register(self.commands)
        started, bench = self.started, self

        class NotedProcess:
            def __init__(
                self, settings: Settings, host: HostSettings, plans: Sequence[ServicePlan], folder: Path, *_: Any
            ) -> None:
                bench.folders.append(folder)
                started.append((settings, host, [plan.name for plan in plans]))

            async def run(self) -> int:
                if isinstance(bench.ends_with, Exception):
                    raise bench.ends_with
                return bench.ends_with

        monkeypatch.setattr(process, "Process", NotedProcess)
        monkeypatch.setattr(command, "configure_logs", lambda: None)  # it would keep the runner's standard error
        monkeypatch.chdir(folder)
        (folder / "collectors.yaml").write_text(TWO)
        (folder / "sluice.yaml").write_text("data_dir: state\n")

    def collect(self, *arguments: str) -> Result:
        return CliRunner().invoke(self.commands.app, ["collect", *arguments])


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A folder with two settings files that are well."""
    return Bench(tmp_path, monkeypatch)


def test_all_enabled_services_run_by_default(bench: Bench) -> None:
    """From the two files of the working directory; the gateway's own says where the log is."""
    assert bench.collect().exit_code == 0
    [(settings, host, names)] = bench.started
    assert names == ["search", "archive"]
    assert len(settings.data_collection_plugins) == 3
    assert host.data_dir == Path("state")


def test_named_services_run_alone(bench: Bench) -> None:
    """One, or several in the order of the file."""
    assert bench.collect("archive").exit_code == 0
    assert bench.collect("archive", "search").exit_code == 0
    assert [names for _, _, names in bench.started] == [["archive"], ["search", "archive"]]


def test_files_may_lie_elsewhere(bench: Bench) -> None:
    """Both are options, and what the gateway alone needs of its file is not looked at."""
    (bench.folder / "x.yaml").write_text("data_collection_plugins: [{name: one, path: 'sink://database'}]")
    (bench.folder / "y.yaml").write_text("data_dir: /elsewhere\nllms: nonsense\nunknown: {}\n")
    assert bench.collect("--collectors", "x.yaml", "-c", "y.yaml").exit_code == 0
    [(_, host, names)] = bench.started
    assert (names, host.data_dir) == (["one"], Path("/elsewhere"))


@pytest.mark.parametrize("code", [0, 1])
def test_the_exit_code_is_the_process_s(bench: Bench, code: int) -> None:
    """Whoever supervises it learns whether a service failed."""
    bench.ends_with = code
    assert bench.collect().exit_code == code


def test_a_taken_port_is_one_line(bench: Bench) -> None:
    """No traceback: the remedy is in the message."""
    bench.ends_with = PortTakenError("cannot listen on 127.0.0.1:9464; set server.port")
    result = bench.collect()
    assert result.exit_code == 2
    assert result.stderr == "cannot listen on 127.0.0.1:9464; set server.port\n"


def test_a_fault_of_ours_is_not_hidden(bench: Bench) -> None:
    """What nobody foresaw is a traceback, not a friendly line."""
    bench.ends_with = ZeroDivisionError()
    assert isinstance(bench.collect().exception, ZeroDivisionError)


@pytest.mark.parametrize(
    ("file", "text", "parts"),
    [
        ("collectors.yaml", None, ["collectors.yaml", "cannot be read"]),
        ("sluice.yaml", None, ["sluice.yaml", "cannot be read"]),
        ("collectors.yaml", "a: [", ["collectors.yaml", "is no YAML"]),
        ("collectors.yaml", "- 1", ["collectors.yaml", "list"]),
        ("collectors.yaml", "\x00\xff", ["collectors.yaml"]),
        ("collectors.yaml", "data_collection_plugin: []", ["data_collection_plugin", "data_collection_plugins"]),
        ("collectors.yaml", "data_collection_plugins: [{name: x, path: ./plugin}]", ["path", "sink://elasticsearch"]),
        ("collectors.yaml", "shutdown_seconds: ${NOT_SET_ANYWHERE}", ["NOT_SET_ANYWHERE"]),
        ("sluice.yaml", "kafka: {partitions: 0}", ["sluice.yaml", "kafka.partitions", "0"]),
        ("sluice.yaml", "eventlog: {durability: strict}", ["sluice.yaml", "bootstrap_servers"]),
    ],
)
def test_a_file_that_is_refused_starts_nothing(bench: Bench, file: str, text: str | None, parts: list[str]) -> None:
    """2, and on standard error the file, the key and the remedy; no traceback."""
    path = bench.folder / file
    path.unlink() if text is None else path.write_text(text)
    result = bench.collect()
    assert result.exit_code == 2
    assert bench.started == []
    for part in parts:
        assert part in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("name", ["unknown", "quiet", "", "sluice.search"])
def test_a_service_that_there_is_not_is_refused_with_those_there_are(bench: Bench, name: str) -> None:
    """Unknown or switched off: the names that would do are in the line."""
    result = bench.collect("search", name)
    assert result.exit_code == 2
    assert "search, archive" in result.stderr
    assert bench.started == []


@pytest.mark.parametrize("text", ["", "data_collection_plugins: []", TWO.replace("}", ", enabled: false}", 2)])
def test_nothing_to_carry_is_refused(bench: Bench, text: str) -> None:
    """A collector that would do nothing says so, and in which file."""
    (bench.folder / "collectors.yaml").write_text(text)
    result = bench.collect()
    assert result.exit_code == 2
    assert "collectors.yaml: data_collection_plugins: has no enabled entry" in result.stderr


def test_its_settings_file_is_recognised(bench: Bench) -> None:
    """``sluice validate`` tells it from the gateway's by its one key, and refuses what ``collect`` would."""
    [tree] = bench.commands.settings
    assert tree.name == "collectors"
    assert tree.recognises({"data_collection_plugins": None})
    assert not tree.recognises({"llms": []})
    assert not tree.recognises({})
    assert isinstance(tree.load(bench.folder / "collectors.yaml"), Settings)
    with pytest.raises(SettingsError):
        tree.load(bench.folder / "sluice.yaml")


def test_several_collectors_in_a_service_are_noted(bench: Bench) -> None:
    """By ``sluice validate``: allowed, and not the recommended form; one a service is said nothing of."""
    [tree] = bench.commands.settings
    path = bench.folder / "collectors.yaml"
    assert list(tree.notes(tree.load(path))) == []
    path.write_text(TWO.replace('"}', '", service: both}', 2))
    [note] = tree.notes(tree.load(path))
    assert "service 'both' has several collectors (search, archive)" in note
    assert "one a service is the recommended form" in note


def test_a_fallback_s_extra_is_asked_for_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an event may come to need it; a sink that takes everything needs none."""
    missing = replace(registry.SINKS["sink://database"], needs=("not_there_at_all",))
    monkeypatch.setitem(registry.SINKS, "sink://database", missing)
    path = bench.folder / "collectors.yaml"
    path.write_text("data_collection_plugins: [{name: one, path: plugin.py}]")
    assert "fallback: sink://database needs what is not installed" in bench.collect().stderr
    path.write_text("data_collection_plugins: [{name: one, path: plugin.py, fallback: none}]")
    assert bench.collect().exit_code == 0
    path.write_text("data_collection_plugins: [{name: one, path: 'sink://elasticsearch'}]")
    assert bench.collect().exit_code == 0


def test_settings_are_read_without_what_collectors_need() -> None:
    """``sluice validate collectors.yaml`` where only the base is installed."""
    code = "import sys, collectors.settings; print([m for m in ('polars', 'sqlalchemy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("missing", ["polars", "elasticsearch", "sqlalchemy", "aiosqlite"])
def test_without_its_extra_only_settings_are_registered(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """The first module that is missing is named, and no half of a command is left in its place."""
    commands = Commands(typer.Typer())
    found: Any = lambda name: None if name == missing else object()  # noqa: E731 - one expression
    monkeypatch.setattr("sluice.commands.find_spec", found)
    with pytest.raises(ModuleNotFoundError) as caught:
        command.register(commands)
    assert caught.value.name == missing
    assert (commands.app.registered_commands, [tree.name for tree in commands.settings]) == ([], ["collectors"])


def test_help_loads_nothing_heavy() -> None:
    """``sluice --help`` imports this module: polars, SQLAlchemy and the sinks wait until they are needed."""
    heavy = "polars,sqlalchemy,elastic_transport,collectors.process,collectors.settings"
    code = f"import sys, collectors.command; print([m for m in {heavy!r}.split(',') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_relative_paths_of_plugins_begin_at_the_collectors_file(bench: Bench) -> None:
    """Wherever the command is run: the folder of ``collectors.yaml`` goes along."""
    (bench.folder / "conf").mkdir()
    (bench.folder / "conf" / "c.yaml").write_text("data_collection_plugins: [{name: one, path: plugin.py}]")
    assert bench.collect("--collectors", "conf/c.yaml").exit_code == 0
    assert bench.folders == [Path("conf")]


def test_plugins_without_their_extra_are_one_line(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line names what is missing and how it is installed; sinks run without it."""
    monkeypatch.setattr(registry, "PLUGIN", replace(registry.PLUGIN, needs=("httpx", "not_there_at_all")))
    assert bench.collect().exit_code == 0
    (bench.folder / "collectors.yaml").write_text("data_collection_plugins: [{name: one, path: plugin.py}]")
    result = bench.collect()
    assert result.exit_code == 2
    assert "not_there_at_all" in result.stderr
    assert "sluice-gateway[plugins]" in result.stderr


def test_the_environment_says_where_the_configuration_is(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the reference's does; the option wins, and its folder is where relative paths begin."""
    for name in ("one", "two"):
        (bench.folder / name).mkdir()
        text = f"data_collection_plugins: [{{name: {name}, path: 'sink://database'}}]"
        (bench.folder / name / "c.yaml").write_text(text)
    monkeypatch.setenv("PLUGINS_CONFIG_PATH", "one/c.yaml")
    monkeypatch.setenv("PLUGINS_CONFIG_SERVICE_URL", "http://127.0.0.1:9")
    assert bench.collect().exit_code == 0
    assert bench.collect("--collectors", "two/c.yaml").exit_code == 0
    assert [names for _, _, names in bench.started] == [["one"], ["two"]]
    assert bench.folders == [Path("one"), Path("two")]


def test_a_service_that_is_away_is_one_line(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing was kept of it: 2, its address, and why."""
    monkeypatch.setenv("PLUGINS_CONFIG_SERVICE_URL", "http://127.0.0.1:9")
    result = bench.collect()
    assert result.exit_code == 2
    assert "http://127.0.0.1:9/plugins/data-collection: cannot be reached" in result.stderr
    assert bench.started == []


def test_workers_need_kafka(bench: Bench) -> None:
    """Of journals one process reads all: 2, with what to do instead, before anything starts."""
    result = bench.collect("--workers", "2")
    assert result.exit_code == 2
    assert result.stderr.startswith("sluice.yaml: kafka.bootstrap_servers: is empty")
    assert bench.started == []


def test_several_workers_are_supervised(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the very options that were given; a bad configuration is refused before the first."""
    (bench.folder / "sluice.yaml").write_text("kafka: {bootstrap_servers: 'h:1'}\n")
    given: list[tuple[int, list[str]]] = []

    async def run_workers(_settings: Settings, count: int, command: Any, desk: Desk, _data_dir: Path) -> int:
        assert isinstance(desk, Desk)  # the supervisor's: no worker has one
        given.append((count, command(WorkerPlace(0, Path("s"), 9))[5:]))
        return 1

    monkeypatch.setattr(running, "run_workers", run_workers)
    assert bench.collect("--workers", "3", "search", "--collectors", "collectors.yaml").exit_code == 1
    options = ["--config=sluice.yaml", "--collectors=collectors.yaml", "--worker=0", "--socket=s", "--parent=9"]
    assert given == [(3, [*options, "--", "search"])]
    (bench.folder / "collectors.yaml").write_text("data_collection_plugins: [")
    assert bench.collect("--workers", "3").exit_code == 2
    assert (len(given), bench.started) == (1, [])


def test_the_doctor_looks_at_collectors(tmp_path: Path) -> None:
    """Through the check that is registered, at the file that the command line names."""
    (finding,) = command.check(Installation(tmp_path / "none.yaml", tmp_path / "also-none.yaml"))
    assert "also-none.yaml" in finding.what
