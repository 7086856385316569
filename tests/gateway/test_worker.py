"""One worker as a process: it serves, ends when it is told to, and leaves nothing that its next boot cannot close."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import yaml

from gateway.recording.inflight import FILE_NAME, InFlightFile
from sluice.dev.servers.ports import LOOPBACK, free_port
from sluice.dev.vendor import MockVendor
from sluice.eventlog.journal.lock import LOCK_FILE, is_held
from sluice.eventlog.journal.reader import JournalReader
from sluice.eventlog.places import gateway_journal
from tests.gateway.flow import TOKEN
from tests.gateway.recording.test_alerts import alerts_in
from tests.gateway.recording.test_recovery import reports_in
from tests.integration.service import descendants
from tests.integration.stack import write_yaml
from tests.integration.waiting import until
from tests.sluice.eventlog.journal.making import BOOK, opened

SECONDS = 20.0
PATH = "/llm/call/demo/chat/completions"
BODY = {"model": "gpt-4o", "messages": []}
INTERRUPTED = "sluice_interrupted_exchanges_total"


class Command:
    """``sluice gateway`` in a folder of its own, before a vendor."""

    def __init__(self, folder: Path, vendor: MockVendor, control: Any = None, **gateway: Any) -> None:
        self.folder = folder
        self.port = free_port()
        self.log = folder / "gateway.log"
        own = {"id": "g", "port": self.port, "shutdown_seconds": 20.0, "drain_timeout_seconds": 1}
        self.config = write_yaml(
            folder / "sluice.yaml",
            {
                "data_dir": str(folder / "data"),
                "gateway": own | gateway,
                "llms": [{"id": 1, "slug": "demo", "base_url": vendor.url}],
                "apps": [{"id": 1, "name": "tests", "llms": ["demo"]}],
                "tokens": [{"app": 1, "sha256": hashlib.sha256(TOKEN.encode()).hexdigest()}],
                "control": {"allow_private_endpoints": True, **(control or {})},
            },
        )
        self.client = httpx.AsyncClient(
            base_url=f"http://{LOOPBACK}:{self.port}", timeout=SECONDS, trust_env=False,
            headers={"authorization": f"Bearer {TOKEN}"},
        )  # fmt: skip
        self.processes: list[subprocess.Popen[bytes]] = []
        self.entry = ["-m", "sluice"]
        """What Python runs."""

    def launch(self, *options: str) -> subprocess.Popen[bytes]:
        """Start it; returns at once."""
        command = [sys.executable, *self.entry, "gateway", "--config", str(self.config), *options]
        with self.log.open("ab") as log:
            process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    async def start(self, *options: str) -> subprocess.Popen[bytes]:
        """Start it, and return when it serves."""
        process = self.launch(*options)
        await self.until_ready(process)
        return process

    async def until_ready(self, process: subprocess.Popen[bytes]) -> None:
        """Until it serves."""
        while True:
            assert process.poll() is None, self.said()
            with contextlib.suppress(httpx.TransportError):
                if (await self.client.get("/ready")).status_code == 200:
                    return
            await asyncio.sleep(0.02)

    async def post(self, script: str = "", **body: Any) -> httpx.Response:
        """One exchange."""
        return await self.client.post(PATH, json=BODY | body, headers={"x-mock": script})

    async def fate(self, script: str = "hang=head") -> int:
        """The status of an exchange's answer; 0 where the connection breaks instead."""
        try:
            return (await self.post(script)).status_code
        except httpx.TransportError:
            return 0

    async def metric(self, name: str) -> float:
        """The sum of a metric's samples."""
        lines = (await self.client.get("/metrics")).text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith((name + " ", name + "{")))

    def journal(self, worker: str = "w0") -> Path:
        """Where a worker's lies."""
        return gateway_journal(self.folder / "data", "g", worker)

    def outcomes(self, worker: str = "w0") -> list[str]:
        """Of the proxy logs in a worker's journal."""
        reader = JournalReader(self.journal(worker))
        found = []
        while records := reader.read(1_000):
            events = [BOOK.decode(record.value) for record in records if record.event_id and record.value]
            found += [event["outcome"] for kind, event in events if kind == "proxy_log"]
        reader.close()
        return found

    def in_flight(self, worker: str = "w0") -> int:
        """How many slots are filled."""
        file = InFlightFile(self.journal(worker) / FILE_NAME, 0)
        count = len(list(file.open_slots()))
        file.close()
        return count

    def said(self) -> str:
        """Its log."""
        return self.log.read_text("utf-8", "replace")

    async def close(self) -> None:
        """Whatever it does: it and its workers are gone after this."""
        await self.client.aclose()
        workers = [pid for process in self.processes for pid in descendants(process.pid)]
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        await until(lambda: not any(map(is_alive, workers)), SECONDS, "its workers ended")


def is_alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@contextlib.asynccontextmanager
async def command(folder: Path, vendor: MockVendor, **gateway: Any) -> AsyncIterator[Command]:
    """A command that outlives no test; a failure carries what it said."""
    made = Command(folder, vendor, **gateway)
    try:
        async with asyncio.timeout(5 * SECONDS):
            yield made
    except BaseException as error:
        error.add_note(made.said() if made.log.exists() else "it said nothing")
        raise
    finally:
        await made.close()


async def ended(process: subprocess.Popen[bytes]) -> int:
    """Its status, once it has ended."""
    async with asyncio.timeout(SECONDS):
        return await asyncio.to_thread(process.wait)


async def asked(vendor: MockVendor, count: int = 1) -> None:
    """Until the vendor has so many requests."""
    await until(lambda: len(vendor.requests) >= count, SECONDS, "the vendor is asked")


