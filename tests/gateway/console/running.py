"""A console for tests: a real plane, a real events database, events that a ledger knows of."""

from __future__ import annotations

import asyncio
import random
import secrets
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
import uvicorn
import yaml
from sqlalchemy import create_engine, insert
from starlette.applications import Starlette

from gateway.console.door import WRITE_HEADER
from gateway.console.opening import open_console
from gateway.console.parts import ConsoleParts
from gateway.control.api.services import ControlServices
from gateway.control.database import DATABASE_FILE
from gateway.control.event_store import EVENTS_DATABASE
from gateway.control.opening import prepare
from gateway.control.plane import ControlPlane, open_plane
from gateway.control.serving import open_services
from gateway.endpoints import make_application
from gateway.settings import Settings
from schemas.events import Kind, event_id
from sluice.clock import now_micros
from sluice.dev.servers.ports import LOOPBACK
from sluice.eventstore.tables import TABLES, create_tables
from sluice.settings import load_settings
from tests.gateway.control.made import ADMIN, sha256
from tests.schemas.samples import analytics, budget, common, proxy_log

ADMIN_TOKEN = "slc_admin-of-the-console-tests"
READ_TOKEN = "slc_reader-of-the-console-tests"
API_TOKEN = "slc_caller-of-the-console-tests"
BASE = "http://console.test"
APPS = ("checkout", "support-bot", "search", "nightly-reports")
MODELS = (
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-mini"),
    ("anthropic", "claude-sonnet-4"),
    ("google", "gemini-2.5-flash"),
)
OUTCOMES = ("ok",) * 22 + ("upstream_error", "budget_exceeded", "blocked_post_auth")
HOUR = 3_600_000_000
Event = tuple[Kind, dict[str, Any]]


@dataclass
class Ledger:
    """What a test wrote, added up by the test itself."""

    events: list[Event] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    requests: int = 0
    nanos: int = 0
    by_model: Counter[str] = field(default_factory=Counter)
    by_outcome: Counter[str] = field(default_factory=Counter)

    def add(self, number: int, at: int, **given: Any) -> str:
        """One exchange that began at a moment; ``given`` are fields of any of its events."""
        exchange_id = f"01900000-0000-7000-8000-{number:012d}"
        values = {**_usual(number), **given}
        shared = {name: values[name] for name in common() if name in values}
        shared.update(
            exchange_id=exchange_id,
            request_id=f"req-{number}",
            occurred_at=at,
            completed_at=at + values["total_micros"],
        )
        owns: dict[Kind, Mapping[str, Any]] = {"proxy_log": proxy_log(), "analytics": analytics(), "budget": budget()}
        for kind, own in owns.items():
            mine = {name: values[name] for name in own if name in values}
            both = {**common(**shared), **own, **mine, "event_id": event_id(exchange_id, kind), "sequence": number + 1}
            self.events.append((kind, both))
        self.ids.append(exchange_id)
        self.requests += 1
        self.nanos += values["cost_nanos"]
        self.by_model[values["model_name"]] += 1
        self.by_outcome[values["outcome"]] += 1
        return exchange_id


def _usual(number: int) -> dict[str, Any]:
    chance = random.Random(number)
    vendor, model = MODELS[min(int(chance.expovariate(1.1)), 3)]
    outcome = chance.choice(OUTCOMES)
    is_ok = outcome == "ok"
    prompt, response = chance.randint(20, 4000), chance.randint(5, 900) if is_ok else 0
    total = int(chance.lognormvariate(13.2, 0.7))
    hook = {"plugin": "firewall", "hook": "post_auth", "micros": 210, "decision": "allow" if is_ok else "block"}
    attempt = {
        "llm_id": 1,
        "llm_slug": vendor,
        "status": 200 if is_ok else 503,
        "error_kind": "",
        "may_be_billed": is_ok,
        "micros": total - 900,
    }
    return {
        "app_id": chance.choices((1, 2, 3, 4), (5, 3, 2, 1))[0], "llm_id": 1, "llm_slug": vendor, "vendor": vendor,
        "model_name": model, "outcome": outcome, "gateway_id": "gateway-1", "worker": f"w{number % 2}", "boot_id": "b1",
        "method": "POST", "path": "/chat/completions", "is_stream": number % 3 == 0, "total_micros": total,
        "response_code": 200 if is_ok else 503, "upstream_status": 200 if is_ok else 503,
        "upstream_micros": total - 900,
        "first_byte_micros": total // 3, "prompt_tokens": prompt, "response_tokens": response,
        "total_tokens": prompt + response, "cost_nanos": prompt * 2500 + response * 10000, "currency": "USD",
        "price_id": "list", "price_version": "1", "cost_status": "exact", "plugins": [hook], "attempts": [attempt],
        "request_body": b'{"model": "x", "messages": [{"role": "user", "content": "hello"}]}', "request_body_bytes": 66,
        "response_body": b'{"choices": []}', "response_body_bytes": 15, "request_content_type": "application/json",
        "request_headers": ["content-type: application/json"], "remote_addr": "10.0.0.7", "kind": "usage",
        "error_kind": "" if is_ok else outcome, "error_message": "" if is_ok else f"the exchange ended as {outcome}",
    }  # fmt: skip


def written(folder: Path, events: Sequence[Event]) -> None:
    """These events in the events database of a data folder."""
    folder.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{folder / EVENTS_DATABASE}")
    with engine.begin() as connection:
        create_tables(connection)
        for kind in ("proxy_log", "analytics", "budget"):
            rows = [_row(event) for of, event in events if of == kind]
            if rows:
                connection.execute(insert(TABLES[kind]), rows)
    engine.dispose()


