"""The doctor: says what is wrong and what to do, and survives whatever it meets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from gateway import doctor as doctor_module
from gateway.control.opening import prepare
from gateway.doctor import check_gateway
from gateway.settings import Settings
from schemas.topics import Topics
from sluice.command_line.findings import Finding
from sluice.dev.servers.ports import free_port
from sluice.eventlog.interface import Record
from sluice.eventlog.places import collector_journal, gateway_journal
from tests.gateway.payloads.making import queue_in
from tests.sluice.eventlog.journal.making import begun, exchange


@contextlib.contextmanager
def answering(status: int, body: bytes = b"{}") -> Iterator[int]:
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


@contextlib.contextmanager
def listening(greeting: bytes = b"") -> Iterator[int]:
    """Something that accepts one connection, says this and closes; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65_536)
                    connection.sendall(greeting)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def findings(folder: Path, **sections: Any) -> list[Finding]:
    """What is found with these settings; nothing listens on the gateway's port unless a test says so."""
    tree = {"data_dir": str(folder / "data"), "gateway": {"port": free_port()}, **sections}
    config = folder / "sluice.yaml"
    config.write_text(json.dumps(tree))
    return list(check_gateway(config))


def found(about: str, each: list[Finding]) -> Finding:
    """The one that is about this."""
    (finding,) = [finding for finding in each if about in finding.what]
    return finding


def llm(base_url: str) -> dict[str, Any]:
    """A section with one LLM."""
    return {"llms": [{"id": 1, "slug": "demo", "base_url": base_url}]}


def test_a_fresh_installation_is_well(tmp_path: Path) -> None:
    """Nothing runs, nothing is there yet: all of it is as it should be, and says so."""
    each = findings(tmp_path)
    assert [finding.ok for finding in each] == [True] * 5
    assert "is made at the first start" in found("control database", each).what
    assert found("is valid", each).what.endswith("is valid: 0 LLMs, 0 apps")
    assert "can be written" in found("data_dir", each).what
    assert found("nothing listens", each).what.endswith("sluice gateway can")
    assert "the journals are the event log" in found("kafka", each).what
    assert [finding.remedy for finding in each] == [""] * 5


def test_the_control_database_is_read(tmp_path: Path) -> None:
    """One that a start made is; one that is no database, or is not reached, is named with its setting."""
    asyncio.run(prepare(Settings.model_validate({"data_dir": tmp_path / "data"})))
    assert found("control database", findings(tmp_path)).ok
    (tmp_path / "data" / "control.db").write_bytes(b"nothing of the kind" * 100)
    assert not found("control database", findings(tmp_path)).ok
    away = {"control": {"database_url": "postgresql+asyncpg://u:secret@127.0.0.1:1/none"}}
    finding = found("127.0.0.1:1", findings(tmp_path, **away))
    assert (finding.ok, finding.remedy) == (False, "see control.database_url in sluice.yaml")
    assert "secret" not in finding.what


@pytest.mark.parametrize("text", [None, "- a", "gateway: {prt: 1}"])
def test_settings_that_are_refused_are_the_only_finding(tmp_path: Path, text: str | None) -> None:
    """Everything else stands on them."""
    config = tmp_path / "sluice.yaml"
    if text is not None:
        config.write_text(text)
    (finding,) = check_gateway(config)
    assert not finding.ok
    assert str(config) in finding.what
    assert "sluice validate" in finding.remedy


def test_a_data_folder_that_is_a_file_cannot_be_written(tmp_path: Path) -> None:
    """Nor can what would lie below one."""
    (tmp_path / "data").write_text("no folder")
    finding = found("data_dir", findings(tmp_path))
    assert (finding.ok, finding.remedy != "") == (False, True)


@pytest.mark.parametrize(
    ("status", "body", "ok", "said"),
    [
        (200, b"{}", True, "is ready"),
        (503, b'{"problems": ["no room"]}', False, "see its problems above"),
        (404, b"nginx", False, "this is no gateway"),
        (503, b"\xff\xfe" * 5_000, False, "this is no gateway"),
    ],
)
def test_what_answers_on_the_port_is_looked_at(tmp_path: Path, status: int, body: bytes, ok: bool, said: str) -> None:
    """A gateway that is ready, one that says why it is not, or something else."""
    with answering(status, body) as port:
        finding = found(f"127.0.0.1:{port}", findings(tmp_path, gateway={"port": port}))
    assert finding.ok is ok
    assert said in f"{finding.what} {finding.remedy}"
    assert len(finding.what) < 500