async def test_a_worker_leaves_nothing_that_its_next_boot_cannot_close(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """What a kill cuts is recorded once, counted and said; SIGTERM lets what is under way end, and ends with 0."""
    async with command(tmp_path, mock_vendor) as gateway:
        process = await gateway.start()
        assert is_held(gateway.journal() / LOCK_FILE)
        assert (await gateway.post()).status_code == 200
        async with asyncio.TaskGroup() as tasks:
            cut = tasks.create_task(gateway.fate())
            await asked(mock_vendor, 2)
            process.kill()
        assert (cut.result(), gateway.in_flight()) == (0, 1)

        process = await gateway.start()
        assert (gateway.outcomes(), gateway.in_flight()) == (["ok", "interrupted"], 0)
        assert await gateway.metric(INTERRUPTED) == 1
        assert "interrupted exchanges recorded" in gateway.said()
        async with asyncio.TaskGroup() as tasks:
            slow = tasks.create_task(gateway.post("delay_ms=300"))
            await asked(mock_vendor, 3)
            process.send_signal(signal.SIGTERM)
            assert await ended(process) == 0
        assert slow.result().status_code == 200
        assert gateway.outcomes() == ["ok", "interrupted", "ok"]
        cut_report, report = reports_in(gateway.journal())
        assert (cut_report["adopted"], report.get("adopted", False), report["closing"]) == (True, False, True)
        assert (report["outcomes"], gateway.in_flight()) == ({"ok": 1}, 0)
        assert not is_held(gateway.journal() / LOCK_FILE)
        assert "Traceback" not in gateway.said()


async def test_a_report_is_written_each_minute(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """And not at the end alone: of what was until then, in this process. The minutes are short here."""
    async with command(tmp_path, mock_vendor) as gateway:
        hurried = "import gateway.worker; gateway.worker.REPORT_SECONDS /= 300; import sluice.cli; sluice.cli.main()"
        gateway.entry = ["-c", hurried]
        process = await gateway.start()
        assert (await gateway.post()).status_code == 200
        await until(lambda: ok_in(reports_in(gateway.journal())) == 1, SECONDS, "the first is reported")
        assert (await gateway.post()).status_code == 200
        await until(lambda: ok_in(reports_in(gateway.journal())) == 2, SECONDS, "the second too")
        assert not any(each["closing"] for each in reports_in(gateway.journal()))
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == 0
        assert [each["closing"] for each in reports_in(gateway.journal())][-2:] == [False, True]


def ok_in(reports: list[dict[str, Any]]) -> int:
    """How many exchanges ended well, as the last report says."""
    return int(reports[-1]["outcomes"].get("ok", 0)) if reports else 0


async def test_budget_alerts_are_beside_the_events(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """In the journal of the worker that reported what was spent, without anybody asking."""
    async with command(tmp_path, mock_vendor) as gateway:
        content = yaml.safe_load(gateway.config.read_text("utf-8"))
        content["apps"][0]["monthly_budget"] = "0.01"
        content["prices"] = [{"id": "dear", "model": "gpt-4o", "prompt": "1", "response": "1000"}]
        content["budget"] = {"default_output_tokens": 8, "report_seconds": 0.05, "ask_timeout_seconds": 20}
        write_yaml(gateway.config, content)
        await gateway.start()
        assert (await gateway.post("response_tokens=7")).status_code == 200
        await until(lambda: alerts_in(gateway.journal()), SECONDS, "the budget's alert")
        (alert,) = alerts_in(gateway.journal())
        assert (alert["scope"], alert["app_id"], alert["percent"], alert["service"]) == ("app", 1, 50, "g")


async def test_a_worker_outlives_a_disk_that_takes_nothing(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Nothing is answered to its last byte that is not recorded; then, without a restart, everything is, once."""
    async with command(tmp_path, mock_vendor) as gateway:
        gateway.log = Path(os.devnull)  # the limit is on every file of the process
        process = await gateway.start()
        assert (await gateway.post()).status_code == 200
        _, most = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, most))
        assert [await gateway.fate("") for _ in range(3)] == [0, 0, 0]
        assert (gateway.in_flight(), gateway.outcomes()) == (3, ["ok"])
        await asyncio.sleep(2.5)  # real seconds: its housekeeping meets the same disk
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most, most))
        await until(lambda: not gateway.in_flight(), SECONDS, "what was owed is recorded")
        assert gateway.outcomes() == ["ok"] * 4
        assert (await gateway.post()).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == 0
        (report,) = reports_in(gateway.journal())
        assert (report["outcomes"], report["last_sequences"]["proxy_log"]) == ({"ok": 5}, 5)


async def test_a_worker_waits_for_its_journal_and_not_for_ever_for_answers(
    mock_vendor: MockVendor, tmp_path: Path
) -> None:
    """Whoever adopted its journal lets go within seconds. At the end what is not answered in time is cut, not lost."""
    async with command(tmp_path, mock_vendor, shutdown_seconds=1.0) as gateway:
        gateway.journal().mkdir(parents=True)
        adopted = opened(gateway.journal())
        process = gateway.launch()
        await until(lambda: "gateway listens" in gateway.said(), SECONDS, "it listens")
        async with asyncio.TaskGroup() as tasks:
            ready = tasks.create_task(gateway.until_ready(process))
            _, waiting = await asyncio.wait([ready], timeout=0.3)
            assert waiting
            await adopted.close()

        async with asyncio.TaskGroup() as tasks:
            cut = tasks.create_task(gateway.fate())
            await asked(mock_vendor)
            process.send_signal(signal.SIGINT)
            assert await ended(process) == 0
        assert cut.result() != 200
        assert gateway.in_flight() + len(gateway.outcomes()) == 1