def _row(event: Mapping[str, Any]) -> dict[str, Any]:
    return {name: orjson.dumps(value).decode() if isinstance(value, list) else value for name, value in event.items()}


def spread(ledger: Ledger, count: int, hours: float, now: int | None = None) -> Ledger:
    """So many exchanges over the last hours, more of them lately."""
    end = now_micros() if now is None else now
    for number in range(count):
        back = (1 - (number / count) ** 0.8) * hours * HOUR
        ledger.add(number, int(end - back) - 2_000_000)
    return ledger


def settings_document(folder: Path, **sections: Any) -> dict[str, Any]:
    """Apps with budgets, an LLM, a price, a plugin, and a token of each kind."""
    tokens = [(ADMIN_TOKEN, "ops", ["admin"]), (READ_TOKEN, "viewer", ["console.read"]), (API_TOKEN, "app", ["api"])]
    return {
        "data_dir": str(folder / "data"),
        "llms": [{"id": 1, "slug": "openai", "vendor": "openai", "base_url": "http://127.0.0.1:9/v1", "api_key": "k",
                  "plugins": ["firewall"]}],
        "plugins": [{"id": 1, "name": "firewall", "command": "python://sluice.plugins.firewall:Firewall",
                     "config": {"patterns": ["forbidden"]}}],
        "apps": [{"id": number, "name": name, "llms": ["openai"], "monthly_budget": str(10 * number)}
                 for number, name in enumerate(APPS, 1)],
        "tokens": [{"app": 1, "name": name, "sha256": sha256(text), "prefix": text[:8], "scopes": scopes}
                   for text, name, scopes in tokens],
        "prices": [{"id": "list", "vendor": "openai", "model": "gpt-*", "valid_from": "2020-01-01", "prompt": "2.5",
                    "response": "10"}],
        **sections,
    }  # fmt: skip


@dataclass
class Console:
    """A console, and what stands behind it."""

    application: Starlette
    parts: ConsoleParts
    plane: ControlPlane
    services: ControlServices
    stop: asyncio.Event

    async def token(self, *scopes: str) -> tuple[str, int]:
        """A new token of app 1 that no file manages, and its id."""
        text = f"slc_made-{secrets.token_hex(8)}"
        values = {"app_id": 1, "name": "made", "sha256": sha256(text), "prefix": text[:8], "scopes": scopes}
        made = await self.services.store.tokens.create(values, ADMIN)
        await self.services.refresh()
        return text, made.id

    async def revoke(self, token_id: int) -> None:
        """Make a token count for nothing."""
        await self.services.store.tokens.update(token_id, {"is_active": False}, ADMIN)
        await self.services.refresh()

    @asynccontextmanager
    async def client(self, token: str = ADMIN_TOKEN, peer: str = "203.0.113.7") -> AsyncIterator[httpx.AsyncClient]:
        """A browser without a screen, signed in where a token is given."""
        transport = httpx.ASGITransport(self.application, raise_app_exceptions=False, client=(peer, 1234))
        headers = {WRITE_HEADER: "1"}
        async with httpx.AsyncClient(transport=transport, base_url=f"{BASE}/console/api/", headers=headers) as client:
            if token:
                answer = await client.post("session", json={"token": token})
                assert answer.status_code == 200, answer.text
            yield client


_TEMPLATE: dict[str, bytes] = {}
"""A migrated control database, and the key that belongs to it: made by the first test, copied by the others."""


async def _prepared(settings: Settings) -> None:
    files = [settings.data_dir / name for name in (DATABASE_FILE, "secret.key")]
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    for path in files:
        if path.name in _TEMPLATE:
            path.write_bytes(_TEMPLATE[path.name])
            path.chmod(0o600)
    await prepare(settings)
    if not _TEMPLATE:
        _TEMPLATE.update((path.name, path.read_bytes()) for path in files)


@asynccontextmanager
async def running(folder: Path, events: Sequence[Event] = (), **sections: Any) -> AsyncIterator[Console]:
    """The application that a worker serves, over these events."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "sluice.yaml"
    config.write_text(yaml.safe_dump(settings_document(folder, **sections)))
    settings = load_settings(config, Settings)
    if events:
        await asyncio.to_thread(written, settings.data_dir, events)
    await _prepared(settings)
    stop = asyncio.Event()
    async with (
        open_plane(settings, config, list) as plane,
        open_services(settings, plane, now_micros()) as services,
        open_console(services, plane, stop) as console,
    ):
        await plane.start_plugins()
        application = make_application(list, lambda: "", services, console)
        yield Console(application, console.state.parts, plane, services, stop)


@contextmanager
def served(folder: Path, events: Sequence[Event] = (), **sections: Any) -> Iterator[str]:
    """The same on a port, for a browser; its address. It runs in a thread: the browser's driver wants this one."""
    ready, address, ended = threading.Event(), list[str](), threading.Event()

    async def serve() -> None:
        async with running(folder, events, **sections) as console:
            server = uvicorn.Server(
                uvicorn.Config(console.application, host=LOOPBACK, port=0, log_config=None, lifespan="off")
            )
            server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(server.serve())
                while not server.started:  # noqa: ASYNC110 - uvicorn tells it no other way
                    await asyncio.sleep(0.01)
                address.append(f"http://{LOOPBACK}:{server.servers[0].sockets[0].getsockname()[1]}")
                ready.set()
                while not ended.is_set():  # noqa: ASYNC110 - it is set by another thread
                    await asyncio.sleep(0.02)
                console.stop.set()
                server.should_exit = True

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    try:
        assert ready.wait(20), "the console did not start"
        yield address[0]
    finally:
        ended.set()
        thread.join(10)