@pytest.mark.parametrize(
    "greeting", [b"", b"SSH-2.0-OpenSSH\r\n", b"\x00\x01garbage\r\n\r\n", b"HTTP/1.1 abc x\r\n\r\n"]
)
def test_what_is_no_http_does_not_answer_as_a_gateway(tmp_path: Path, greeting: bytes) -> None:
    """Whatever it says instead, it is one finding with a remedy."""
    with listening(greeting) as port:
        finding = found(f"127.0.0.1:{port}", findings(tmp_path, gateway={"port": port}))
    assert not finding.ok
    assert "does not answer as a gateway" in finding.what
    assert finding.remedy == "set gateway.port"


def test_a_host_that_does_not_exist_is_a_finding(tmp_path: Path) -> None:
    """Reserved for it: RFC 2606."""
    finding = found("sluice.invalid", findings(tmp_path, gateway={"host": "sluice.invalid", "port": 1}))
    assert not finding.ok


def test_a_vendor_is_reached_or_named(tmp_path: Path) -> None:
    """With its host and port; the remedy names the key."""
    with listening() as port:
        assert found("LLM demo", findings(tmp_path, **llm(f"http://127.0.0.1:{port}/v1"))).ok
    finding = found("LLM demo", findings(tmp_path, **llm(f"http://127.0.0.1:{free_port()}/v1")))
    assert not finding.ok
    assert finding.remedy == "correct llms.demo.base_url, or the network"


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:99999/v1", f"http://{'a' * 70}.test/v1"])
def test_an_address_that_cannot_be_one_is_a_finding(tmp_path: Path, base_url: str) -> None:
    """A port that is none, a name that is too long."""
    assert [finding for finding in findings(tmp_path, **llm(base_url)) if not finding.ok]


