"""The gateway's commands: options win over the file, and what keeps a gateway from starting is one line, status 2."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import socket
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from gateway import workers as workers_module
from gateway.command import check, load, register
from gateway.control.errors import ControlDatabaseError
from gateway.errors import PortTakenError
from gateway.listener import Listeners
from gateway.settings import Settings
from sluice.command_line.findings import Installation
from sluice.commands import Commands
from sluice.eventlog.interface import CommitFailedError
from sluice.plugin_host.errors import PluginLoadError
from sluice.secrets import SecretError
from sluice.settings import SettingsError

Started = list[tuple[Settings, Path, Any]]


def commands() -> Commands:
    """What the gateway registers."""
    made = Commands(typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False))
    register(made)
    return made


def run(*arguments: str) -> Result:
    """``sluice`` with the gateway's commands alone."""
    return CliRunner().invoke(commands().app, list(arguments))


@pytest.fixture(name="started")
def what_is_started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """Remember what would be started, and leave the logs as they are."""
    found: Started = []
    levels = logging.getLevelNamesMapping()
    monkeypatch.setattr("gateway.command.configure_logs", lambda level: levels[level.upper()])

    def run_gateway(settings: Settings, config: Path, options: list[str]) -> None:
        found.append((settings, config, options))

    def run_worker(settings: Settings, config: Path, name: str, listeners: Listeners, parent: int) -> None:
        sockets = [each for each in (listeners.gateway, listeners.control) if each is not None]
        found.append((settings, config, (name, [each.getsockname()[1] for each in sockets], parent)))
        for each in sockets:
            each.close()

    monkeypatch.setattr(workers_module, "run_gateway", run_gateway)
    monkeypatch.setattr(workers_module, "run_worker", run_worker)
    return found


@pytest.fixture(name="config")
def config_file(tmp_path: Path) -> Path:
    """A settings file."""
    path = tmp_path / "sluice.yaml"
    path.write_text("gateway: {port: 9000, host: 127.0.0.2, id: mine, workers: 2}\n")
    return path


def test_commands_settings_and_check_are_registered() -> None:
    """All of them; whatever is no collectors' file is the gateway's to validate."""
    made = commands()
    assert [each.name for each in made.app.registered_commands] == ["token", "gateway", "import"]
    (tree,) = made.settings
    assert (tree.name, tree.load) == ("gateway", load)
    assert tree.recognises({})
    assert not tree.recognises({"data_collection_plugins": None})
    assert made.checks == {"gateway": check}


def test_the_file_is_loaded(config: Path, tmp_path: Path) -> None:
    """Or refused with its name."""
    assert load(config).gateway.port == 9000
    with pytest.raises(SettingsError, match=r"none\.yaml"):
        load(tmp_path / "none.yaml")


def test_the_doctor_looks_at_the_gateway(tmp_path: Path) -> None:
    """Through the check that is registered."""
    (finding,) = check(Installation(tmp_path / "none.yaml"))
    assert not finding.ok


def test_without_options_the_file_holds(config: Path, started: Started) -> None:
    """Workers are given the level of the logs and how many they are, which the file may say otherwise by then."""
    assert run("gateway", "-c", str(config)).exit_code == 0
    ((settings, path, options),) = started
    assert (settings.gateway.host, settings.gateway.port, settings.gateway.workers) == ("127.0.0.2", 9000, 2)
    assert path == config
    assert options == ["--log-level=info", f"--workers={settings.gateway.workers}"]


def test_options_win_over_the_file(config: Path, started: Started) -> None:
    """Each by itself, port 0 too; workers that are started get them again; the rest of the file holds."""
    arguments = ["--host", "::1", "--port", "0", "--workers", "3", "--log-level", "error"]
    assert run("gateway", "--config", str(config), *arguments).exit_code == 0
    ((settings, _, options),) = started
    assert (settings.gateway.host, settings.gateway.port, settings.gateway.workers) == ("::1", 0, 3)
    assert settings.gateway.id == "mine"
    assert options == ["--log-level=error", "--host=::1", "--port=0", "--workers=3"]


@pytest.mark.parametrize("arguments", [["--port", "-1"], ["--port", "65536"], ["--workers", "0"], ["--workers", "x"]])
def test_options_have_the_bounds_of_the_file(config: Path, started: Started, arguments: list[str]) -> None:
    """They are not validated again, so they must be refused here."""
    assert run("gateway", "-c", str(config), *arguments).exit_code == 2
    assert started == []


