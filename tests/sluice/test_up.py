"""``sluice up``: small real processes in the place of services first, then the real thing."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from sluice import up as up_module
from sluice.clock import utc_now
from sluice.dev.children import ChildError, ChildSpec
from sluice.dev.demo.state import DemoState, prepare
from sluice.dev.servers.ports import free_port
from sluice.up import Options, Up
from sluice.up_command import up
from tests.sluice.dev.standins import dying, has_ended, pid_of, standin, until


def options_in(folder: Path, *, once: bool = False, demo: DemoState | None = None) -> Options:
    """Two settings files that say nothing, and a state folder."""
    config, collectors = folder / "sluice.yaml", folder / "collectors.yaml"
    config.touch()
    collectors.touch()
    return Options(config, collectors, once=once, folder=folder, demo=demo)


def up_with(specs: list[ChildSpec], options: Options, monkeypatch: pytest.MonkeyPatch) -> tuple[Up, io.StringIO]:
    """A run with these children, and what it tells."""
    monkeypatch.setattr(up_module, "specs_of", lambda *_: specs)
    told = io.StringIO()
    return Up(options, Console(file=told, width=200)), told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_the_first_and_then_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """The gateway drains before its collectors are asked to end; a run that was told to end has not failed."""
    specs = [standin(tmp_path, "gateway", drain_seconds=0.3), standin(tmp_path, "collectors")]
    run, told = up_with(specs, options_in(tmp_path), monkeypatch)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(run.run())
        await until(lambda: "serving" in told.getvalue())
        os.kill(os.getpid(), number)
    assert running.result()
    assert (tmp_path / "ended").read_text() == "gateway\ncollectors\n"


async def test_a_second_signal_does_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is killed; what is not delivered is in the journal."""
    specs = [standin(tmp_path, "gateway", drain_seconds=600, stop_seconds=600)]
    run, told = up_with(specs, options_in(tmp_path), monkeypatch)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run.run())
        await until(lambda: "serving" in told.getvalue())
        os.kill(os.getpid(), signal.SIGINT)
        await until(lambda: "ending" in told.getvalue())
        os.kill(os.getpid(), signal.SIGINT)
    assert has_ended(pid_of(tmp_path, "gateway"))


async def test_what_dies_is_named_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything else goes on."""
    specs = [standin(tmp_path, "gateway"), standin(tmp_path, "collectors")]
    run, told = up_with(specs, options_in(tmp_path), monkeypatch)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run.run())
        await until(lambda: "serving" in told.getvalue())
        first = pid_of(tmp_path, "gateway")
        os.kill(first, signal.SIGKILL)
        await until(lambda: pid_of(tmp_path, "gateway") != first)
        os.kill(os.getpid(), signal.SIGINT)
    assert "the gateway ended, starting it again" in told.getvalue()


async def test_one_that_cannot_start_ends_the_run_and_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error has its last lines; nothing is left running."""
    run, _ = up_with([dying("gateway"), standin(tmp_path, "collectors")], options_in(tmp_path), monkeypatch)
    with pytest.raises(ChildError, match="no such setting"):
        await run.run()
    assert not run.is_running


def test_the_children_are_our_own_commands_on_the_ports_of_their_files(tmp_path: Path) -> None:
    """The gateway first, since it drains into the others; the vendor where the demo's LLM expects it."""
    state = prepare(tmp_path / "demo", real=False)
    state.config.write_text("gateway: {port: 1111}\nllms: [{slug: demo, base_url: 'http://127.0.0.1:2222/v1'}]\n")
    state.collectors.write_text("server: {port: 3333}\n")
    run = Up(Options(state.config, state.collectors, folder=tmp_path, demo=state), Console(file=io.StringIO()))
    specs = run.specs
    assert [(spec.name, spec.port) for spec in specs] == [("gateway", 1111), ("collectors", 3333), ("vendor", 2222)]
    assert specs[0].command == [sys.executable, "-P", "-m", "sluice", "gateway", "--config", str(state.config)]
    assert f"gateway.port in {state.config}" in specs[0].port_key
    assert sum(spec.stop_seconds for spec in specs[:2]) < 10


