"""``sluice dashboards``: what is listed, written and installed, and the status of each ending."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from sluice import cli
from sluice.command_line.dashboards import complete_names
from sluice.eventstore.dashboards.definitions import DASHBOARDS, load_dashboard, load_dashboards
from sluice.eventstore.exports.grafana import grafana_dashboard, grafana_json
from sluice.eventstore.exports.kibana import ndjson, saved_objects
from tests.sluice.eventstore.exports.scripted import Reply, Request, answered, serving

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of whoever runs the tests."""
    for program in ("KIBANA", "GRAFANA"):
        monkeypatch.delenv(f"SLUICE_{program}_CREDENTIAL", raising=False)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of ``sluice dashboards`` with these arguments."""
    monkeypatch.setattr(sys, "argv", ["sluice", "dashboards", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    code = ended.value.code
    return code if isinstance(code, int) else 0


def test_all_dashboards_are_listed(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Those of events and, by its file, the one of metrics; the same as JSON."""
    assert run(monkeypatch, "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [*DASHBOARDS, "metrics"]
    assert run(monkeypatch, "list", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["reads"] for row in rows] == ["elasticsearch"] * len(DASHBOARDS) + ["prometheus"]
    root = Path(__file__).parents[3]
    assert (root / "deploy" / "grafana" / "sluice.json").is_file()


def test_a_dashboard_is_shown_with_what_is_left_out(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Each panel by what it answers, and its notes."""
    assert run(monkeypatch, "show", "plugins") == 0
    shown = capsys.readouterr().out
    assert all(panel.answers in shown for panel in load_dashboard("plugins").panels)
    assert "Exchanges are counted, not calls" in shown
    assert run(monkeypatch, "show", "plugins", "--json") == 0
    row = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in row["panels"]] == [panel.name for panel in load_dashboard("plugins").panels]


def test_what_is_written_is_the_export(monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path) -> None:
    """To standard output, to a file, and several of Grafana's to a folder."""
    assert run(monkeypatch, "export", "--format", "kibana") == 0
    assert capsys.readouterr().out == ndjson(saved_objects(load_dashboards()))
    assert run(monkeypatch, "export", "-f", "kibana", "-o", str(tmp_path / "k.ndjson"), "spend") == 0
    assert (tmp_path / "k.ndjson").read_text() == ndjson(saved_objects([load_dashboard("spend")]))
    one = grafana_json(grafana_dashboard(load_dashboard("spend")))
    assert run(monkeypatch, "export", "-f", "grafana", "-o", str(tmp_path / "g.json"), "spend") == 0
    assert (tmp_path / "g.json").read_text() == one
    assert run(monkeypatch, "export", "-f", "grafana", "-o", str(tmp_path / "made" / "g")) == 0
    written = {path.name: path.read_text() for path in (tmp_path / "made" / "g").iterdir()}
    assert set(written) == {f"sluice-{name}.json" for name in DASHBOARDS}
    assert written["sluice-spend.json"] == one
    capsys.readouterr()
    assert run(monkeypatch, "export", "-f", "grafana") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["uid"] for line in lines] == [f"sluice-{name}" for name in DASHBOARDS]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["export", "--format", "kibana", "spent"], 2, "'spent' is no dashboard; there are overview"),
        (["export", "--format", "kibana", "metrics"], 2, "deploy/grafana/sluice.json"),
        (["export", "--format", "splunk"], 2, "splunk"),
        (["export", "--format", "kibana", "--output", "/nowhere/file"], 1, "cannot be written"),
        (["show", "spent"], 2, "is no dashboard"),
        (["install"], 2, "--kibana-url URL or --grafana-url URL"),
        (["install", "--grafana-url", "http://g", "--datasource", "analytic=x"], 2, "write KIND=UID"),
        (["install", "--grafana-url", "http://g", "--datasource", "analytics="], 2, "write KIND=UID"),
        (["install", "--kibana-url", "http://k", "--kibana-credential-file", "/nowhere"], 2, "cannot be read"),
        (["install", "--kibana-url", "nothing"], 1, "is no address"),
    ],
)
def test_what_there_is_not_ends_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, arguments: list[str], code: int, said: str
) -> None:
    """2 for what there is not, 1 for what failed; said on standard error alone."""
    assert run(monkeypatch, *arguments) == code
    output = capsys.readouterr()
    assert said in output.err
    assert output.out == ""


def works(request: Request) -> Reply:
    """Both programs in one."""
    return answered({"success": True, "successCount": 7, "status": "success"}, 200 if request.body else 404)


def test_both_can_be_installed_at_once(monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path) -> None:
    """Each with a credential of its own, from the environment or a file, which is never printed."""
    (tmp_path / "token").write_text("glsa_file\n")
    monkeypatch.setenv("SLUICE_KIBANA_CREDENTIAL", "key_env")
    with serving(works) as server:
        urls = ["--kibana-url", server.url, "--grafana-url", server.url, "--datasource", "analytics=a"]
        file = ["--grafana-credential-file", str(tmp_path / "token")]
        assert run(monkeypatch, "install", *urls, *file, "--overwrite", "spend") == 0
        output = capsys.readouterr()
    sent = [request.headers["authorization"] for request in server.requests]
    assert sent == ["ApiKey key_env", "Bearer glsa_file"]
    assert server.requests[0].path.endswith("?overwrite=true")
    assert output.out.splitlines() == [
        f"kibana: saved objects installed at {server.url}: 7", f"grafana: dashboards installed at {server.url}: 1",
    ]  # fmt: skip
    assert "key_env" not in output.out + output.err
    assert "glsa_file" not in output.out + output.err


def test_one_that_fails_does_not_keep_the_other(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """The status is 1, and --json tells which and why."""

    def kibana_refuses(request: Request) -> Reply:
        return Reply(403) if "saved_objects" in request.path else works(request)

    with serving(kibana_refuses) as server:
        urls = ["--kibana-url", server.url, "--grafana-url", server.url, "--datasource", "analytics=a"]
        assert run(monkeypatch, "install", *urls, "--json", "spend") == 1
    results: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    assert [(each["program"], each["installed"], bool(each["problem"])) for each in results] == [
        ("kibana", 0, True), ("grafana", 1, False),
    ]  # fmt: skip
    assert "privilege" in results[0]["problem"]


def test_names_complete() -> None:
    """The shell offers dashboards."""
    assert complete_names("m") == ["models"]
    assert complete_names("x") == []
