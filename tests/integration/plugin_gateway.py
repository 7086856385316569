"""A gateway whose plugins are made over REST, a vendor that remembers what reached it, and a log that can be read."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from sluice.dev.vendor import MockVendor, SeenRequest
from tests.integration.managing import bare, changed, made, manager_of
from tests.integration.stack import Stack
from tests.integration.stores import read_database
from tests.integration.waiting import until_found

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "tests" / "sluice" / "sdk" / "examples"
"""The examples that plugin authors know."""
SEED_PLUGINS = Path(__file__).parent / "seed_plugins"
PROMPT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
SECONDS = 40.0
_ROWS = {"name": "rows", "batch": {"max_age_seconds": 0.05}}
_FAST = {"restart_base_seconds": 0.05, "restart_max_seconds": 0.5}


class Edge:
    """One gateway with one worker, its vendor and its collector, for the tests of a module: each makes its own LLM."""

    def __init__(self, stack: Stack, vendor: MockVendor, manager: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
        self.stack = stack
        self.vendor = vendor
        self.manager = manager
        self.client = client
        self._numbers = count(1)

    def unused(self, stem: str) -> str:
        """A slug that nobody else of this gateway has."""
        return f"{stem}-{next(self._numbers)}"

    # Plugins.

    async def plugin(self, command: str, *, name: str = "", **values: Any) -> int:
        """A new one's id."""
        slug = self.unused(name or "plugin")
        return int((await made(self.manager, "/plugins", name=slug, slug=slug, command=command, **values))["id"])

    async def slug(self, plugin_id: int) -> str:
        """What its endpoints and events call it."""
        return str((await self.manager.get(f"/plugins/{plugin_id}")).json()["data"]["slug"])

    async def health(self, plugin_id: int) -> dict[str, Any]:
        """As ``/plugins/health`` has it."""
        found = (await self.manager.get("/plugins/health")).json()["data"]["plugins"][str(plugin_id)]
        assert isinstance(found, dict)
        return found

    async def instance(self, plugin_id: int) -> dict[str, Any]:
        """The one instance of a plugin that is ready."""

        async def look() -> dict[str, Any]:
            instances = (await self.health(plugin_id))["instances"]
            return instances[0] if instances and instances[0]["status"] == "ready" else {}

        return await until_found(look, SECONDS, f"plugin {plugin_id} ready")

    async def error_of(self, plugin_id: int) -> str:
        """Why it is not ready, as its health says."""

        async def look() -> str:
            instances = (await self.health(plugin_id))["instances"]
            return str(instances[0]["error"]) if instances else ""

        return await until_found(look, SECONDS, f"plugin {plugin_id} failed")

    def install(self, path: Path, name: str = "") -> str:
        """The command of an executable, put where executables may lie."""
        return install(self.folder, path, name)

    def serve(self, path: Path, name: str) -> str:
        """The command of an example's ``name``, made an executable that serves it."""
        return f"file://{write_executable(self.folder, path, name)}"

    @property
    def folder(self) -> Path:
        """Where executables may lie."""
        return plugin_folder(self.stack.folder)

    # LLMs and their apps.

    async def target(self, *plugin_ids: int, app: Mapping[str, Any] | None = None, **llm: Any) -> Target:
        """An LLM with these plugins, and an app that may use it."""
        slug = self.unused("llm")
        values = {"name": slug, "vendor": "openai", "endpoint": self.vendor.url, **llm}
        made_llm = await made(self.manager, "/llms", **values)
        made_app = await made(self.manager, "/apps", name=slug, llm_ids=[made_llm["id"]], **(app or {}))
        token = await made(self.manager, "/tokens", app_id=made_app["id"], name="t", scopes=["api"])
        target = Target(self, made_llm["id"], made_llm["slug"], made_app["id"], token["token"])
        await target.attach(*plugin_ids)
        return target

    def seen(self, answer: httpx.Response) -> SeenRequest:
        """What the vendor was sent for an answer."""
        wanted = answer.headers["x-sluice-exchange-id"]
        (found,) = [each for each in self.vendor.requests if each.header("x-sluice-exchange-id") == wanted]
        return found

    async def proxy_log(self, answer: httpx.Response) -> dict[str, Any]:
        """The event of an answer, when a collector has stored it."""
        wanted = answer.headers["x-sluice-exchange-id"]

        async def look() -> dict[str, Any]:
            rows = await asyncio.to_thread(read_database, self.stack.database)
            return next((dict(row) for row in rows["proxy_log"] if row["exchange_id"] == wanted), {})

        return await until_found(look, SECONDS, f"the proxy log of {wanted}")

    def logged(self, event: str) -> list[dict[str, Any]]:
        """What was logged under one phrase; a line that a process printed is as if it were the gateway's own."""
        lines = map(_line, self.stack.gateway.log_path.read_text("utf-8", "replace").splitlines())
        return [line for line in lines if line.get("event") == event]