async def test_payloads_that_wait_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where plugins send any; a queue that fills up is a problem before it refuses."""
    assert not [one for one in findings(tmp_path) if "wait to be delivered" in one.what]
    queue = queue_in(tmp_path / "data")
    topic = Topics().edge_payload.name
    for _ in range(3):
        await queue.append(7, Record(topic, b"7", b"x" * 1000))
    finding = found("payloads: 3 wait", findings(tmp_path))
    assert finding.ok
    monkeypatch.setattr(doctor_module, "QUEUE_BYTES", 3000)
    finding = found("payloads: 3 wait", findings(tmp_path))
    assert (finding.ok, "receivers" in finding.remedy) == (False, True)
    await queue.close()


def test_how_long_a_journal_lasts_is_said_in_a_unit_that_people_count() -> None:
    """Minutes as long as somebody has to hurry, else days."""
    assert [doctor_module._span(minutes) for minutes in (0.4, 2879.0, 183_777.0)] == [
        "0 minutes", "2,879 minutes", "128 days",
    ]  # fmt: skip


async def test_journals_are_told_with_who_holds_them(tmp_path: Path) -> None:
    """One that nobody holds will be adopted; one that is held has its room; those of collectors are theirs."""
    data = tmp_path / "data"
    orphan = begun(gateway_journal(data, "old", "w0"))
    await orphan.close()
    theirs = begun(collector_journal(data, "logs"))
    held = begun(gateway_journal(data, "gateway-1", "w0"))
    held.write_now(exchange())
    each = findings(tmp_path)
    assert found("journal old/w0", each).what.endswith("the next gateway on this data_dir adopts it")
    assert found("journal old/w0", each).ok
    finding = found("journal gateway-1/w0", each)
    assert finding.ok
    assert "minutes at the present rate" in finding.what
    assert not [one for one in each if "collectors" in one.what]
    await held.close()
    await theirs.close()


async def test_a_journal_that_is_nearly_full_is_bad(tmp_path: Path) -> None:
    """With four fifths used something is not relayed; all that lies beside the segments is used too."""
    held = begun(gateway_journal(tmp_path / "data", "gateway-1", "w0"), max_bytes=8 << 20)
    held.write_now(exchange())
    (held.directory / "beside").write_bytes(b"\x00" * (64 << 10))
    size = held.room.bound_bytes - held.room.left_bytes + (64 << 10)
    for factor, ok in ((6, True), (1.2, False), (0.5, False)):
        settings = {"journal": {"max_bytes": int(size * factor)}}
        finding = found("journal gateway-1/w0", findings(tmp_path, **settings))
        assert finding.ok is ok
        assert bool(finding.remedy) is not ok
    await held.close()


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x00" * 100_000])
async def test_a_segment_that_cannot_be_read_breaks_no_doctor(tmp_path: Path, content: bytes) -> None:
    """It says the size and no rate."""
    held = begun(gateway_journal(tmp_path / "data", "gateway-1", "w0"))
    for path in held.directory.glob("*.seg"):
        path.write_bytes(content)
    finding = found("journal gateway-1/w0", findings(tmp_path))
    assert finding.ok
    assert "minutes" not in finding.what
    await held.close()


@pytest.mark.parametrize(
    ("problems", "oks"), [([], [True]), (["no broker answers", "topic is missing"], [False, False])]
)
def test_kafka_s_problems_are_findings_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problems: list[str], oks: list[bool]
) -> None:
    """Asked with the namespace and the partitions of the settings."""
    asked: list[Any] = []

    async def find_problems(settings: Any, topics: Any) -> list[str]:
        asked.append((topics.namespace, topics.partitions))
        return problems

    monkeypatch.setattr(doctor_module, "find_problems", find_problems)
    kafka = {"bootstrap_servers": "broker:9092", "namespace": "mine", "partitions": 3}
    each = findings(tmp_path, kafka=kafka)[4:]
    assert [finding.ok for finding in each] == oks
    assert asked == [("mine", 3)]
    if problems:
        assert [finding.what for finding in each] == problems


def test_a_missing_data_folder_can_be_made(tmp_path: Path) -> None:
    """For its owner alone, whatever the umask; afterwards there is nothing to mend."""
    fix = found("data_dir", findings(tmp_path)).fix
    assert fix is not None
    assert str(tmp_path / "data") in fix.what
    assert fix.apply() == "made"
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert found("data_dir", findings(tmp_path)).fix is None


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o666])
def test_an_admin_token_that_others_can_read_is_bad_and_can_be_mended(tmp_path: Path, mode: int) -> None:
    """Whoever has it manages the gateway: the mode is named, why it matters is said, and only the mode is changed."""
    asyncio.run(prepare(Settings.model_validate({"data_dir": tmp_path / "data"})))
    token = tmp_path / "data" / "admin.token"
    before = token.read_bytes()
    assert found("admin.token", findings(tmp_path)).ok
    token.chmod(mode)
    finding = found("admin.token", findings(tmp_path))
    assert not finding.ok
    assert f"{mode:04o}" in finding.what
    assert finding.why
    assert finding.remedy == f"chmod 600 {token}"
    assert finding.fix is not None
    finding.fix.apply()
    assert (token.stat().st_mode & 0o777, token.read_bytes()) == (0o600, before)
    assert found("admin.token", findings(tmp_path)).ok


@pytest.mark.parametrize(("mode", "ok"), [(0o600, True), (0o440, True), (0o400, True), (0o644, False), (0o660, False)])
def test_a_key_file_may_be_read_by_its_group(tmp_path: Path, mode: int, ok: bool) -> None:
    """As the gateway itself takes it: a mounted secret has no other way."""
    key = tmp_path / "my.key"
    key.write_text("")
    key.chmod(mode)
    finding = found("my.key", findings(tmp_path, control={"secret_key_file": str(key)}))
    assert finding.ok is ok
    assert (finding.fix is None) is ok


def test_a_missing_topic_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing, and nothing else: of other problems there is no fix that is safe."""
    made: list[Topics] = []

    async def problems(*_: Any) -> list[str]:
        return ["topic sluice.analytics.v1 is missing: the next gateway makes it", "topic x has 3 partitions, not 12"]

    async def ensure(_: Any, topics: Topics) -> None:
        made.append(topics)

    monkeypatch.setattr(doctor_module, "find_problems", problems)
    monkeypatch.setattr(doctor_module, "ensure_topics", ensure)
    each = findings(tmp_path, kafka={"bootstrap_servers": "127.0.0.1:1"})
    missing, differs = found("is missing", each), found("3 partitions", each)
    assert differs.fix is None
    assert missing.fix is not None
    assert (missing.fix.apply(), len(made)) == ("made", 1)


def test_what_is_wrong_says_why_it_matters(tmp_path: Path) -> None:
    """Nobody mends what seems not to matter."""
    each = findings(tmp_path, **llm("http://127.0.0.1:1/v1"))
    assert [finding.what for finding in each if not finding.ok and not finding.why] == []
    assert any(not finding.ok for finding in each)