def test_a_worker_takes_the_socket_that_it_was_given(config: Path, started: Started) -> None:
    """By its number, and it knows its name and who started it."""
    one, other = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    ports = [one.getsockname()[1], other.getsockname()[1]]
    given = ["--listener", str(one.detach()), "--control-listener", str(other.detach())]
    result = run("gateway", "-c", str(config), "--worker", "w1", *given, "--parent", "7")
    assert result.exit_code == 0
    assert started[0][2] == ("w1", ports, 7)


def test_the_openapi_document_needs_no_gateway(started: Started) -> None:
    """It is printed whole, as JSON, and nothing is started."""
    printed = run("gateway", "--openapi")
    assert printed.exit_code == 0
    document = json.loads(printed.output)
    assert document["openapi"].startswith("3.1")
    assert "/llms" in document["paths"]
    assert started == []


def test_hidden_options_are_not_shown() -> None:
    """They belong to the processes that the gateway starts."""
    shown = run("gateway", "--help").output
    assert "--workers" in shown
    assert "--listener" not in shown
    assert "--parent" not in shown


@pytest.mark.parametrize(
    "error",
    [
        PortTakenError("127.0.0.1:9000 is taken; set gateway.port"),
        PluginLoadError("limit", "there is no file", "correct `command`"),
        ControlDatabaseError("control.database_url: it is away"),
        SecretError("control.secret_key: is too short"),
        CommitFailedError("no segment can be begun"),
    ],
)
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_what_is_somebody_s_to_mend_is_one_line(
    config: Path, started: Started, monkeypatch: pytest.MonkeyPatch, error: Exception, depth: int
) -> None:
    """Status 2 and no traceback, also where task groups wrapped it and others failed with it."""
    raised: Exception = error
    for _ in range(depth):
        raised = ExceptionGroup("unhandled", [ValueError("beside it"), raised])

    def run_gateway(*_: Any) -> None:
        raise raised

    monkeypatch.setattr(workers_module, "run_gateway", run_gateway)
    result = run("gateway", "-c", str(config))
    assert (result.exit_code, result.output) == (2, f"{error}\n")


@pytest.mark.parametrize("error", [RuntimeError("ours"), ExceptionGroup("unhandled", [RuntimeError("ours")])])
def test_a_fault_of_ours_keeps_its_traceback(
    config: Path, started: Started, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """It is nobody's to mend but ours."""

    def run_gateway(*_: Any) -> None:
        raise error

    monkeypatch.setattr(workers_module, "run_gateway", run_gateway)
    assert run("gateway", "-c", str(config)).exception is error


def test_a_file_that_is_refused_starts_nothing(tmp_path: Path, started: Started) -> None:
    """Every problem is told."""
    path = tmp_path / "sluice.yaml"
    path.write_text("gateway: {prt: 1, workers: 0}\n")
    result = run("gateway", "-c", str(path))
    assert result.exit_code == 2
    assert "gateway.prt" in result.output
    assert "gateway.workers" in result.output
    assert started == []


def test_an_unknown_log_level_is_refused(config: Path, started: Started) -> None:
    """As every misuse: a line, and status 2."""
    assert run("gateway", "-c", str(config), "--log-level", "chatty").exit_code == 2


def test_a_token_is_shown_once_and_kept_as_its_hash() -> None:
    """What is printed for the file is an entry that the settings take; the token itself is not in it."""
    result = run("token", "--app", "7")
    assert result.exit_code == 0
    first, entry = result.output.split("\n", 1)
    token = first.removeprefix("token (shown once): ")
    assert re.fullmatch(r"slc_[A-Za-z0-9_-]{43}", token)
    assert token not in entry
    settings = Settings.model_validate({"apps": [{"id": 7, "name": "tests"}], **yaml.safe_load(entry)})
    (kept,) = settings.tokens
    assert (kept.app, kept.prefix) == (7, token[:8])
    assert kept.sha256 == hashlib.sha256(token.encode()).hexdigest()


def test_a_token_for_scripts() -> None:
    """One JSON object with the same parts, the hash being the token's."""
    made = json.loads(run("token", "--app", "7", "--json").output)
    assert made["sha256"] == hashlib.sha256(made["token"].encode()).hexdigest()
    assert (made["app"], made["prefix"]) == (7, made["token"][:8])


def test_no_two_tokens_are_alike() -> None:
    """256 random bits."""
    assert len({run("token").output for _ in range(20)}) == 20


@pytest.mark.parametrize("app", ["0", "-1"])
def test_a_token_is_for_an_app_that_can_be(app: str) -> None:
    """An id that no settings file takes is refused here."""
    assert run("token", "--app", app).exit_code == 2