def test_a_port_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    """Port 0 is a free one, and this command could not find it."""
    options = options_in(tmp_path)
    options.config.write_text("gateway: {port: 0}\n")
    with pytest.raises(ChildError, match=r"gateway\.port in .* is 0"):
        Up(options, Console(file=io.StringIO()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--once"], "belong to --demo"), (["--real"], "belong to --demo"), ([], "try sluice up --demo")],
)
def test_what_cannot_be_done_is_said_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    """Without a traceback, and with status 1."""
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    app.command()(up)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert message in result.output


def on_free_ports(folder: Path) -> None:
    """The demo's files, edited: whatever else runs on this machine may have the usual ports."""
    state = prepare(folder / ".sluice" / "demo", real=False)
    for path in (state.config, state.collectors):
        text = path.read_text()
        for number in (8080, 9101, 9464):
            text = text.replace(f"port: {number}", f"port: {free_port()}").replace(f":{number}/", f":{free_port()}/")
        path.write_text(text)


def sluice(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """The real command, where its state may lie."""
    command = [sys.executable, "-m", "sluice", *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def with_six_hours_to_remember(folder: Path) -> None:
    """As if an earlier run had written all other history: this one has little to do."""
    until = (utc_now() - timedelta(hours=6)).strftime("%Y%m%dT%H%M")
    (folder / ".sluice" / "demo" / "data" / "journals" / "demo-history" / f"20260101T0000-{until}").mkdir(parents=True)


def remembered(folder: Path) -> int:
    """How many exchanges of the past are in the events database, each counted once."""
    with closing(sqlite3.connect(folder / ".sluice" / "demo" / "events.db")) as database:
        query = "SELECT count(DISTINCT exchange_id) FROM proxy_logs WHERE gateway_id = 'demo-history'"
        (count,) = database.execute(query).fetchone()
    return int(count)


def test_the_demo_shows_every_outcome_then_serves_and_does_it_again(tmp_path: Path) -> None:
    """The real thing: documents of all 24 exchanges, a ``curl`` line that works, an end by itself (whose
    parts have 10 s of their own); the second run
    has the same token, and ends by itself. The history that the first told of is there, once."""
    on_free_ports(tmp_path)
    with_six_hours_to_remember(tmp_path)
    with sluice(tmp_path, "up", "--demo", "--json") as first:
        assert first.stdout is not None
        shown = json.loads(first.stdout.readline())
        answer = subprocess.run(shlex.split(shown["curl"]), capture_output=True, text=True, check=True, timeout=60)
        first.send_signal(signal.SIGINT)
        started = time.monotonic()
        assert first.wait(60) == 0
        assert time.monotonic() - started < 30
        assert first.stderr is not None
        told = first.stderr.read()
        assert "serving" in told
    assert json.loads(answer.stdout)["choices"][0]["message"]["content"]
    assert {row["outcome"]: row["exchanges"] for row in shown["outcomes"]} == {
        "ok": 17,
        "auth_failed": 1,
        "blocked_post_auth": 1,
        "budget_exceeded": 1,
        "client_closed": 1,
        "rate_limited": 1,
        "upstream_error": 1,
        "upstream_unreachable": 1,
    }
    assert shown["documents"] == {"proxy_log": 24, "analytics": 23, "budget": 17}
    with sluice(tmp_path, "up", "--demo", "--once") as second:
        output, errors = second.communicate(timeout=60)
    assert second.returncode == 0, errors
    assert shown["token"] in output
    assert "blocked_post_auth" in output
    assert "history" not in output
    (count,) = re.findall(r"(\d+) exchanges of the past", told)
    assert remembered(tmp_path) == int(count)
