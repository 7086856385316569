"""What the doctor says of collectors: their file, their server, and the sections of services."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from collectors.doctor import check_collectors
from sluice.command_line.findings import Finding, Installation
from sluice.dev.servers.ports import free_port

UNREADY = {
    "services": {
        "search": {"ready": False, "causes": {"sink": "elasticsearch does not answer"}},
        "db": {"ready": True, "causes": {}},
    }
}


@contextmanager
def answering(status: int, body: bytes) -> Iterator[int]:
    """A server that answers everything the same; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def findings(folder: Path, **sections: Any) -> list[Finding]:
    """What is found with these settings; nothing listens on the port unless a test says so."""
    tree = {"data_collection_plugins": [], "server": {"port": free_port()}, **sections}
    (folder / "collectors.yaml").write_text(json.dumps(tree))
    (folder / "sluice.yaml").write_text(json.dumps({"data_dir": str(folder / "data")}))
    return list(check_collectors(Installation(folder / "sluice.yaml", folder / "collectors.yaml")))


def found(about: str, each: list[Finding]) -> Finding:
    """The one that is about this."""
    (finding,) = [finding for finding in each if about in finding.what]
    return finding


def test_without_a_file_nothing_is_wrong(tmp_path: Path) -> None:
    """A host may have a gateway alone."""
    [finding] = check_collectors(Installation(tmp_path / "sluice.yaml", tmp_path / "collectors.yaml"))
    assert finding.ok


def test_a_file_that_is_refused_is_the_only_finding(tmp_path: Path) -> None:
    """With every problem, why it matters and what to do."""
    [finding] = findings(tmp_path, data_collection_plugin=[])
    assert not finding.ok
    assert "data_collection_plugin: unknown key" in finding.what
    assert finding.why
    assert finding.remedy


def test_a_file_with_nothing_running_is_well(tmp_path: Path) -> None:
    """As before the first start."""
    each = findings(tmp_path)
    assert [finding.ok for finding in each] == [True, True]
    assert "nothing listens" in each[1].what


@pytest.mark.parametrize(
    ("status", "body", "ok", "said"),
    [
        (200, b"{}", True, "are ready"),
        (503, json.dumps(UNREADY).encode(), False, "search (sink: elasticsearch does not answer)"),
        (503, b"<html>proxy</html>", False, "<html>proxy</html>"),
        (503, b"[" * 60_000, False, "[[["),
        (404, b'{"services": 7}', False, "404"),
        (503, b'{"services": {"a": 7}}', False, "503"),
        (500, b"\xff\x00", False, "500"),
    ],
)
def test_the_health_server_is_asked(tmp_path: Path, status: int, body: bytes, ok: bool, said: str) -> None:
    """Ready, or which service is not and why; whatever answers, the doctor goes on."""
    with answering(status, body) as port:
        each = findings(tmp_path, server={"port": port})
    finding = found(f":{port}", each)
    assert finding.ok is ok
    assert said in finding.what
    assert (finding.why != "") is not ok


def test_budget_truth_without_a_ledger_is_bad(tmp_path: Path) -> None:
    """It counts, and compares with nothing: that is said, with the keys to set."""
    *_, finding = findings(tmp_path, budget_truth={})
    assert not finding.ok
    assert "control.url" in finding.remedy
    control = {"url": "http://127.0.0.1:1", "token": "x"}
    *_, finding = findings(tmp_path, budget_truth={}, control=control)
    assert (finding.ok, "the ledger" in finding.what) == (True, True)


def test_reconcile_that_never_runs_is_said(tmp_path: Path) -> None:
    """It is allowed, so nothing is wrong; but what follows of it is said."""
    *_, finding = findings(tmp_path, reconcile={})
    assert finding.ok
    assert finding.why
    *_, finding = findings(tmp_path, reconcile={"every": "10m"})
    assert finding.what == "reconcile compares every 600 s"


def test_an_archive_s_folder_can_be_made(tmp_path: Path) -> None:
    """Relative to the file, for its owner alone; afterwards there is nothing to mend."""
    fix = found("archive.folder", findings(tmp_path, archive={"folder": "deep/archive"})).fix
    assert fix is not None
    fix.apply()
    assert (tmp_path / "deep" / "archive").stat().st_mode & 0o777 == 0o700
    assert found("archive.folder", findings(tmp_path, archive={"folder": "deep/archive"})).fix is None


def test_an_archive_s_folder_that_is_a_file_is_bad(tmp_path: Path) -> None:
    """Nothing can be put there, and no fix is safe."""
    (tmp_path / "taken").touch()
    finding = found("archive.folder", findings(tmp_path, archive={"folder": "taken"}))
    assert (finding.ok, finding.fix) == (False, None)
    assert finding.remedy
