"""The processes of a gateway: they share a port, are started again when they die, and end with who started them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from pathlib import Path

import httpx
import orjson
import pytest

from gateway.control.bootstrap import APP_NAME, TOKEN_FILE
from gateway.control.entities import Attachment, LlmLink
from gateway.control.opening import open_control
from gateway.control.store import ControlStore
from gateway.listener import listen
from gateway.settings import Settings
from gateway.workers import stop_on_signals
from sluice.dev.servers.ports import LOOPBACK, free_port
from sluice.dev.vendor import MockVendor
from sluice.eventlog.journal.lock import LOCK_FILE, is_held
from sluice.settings import load_settings
from tests.gateway.control.made import ADMIN
from tests.gateway.control.made import token as token_values
from tests.gateway.flow import TOKEN
from tests.gateway.test_worker import BODY, INTERRUPTED, PATH, SECONDS, Command, asked, command, ended, is_alive
from tests.integration.service import descendants
from tests.integration.waiting import until, until_found


def worker_pids(supervisor: int) -> dict[str, int]:
    """The workers of a gateway, by name."""
    found = {}
    for pid in descendants(supervisor):
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") if is_alive(pid) else []
        if b"--worker" in arguments:
            found[arguments[arguments.index(b"--worker") + 1].decode()] = pid
    return found


async def both_serve(gateway: Command, supervisor: int) -> dict[str, int]:
    """Until each holds its journal."""
    locks = [gateway.journal(name) / LOCK_FILE for name in ("w0", "w1")]
    await until(lambda: all(map(is_held, locks)), SECONDS, "both hold their journals")
    return worker_pids(supervisor)


async def busy_worker(gateway: Command, vendor: MockVendor) -> str:
    """The one that has the exchange which the vendor was asked for."""
    await asked(vendor)
    return next(name for name in ("w0", "w1") if gateway.in_flight(name))


async def test_a_worker_that_is_killed_is_started_again(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Under its name and on the same port, where the others serve meanwhile; what was cut is recorded by itself."""
    async with command(tmp_path, mock_vendor, workers=2) as gateway:
        process = await gateway.start()
        before = await both_serve(gateway, process.pid)
        async with asyncio.TaskGroup() as tasks:
            cut = tasks.create_task(gateway.fate())
            name = await busy_worker(gateway, mock_vendor)
            os.kill(before[name], signal.SIGKILL)
        assert cut.result() == 0
        assert (await gateway.post()).status_code == 200, "the other one serves"
        await until(lambda: worker_pids(process.pid).get(name, before[name]) != before[name], SECONDS, "started again")
        await until(lambda: "interrupted" in gateway.outcomes(name), SECONDS, "what was cut is recorded")
        assert gateway.in_flight(name) == 0
        after = worker_pids(process.pid)
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == 0
        assert not any(map(is_alive, after.values()))
        assert '"worker ended"' in gateway.said()
        assert [*gateway.outcomes("w0"), *gateway.outcomes("w1")].count("interrupted") == 1