@dataclass(frozen=True, slots=True)
class Target:
    """An LLM, and an app of its own."""

    edge: Edge
    llm_id: int
    slug: str
    app_id: int
    token: str

    @property
    def base_url(self) -> str:
        """What an SDK is configured with."""
        return f"{self.edge.stack.url}/llm/call/{self.slug}"

    async def attach(self, *plugin_ids: int) -> None:
        """Exactly these, in this order."""
        await changed(self.edge.manager, f"/llms/{self.llm_id}/plugins", plugin_ids=list(plugin_ids))

    async def ask(
        self,
        script: str = "",
        *,
        method: str = "POST",
        path: str = "/chat/completions",
        token: str | None = None,
        body: Mapping[str, Any] | bytes = PROMPT,
        **headers: Any,
    ) -> httpx.Response:
        """One exchange; headers are written with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent |= {"authorization": f"Bearer {self.token if token is None else token}", "x-mock": script}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.edge.client.request(
            method, self.base_url + path, content=content if method == "POST" else None, headers=sent
        )


@contextlib.asynccontextmanager
async def open_edge(
    folder: Path,
    name: str,
    *,
    settings: Callable[[str], Mapping[str, Any]] | None = None,
    entries: Sequence[Mapping[str, Any]] = (),
) -> AsyncIterator[Edge]:
    """Everything started. ``settings`` are made of the vendor's URL; ``entries`` are further ones of the collector."""
    plugin_folder(folder).mkdir(exist_ok=True)
    vendor = MockVendor()
    await vendor.start()
    try:
        others = {} if settings is None else settings(vendor.url)
        stack = bare(
            folder, name, workers=1, settings={"plugin_host": {"process": _FAST}, **others}, entries=[_ROWS, *entries]
        )
        async with (
            _both_running(stack),
            manager_of(stack) as manager,
            httpx.AsyncClient(base_url=stack.url, timeout=30) as client,
        ):
            yield Edge(stack, vendor, manager, client)
    finally:
        await vendor.close()


@contextlib.asynccontextmanager
async def _both_running(stack: Stack) -> AsyncIterator[None]:
    """Gateway and collector started side by side; both gone afterwards. A failure carries the ends of the logs."""
    services = stack.gateway, stack.collector
    try:
        for service in services:
            service.launch()
        for service in services:
            await service.wait_until_ready()
        yield
    except BaseException as error:
        for service in services:
            error.add_note(service.tail())
        raise
    finally:
        for service in reversed(services):
            await service.close()


def plugin_folder(folder: Path) -> Path:
    """Where executables may lie, by default: beside ``sluice.yaml``."""
    return folder / "plugins"


def install(folder: Path, path: Path, name: str = "") -> str:
    """The command of an executable, copied to where executables may lie."""
    folder.mkdir(exist_ok=True)
    target = folder / (name or path.name)
    if not target.exists():
        shutil.copy2(path, target)
    return f"file://{target}"


def write_executable(folder: Path, path: Path, name: str) -> Path:
    """A copy of a plugin's file with what makes it a process: the line that says who runs it, and ``serve``."""
    target = folder / path.stem
    if not target.exists():
        folder.mkdir(exist_ok=True)
        text = f"#!{sys.executable}\n{path.read_text()}\n\nfrom sluice.sdk import serve\n\nserve({name}())\n"
        target.write_text(text)
        target.chmod(0o755)
    return target


def is_alive(pid: int) -> bool:
    """Whether a process is there and is no corpse."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False


def _line(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {**found, "event": found.get("message", found.get("event")), **found.get("values", {})}
