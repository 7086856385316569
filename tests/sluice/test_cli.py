"""The command itself: what each ends with, and what scripts can read of it."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import typer

from sluice import cli
from sluice.command_line.findings import Finding, Fix, Installation
from sluice.commands import Commands

VALID = '{"llms": [{"id": 1, "slug": "demo", "base_url": "http://127.0.0.1:9/v1"}]}'


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of ``sluice`` with these arguments."""
    monkeypatch.setattr(sys, "argv", ["sluice", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    code = ended.value.code
    return code if isinstance(code, int) else 0


def test_a_doctor_without_anything_to_look_at_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Silence and status 0 would read as health."""
    monkeypatch.setattr(cli, "load_commands", Commands)
    assert run(monkeypatch, "doctor") == 2
    assert "pip install" in capsys.readouterr().err


def with_check(monkeypatch: pytest.MonkeyPatch, **findings: list[Finding]) -> list[Path]:
    """Let ``doctor`` find this; returns the paths that its checks were given."""
    asked: list[Path] = []

    def checked(name: str) -> Any:
        def check(installation: Installation) -> Iterator[Finding]:
            asked.append(installation.config)
            yield from findings[name]

        return check

    def load(app: typer.Typer) -> Commands:
        commands = Commands(app)
        for name in findings:
            commands.add_check(name, checked(name))
        return commands

    monkeypatch.setattr(cli, "load_commands", load)
    return asked


def test_help_names_every_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One screen that starts anywhere."""
    assert run(monkeypatch, "--help") == 0
    shown = capsys.readouterr().out
    names = ("up", "validate", "doctor", "version", "gateway", "token", "collect", "mock-vendor", "dev")
    assert [name for name in names if f"  {name} " not in shown] == []


def test_version_is_the_installed_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The distribution's own, nothing else."""
    assert run(monkeypatch, "version") == 0
    assert capsys.readouterr().out == version("sluice-gateway") + "\n"
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == version("sluice-gateway") + "\n"


def test_an_unknown_command_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, as every misuse."""
    assert run(monkeypatch, "validte") == 2
    said = capsys.readouterr().err
    assert "validte" in said
    assert "Did you mean 'validate'" in said


def test_an_unknown_option_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, and the nearest that there is."""
    assert run(monkeypatch, "doctor", "--cnfig", "x") == 2
    assert "--config" in capsys.readouterr().err


@pytest.mark.parametrize("as_json", [False, True])
def test_validate_tells_each_file_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    """Every problem of every file, the valid ones said to be valid, and status 1 where any is refused."""
    good, bad, none = tmp_path / "good.yaml", tmp_path / "bad.yaml", tmp_path / "none.yaml"
    good.write_text(VALID)
    bad.write_text('{"gateway": {"prt": 1, "workers": 0}}')
    assert run(monkeypatch, "validate", *(["--json"] if as_json else []), str(bad), str(good), str(none)) == 1
    said = capsys.readouterr()
    if as_json:
        bad_result, good_result, none_result = json.loads(said.out)
        assert good_result == {"file": str(good), "kind": "gateway", "problems": []}
        assert len(bad_result["problems"]) == 2
        assert "cannot be read" in none_result["problems"][0]
        return
    assert said.out == f"{good}: valid (gateway)\n"
    lines = said.err.splitlines()
    assert f"{bad}: gateway.prt: unknown key; did you mean port?" in lines
    assert any(line.startswith(f"{bad}: gateway.workers:") for line in lines)
    assert any(line.startswith(f"{none}: ") for line in lines)


def test_validate_knows_which_kind_of_file_it_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A collectors' file is held to the collectors' tree; status 0 where all are valid."""
    collectors, gateway = tmp_path / "a.yaml", tmp_path / "b.yaml"
    collectors.write_text("data_collection_plugins: []\n")
    gateway.write_text("{}")
    assert run(monkeypatch, "validate", "--json", str(collectors), str(gateway)) == 0
    kinds = [result["kind"] for result in json.loads(capsys.readouterr().out)]
    assert kinds == ["collectors", "gateway"]


@pytest.mark.parametrize("as_json", [False, True])
def test_validate_notes_what_is_not_the_recommended_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    """Beside the verdict, which stays valid: status 0."""
    path = tmp_path / "c.yaml"
    (tmp_path / "p.py").touch()
    entries = "[{name: a, path: p.py, service: s}, {name: b, path: p.py, service: s}]"
    path.write_text(f"data_collection_plugins: {entries}\n")
    assert run(monkeypatch, "validate", *(["--json"] if as_json else []), str(path)) == 0
    said = capsys.readouterr().out
    if as_json:
        [result] = json.loads(said)
        assert (result["problems"], len(result["notes"])) == ([], 1)
        said = f"{path}: note: {result['notes'][0]}"
    assert f"{path}: note: service 's' has several collectors (a, b)" in said


@pytest.mark.parametrize("text", ["- a list", "a: [", "\x00", "{}\x07", "name: a\nname: b"])
def test_validate_survives_garbage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """What is no settings file is a problem with the file's name, never a traceback."""
    path = tmp_path / "sluice.yaml"
    path.write_text(text)
    assert run(monkeypatch, "validate", str(path)) == 1
    assert all(line.startswith(f"{path}: ") for line in capsys.readouterr().err.splitlines())


@pytest.mark.parametrize(("is_well", "code"), [(True, 0), (False, 1)])
def test_doctor_ends_as_things_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_well: bool, code: int
) -> None:
    """One bad finding among good ones is status 1; the remedy stands below what it mends; the config is passed on."""
    findings = [Finding(True, "port [bold] is free"), Finding(is_well, "kafka [red] answers", "start it")]
    asked = with_check(monkeypatch, gateway=findings, other=[Finding(True, "fine")])
    assert run(monkeypatch, "doctor", "-c", "somewhere.yaml") == code
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    mark = "ok  " if is_well else "BAD "
    assert lines[:4] == [
        "gateway", "  ok   port [bold] is free", f"  {mark} kafka [red] answers", "       → start it",
    ]  # fmt: skip
    assert asked == [Path("somewhere.yaml")] * 2


def test_doctor_tells_scripts_in_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One array, an object for each finding, with its area, why it matters, what to do and what could be done."""
    fix = Fix("mend it", lambda: "mended")
    with_check(monkeypatch, gateway=[Finding(False, "what", "remedy", "why", fix)], other=[Finding(True, "fine")])
    assert run(monkeypatch, "doctor", "--json") == 1
    assert json.loads(capsys.readouterr().out) == [
        {"area": "gateway", "ok": False, "what": "what", "why": "why", "remedy": "remedy", "fix": "mend it"},
        {"area": "other", "ok": True, "what": "fine", "why": "", "remedy": "", "fix": None},
    ]


@pytest.mark.parametrize(("answer", "is_mended"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_doctor_asks_before_it_mends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str, is_mended: bool
) -> None:
    """Only a clear yes is one; what it did is said, and the end is by what is so afterwards, looked at anew."""
    state = [False]

    def check(_: Installation) -> Iterator[Finding]:
        yield Finding(state[0], "the folder", fix=None if state[0] else Fix("make it", make))

    def make() -> str:
        state[0] = True
        return "made"

    def load(app: typer.Typer) -> Commands:
        commands = Commands(app)
        commands.add_check("gateway", check)
        return commands

    monkeypatch.setattr(cli, "load_commands", load)
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    assert run(monkeypatch, "doctor", "--fix") == (0 if is_mended else 1)
    assert state == [is_mended]
    assert ("done     make it: made" if is_mended else "declined make it") in capsys.readouterr().out


def test_doctor_asks_nobody_in_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A question would be in the middle of the document: without --yes that is refused, and nothing is mended."""
    touched: list[str] = []

    def mend() -> str:
        touched.append("x")
        return ""

    with_check(monkeypatch, gateway=[Finding(False, "x", fix=Fix("mend", mend))])
    assert run(monkeypatch, "doctor", "--json", "--fix") == 2
    assert "--yes" in capsys.readouterr().err
    assert touched == []
    assert run(monkeypatch, "doctor", "--json", "--fix", "--yes") == 1  # the finding is as bad when looked at anew
    [row] = json.loads(capsys.readouterr().out)
    assert row["repair"] == {"state": "done", "said": ""}
    assert touched == ["x"]


def serve(server: HTTPServer, requests: int) -> None:
    """So many, and no more."""
    for _ in range(requests):
        server.handle_request()


def test_validate_asks_a_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its address, with the token of the environment; what it serves is held to the same as a file."""
    asked: list[tuple[str, str | None]] = []
    answers = [b"data_collection_plugins: [{name: a, path: 'sink://database'}]", b'{"data_collection_plugin": []}']

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers["authorization"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answers[len(asked) - 1])

        def log_message(self, *_: object) -> None:
            """Nothing."""

    monkeypatch.setenv("PLUGINS_CONFIG_SERVICE_TOKEN", "hush")
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=serve, args=(server, len(answers)))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        assert run(monkeypatch, "validate", url) == 0
        assert f"{url}: valid (collectors)" in capsys.readouterr().out
        assert run(monkeypatch, "validate", "--json", url) == 1
        thread.join()
    [result] = json.loads(capsys.readouterr().out)
    assert result == {
        "file": url, "problems": ["data_collection_plugin: unknown key; did you mean data_collection_plugins?"],
    }  # fmt: skip
    assert asked == [("/plugins/data-collection", "Bearer hush")] * 2


def test_validate_says_that_a_service_is_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As of a file that is not there: status 1, and where it was looked for."""
    assert run(monkeypatch, "validate", "http://127.0.0.1:9") == 1
    assert "http://127.0.0.1:9: cannot be reached" in capsys.readouterr().err


def test_validate_says_what_this_host_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files that are named and not there are problems; secrets in clear are notes."""
    path = tmp_path / "c.yaml"
    entry = "{name: w, path: 'sink://webhook', config: {url: 'https://h', ca_file: /no.pem, bearer_token: clear}}"
    path.write_text(f"data_collection_plugins: [{entry}]\n")
    assert run(monkeypatch, "validate", "--json", str(path)) == 1
    [result] = json.loads(capsys.readouterr().out)
    assert result["problems"] == ["w: config.ca_file: there is no file /no.pem; name an existing one"]
    assert result["notes"] == [
        "data_collection_plugins[0].config.bearer_token: a secret stands in clear; write ${VARIABLE} or ${file:/path}"
    ]