async def test_workers_end_with_their_supervisor_and_fewer_adopt(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Whatever ended it they drain and let the port go; a start with fewer closes the journals of who is gone."""
    async with command(tmp_path, mock_vendor, workers=2, shutdown_seconds=1.0) as gateway:
        process = await gateway.start()
        pids = await both_serve(gateway, process.pid)
        async with asyncio.TaskGroup() as tasks:
            fates = []
            while not gateway.in_flight("w1"):
                fates.append(tasks.create_task(gateway.fate()))
                await asked(mock_vendor, len(fates))
            os.kill(pids["w1"], signal.SIGKILL)
            process.kill()
            process.wait()
        assert 200 not in {fate.result() for fate in fates}
        await until(lambda: not any(map(is_alive, pids.values())), SECONDS, "the other one ended by itself")

        await gateway.start("--workers", "1")
        await until(lambda: "interrupted" in gateway.outcomes("w1"), SECONDS, "adopted")
        assert await gateway.metric(INTERRUPTED) >= 1
        assert gateway.in_flight("w1") == 0


async def test_the_control_api_has_an_address_of_its_own(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Then the gateway's port has none of it, nor is the data plane on the other; both are each worker's."""
    port = free_port()
    async with command(tmp_path, mock_vendor, workers=2, control={"listen": f"{LOOPBACK}:{port}"}) as gateway:
        process = await gateway.start()
        token = (tmp_path / "data" / TOKEN_FILE).read_text()
        headers = {"authorization": f"Bearer {token.strip()}"}
        async with httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{port}", headers=headers, timeout=SECONDS) as manager:
            llms = await manager.get("/api/v1/llms")
            assert [llm["slug"] for llm in llms.json()["data"]] == ["demo"]
            assert (await manager.post(PATH, json=BODY)).status_code == 404
        assert (await gateway.client.get("/api/v1/llms", headers=headers)).status_code == 404
        assert (await gateway.post()).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == 0


async def test_a_taken_port_is_said_and_nothing_is_started(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Status 2 and a line that names the setting; no journal, no worker."""
    async with command(tmp_path, mock_vendor, workers=2) as gateway:
        with listen(LOOPBACK, gateway.port):
            assert await ended(gateway.launch()) == 2
        assert gateway.said().strip() == (
            f"{LOOPBACK}:{gateway.port} is taken: set gateway.port (or --port), or end what listens there"
        )
        assert not gateway.journal().exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_at_once(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first asks to stop; the second does not wait, unless it may be an echo of the first."""
    exits: list[int] = []
    monkeypatch.setattr(os, "_exit", exits.append)
    loop = asyncio.get_running_loop()
    try:
        for at_once, expected in ((True, [1]), (False, [])):
            stop = asyncio.Event()
            stop_on_signals(stop, at_once_on_second=at_once)
            assert not stop.is_set()
            os.kill(os.getpid(), number)
            async with asyncio.timeout(SECONDS):
                await stop.wait()
            assert exits == []
            os.kill(os.getpid(), number)
            await asyncio.sleep(0)
            await until(lambda wanted=expected: exits == wanted, SECONDS, "the second one")  # type: ignore[misc]
            exits.clear()
    finally:
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(each)


class Managed:
    """A gateway with two workers, and its control database as another process of the host has it."""

    def __init__(self, gateway: Command, store: ControlStore) -> None:
        self.gateway = gateway
        self.store = store
        self.clients: dict[int, httpx.AsyncClient] = {}
        """One that talks to each worker, by process."""

    async def meet(self, workers: Collection[int], headers: dict[str, str]) -> None:
        """Connect until every worker has a connection."""
        while self.clients.keys() != set(workers):
            client = httpx.AsyncClient(
                base_url=self.gateway.client.base_url, headers=headers, timeout=SECONDS, trust_env=False
            )
            answer = await client.get("/health")
            port = answer.extensions["network_stream"].get_extra_info("client_addr")[1]
            pid = who_serves(self.gateway.port, port, workers)
            if pid in self.clients:
                await client.aclose()
            else:
                self.clients[pid] = client

    async def delay(self, pid: int, status: int) -> float:
        """Seconds until a worker answers so; what was asked just before that still had another answer."""
        began = time.monotonic()
        while True:
            asked_at = time.monotonic()
            if (await self.clients[pid].post(PATH, json=BODY)).status_code == status:
                return asked_at - began
            assert asked_at - began < SECONDS
            await asyncio.sleep(0.002)

    async def delays(self, status: int) -> list[float]:
        """Of every worker."""
        return await asyncio.gather(*(self.delay(pid, status) for pid in self.clients))


def who_serves(port: int, client_port: int, pids: Collection[int]) -> int:
    """The process at the other end of our connection."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if (fields[1].endswith(f":{port:04X}"), fields[2].endswith(f":{client_port:04X}")) == (True, True):
            wanted = f"socket:[{fields[9]}]"
            return next(pid for pid in pids for fd in Path(f"/proc/{pid}/fd").iterdir() if read_link(fd) == wanted)
    raise LookupError(client_port)


def read_link(path: Path) -> str:
    """Where it leads; it may be closed meanwhile."""
    try:
        return str(path.readlink())
    except OSError:
        return ""


@contextlib.asynccontextmanager
async def managed(folder: Path, vendor: MockVendor, token: str = TOKEN) -> AsyncIterator[Managed]:
    """Serving, with a connection to each of its workers."""
    async with command(folder, vendor, workers=2) as gateway:
        process = await gateway.start()
        pids = await both_serve(gateway, process.pid)
        async with open_control(load_settings(gateway.config, Settings)) as control:
            made = Managed(gateway, control.store)
            await made.meet(pids.values(), {"authorization": f"Bearer {token}"})
            try:
                yield made
            finally:
                for client in made.clients.values():
                    await client.aclose()


async def test_a_change_is_served_by_every_worker_in_a_moment(
    mock_vendor: MockVendor, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """A token that another process makes and revokes is let in and refused by each within a tenth of a second. On a
    machine that is busy with other things most may take longer; one that was never told looks once a second, so that
    hardly one in ten would be as quick."""
    async with managed(tmp_path, mock_vendor, "made-over-the-api") as gateway:
        owner = (await gateway.store.apps.find(name="tests")).items[0]
        made = await gateway.store.tokens.create(token_values(owner.id, "made-over-the-api"), ADMIN)
        delays = await gateway.delays(200)
        for status in (401, 200) * 3:
            await gateway.store.tokens.update(made.id, {"is_active": status == 200}, ADMIN)
            delays += await gateway.delays(status)
    record_property("seconds", [round(delay, 4) for delay in delays])
    assert sorted(delays)[len(delays) // 4] <= 0.1, delays


async def test_the_file_takes_effect_and_a_bad_one_does_not(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """While it serves: a slug that changes, then a file that is none, of which the log tells; it is ready all along."""
    async with managed(tmp_path, mock_vendor) as gateway:
        file = gateway.gateway.config
        good = file.read_text()
        await gateway.delays(200)
        file.write_text(good.replace("slug: demo", "slug: other").replace("- demo", "- other"))
        await gateway.delays(404)
        file.write_text("llms: [")
        await until(lambda: "settings file cannot be used" in gateway.gateway.said(), SECONDS, "it is said")
        assert [(await client.get("/ready")).status_code for client in gateway.clients.values()] == [200, 200]
        assert set(await asyncio.gather(*(status_of(client) for client in gateway.clients.values()))) == {404}
        file.write_text(good)
        await gateway.delays(200)


async def status_of(client: httpx.AsyncClient) -> int:
    """Of one exchange."""
    return (await client.post(PATH, json=BODY)).status_code


GUARD = """
from pathlib import Path
from sluice.sdk import BasePlugin, PluginResponse, PreAuthHandler, ResponseHandler, ResponseWriteResponse

class Guard(BasePlugin, PreAuthHandler, ResponseHandler):
    ended = False

    async def shutdown(self, ctx):
        self.ended = True
        with Path("ended").open("a") as file:
            file.write(self.config["version"])

    async def handle_pre_auth(self, ctx, request):
        assert not self.ended
        return PluginResponse.allow()

    async def on_before_write_headers(self, ctx, request):
        assert not self.ended
        return ResponseWriteResponse.modify(headers=request.headers | {"x-version": self.config["version"]})
"""


async def test_a_plugin_is_replaced_under_load(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """No exchange fails, none meets a plugin that has ended, each ends with the version with which it began; the old
    ones end."""
    (tmp_path / "guard.py").write_text(GUARD)
    async with managed(tmp_path, mock_vendor) as gateway:
        values = {"name": "guard", "slug": "guard", "command": "guard.py", "on_failure": "closed"}
        plugin = await gateway.store.plugins.create({**values, "config": {"version": "0"}}, ADMIN)
        url = mock_vendor.url
        guarded = {"slug": "guarded", "name": "guarded", "vendor": "openai", "endpoint": url, "default_model": "gpt-4o"}
        llm = await gateway.store.llms.create({**guarded, "attachments": (Attachment(plugin_id=plugin.id),)}, ADMIN)
        app = await gateway.store.apps.create({"name": "load", "llms": (LlmLink(llm_id=llm.id),)}, ADMIN)
        await gateway.store.tokens.create(token_values(app.id, "load"), ADMIN)
        answers: list[httpx.Response] = []
        last = False

        async def ask(client: httpx.AsyncClient) -> None:
            while not last:
                headers = {"authorization": "Bearer load", "x-mock": "delay_ms=5"}
                answers.append(
                    await client.post("/llm/call/guarded/chat/completions", json={"messages": []}, headers=headers)
                )

        headers = {"authorization": "Bearer load"}
        for client in gateway.clients.values():

            async def is_there(client: httpx.AsyncClient = client) -> bool:
                return (await client.get("/llm/call/guarded/models", headers=headers)).status_code == 200

            await until_found(is_there, SECONDS, "it is served")
        async with asyncio.TaskGroup() as tasks:
            for client in [*gateway.clients.values()] * 4:
                tasks.create_task(ask(client))
            for version in "123":
                await gateway.store.plugins.update(plugin.id, {"config": {"version": version}}, ADMIN)

                async def serves(wanted: list[str] = [version] * 16) -> bool:
                    return versions(answers)[-16:] == wanted

                await until_found(serves, SECONDS, "every worker has it")
            last = True
        assert {answer.status_code for answer in answers} == {200}
        assert {*versions(answers)} == {*"0123"}
        assert orjson.loads(mock_vendor.requests[-1].body)["model"] == "gpt-4o", "what names no model has the LLM's"
        await until(lambda: sorted((tmp_path / "ended").read_text()) == [*"001122"], SECONDS, "the old ones ended")


def versions(answers: Sequence[httpx.Response]) -> list[str]:
    """Which plugin saw each answer."""
    return [answer.headers["x-version"] for answer in answers]


async def test_the_first_start_shows_the_admin_token_once(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """And keeps it in a file; its app reaches no LLM until it is linked to one, then with the same token."""
    async with command(tmp_path, mock_vendor) as gateway:
        process = await gateway.start()
        admin = (tmp_path / "data" / TOKEN_FILE).read_text().strip()
        assert gateway.said().count(admin) == 1
        headers = {"authorization": f"Bearer {admin}"}
        assert (await gateway.client.post(PATH, json=BODY, headers=headers)).status_code == 403
        async with open_control(load_settings(gateway.config, Settings)) as control:
            app = (await control.store.apps.find(name=APP_NAME)).items[0]
            await control.store.set_llm_links(app.id, [LlmLink(llm_id=1)], ADMIN)

        async def is_let_in() -> bool:
            return (await gateway.client.post(PATH, json=BODY, headers=headers)).status_code == 200

        await until_found(is_let_in, SECONDS, "it is linked")
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == 0
        await gateway.start()
        assert gateway.said().count(admin) == 1
        assert (await gateway.client.post(PATH, json=BODY, headers=headers)).status_code == 200


async def test_without_its_database_nothing_is_started(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Status 2 and a line that names the setting."""
    away = {"database_url": "postgresql+asyncpg://sluice:hidden@127.0.0.1:1/sluice"}
    async with command(tmp_path, mock_vendor, workers=2, control=away) as gateway:
        assert await ended(gateway.launch()) == 2
        assert "control.database_url" in gateway.said()
        assert "hidden" not in gateway.said()
        assert "Traceback" not in gateway.said()
        assert not (tmp_path / "data" / "journals").exists()
