"""``sluice mock-vendor`` and ``sluice dev servers``."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import typer
from typer.testing import CliRunner, Result

from sluice.dev.command import register_dev
from sluice.dev.real import RealServers
from sluice.dev.servers import MissingPrerequisitesError
from sluice.dev.vendor import read_served


def invoke(*arguments: str) -> Result:
    """One run of the command, in this process."""
    app = typer.Typer()
    register_dev(app)
    return CliRunner().invoke(app, arguments)


def test_the_vendor_serves_logs_and_ends_when_asked(tmp_path: Path) -> None:
    """The real command: defaults from ``--set``, a line in ``--log`` for each request, status 0 at SIGTERM."""
    log = tmp_path / "served.jsonl"
    command = [sys.executable, "-m", "sluice", "mock-vendor", "--port", "0", "--log", str(log), "--set", "chunks=2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = re.findall(r"http://\S+/v1", process.stdout.readline())[0]
        answer = httpx.post(f"{url}/chat/completions", json={"model": "m", "messages": []})
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert answer.json()["choices"][0]["message"]["content"] == "The mock"
    assert [served.complete for served in read_served(log)] == [True]


@pytest.mark.parametrize(("value", "message"), [("chunk=2", "did you mean 'chunks'"), ("chunks", "key=value")])
def test_a_default_that_cannot_be_followed_is_refused(value: str, message: str) -> None:
    """Before a port opens."""
    result = invoke("mock-vendor", "--set", value)
    assert result.exit_code == 1
    assert message in result.output


def test_a_taken_port_is_named_with_its_remedy() -> None:
    """In a line."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = invoke("mock-vendor", "--port", str(taken.getsockname()[1]))
    assert result.exit_code == 1
    assert "name another with --port" in result.output


def test_missing_java_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install, and status 1."""

    def start(*_: object) -> None:
        raise MissingPrerequisitesError(["no `java` on the PATH: install Java"])

    monkeypatch.setattr(RealServers, "start", start)
    result = invoke("dev", "servers")
    assert result.exit_code == 1
    assert "install Java" in result.output
