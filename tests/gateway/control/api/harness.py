"""The API over a real store, with what it asks besides held in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from gateway.access.addresses import parse_network
from gateway.access.credentials import hash_token
from gateway.control.api.renderer import CleanRenderer, Renderer
from gateway.control.api.services import BudgetStatus, ControlServices, Identity, SpentBudget, SystemInfo
from gateway.control.entities import Actor, Entities, PluginEntity
from gateway.control.errors import NotFoundError
from gateway.control.store import ControlStore
from gateway.endpoints import make_application
from gateway.settings import ControlSettings, GatewaySettings, Settings
from sluice.eventstore.queries import Bodies, Costs, EventPage, LlmStats, Summary
from sluice.plugin_host.errors import PluginLoadError
from sluice.plugin_host.host import PluginHealth
from sluice.plugin_host.running import Described

ADMIN = "slc_admin-token-of-the-tests"
BASE = "http://gateway"


class Snapshots:
    """What a worker knows of tokens: as of the last refresh, not a moment later."""

    def __init__(self, store: ControlStore) -> None:
        self._store = store
        self._entities = Entities()
        self.refreshes = 0

    async def refresh(self) -> None:
        """Catch up."""
        self._entities = await self._store.load()
        self.refreshes += 1

    def authenticate(self, token: str) -> Identity | None:
        """As the snapshot says."""
        sha256 = hash_token(token)
        found = next((each for each in self._entities.tokens.values() if each.sha256 == sha256), None)
        app = self._entities.apps.get(found.app_id) if found else None
        if found is None or app is None or not (found.is_active and app.is_active):
            return None
        return Identity(
            token_id=found.id,
            app_id=found.app_id,
            name=found.name,
            prefix=found.prefix,
            scopes=found.scopes,
            expires_at=found.expires_at,
            allowed_ips=tuple(parse_network(block) for block in app.allowed_ips),
        )


class MemoryPlugins:
    """A plugin host that says what it is told to."""

    def __init__(self) -> None:
        self.found: list[PluginHealth] = []
        self.broken: dict[str, str] = {}
        """Command → what is wrong with it."""
        self.said: dict[str, Described] = {}
        """Command → what it says of itself."""

    def health(self) -> Sequence[PluginHealth]:
        return self.found

    async def try_out(self, plugin: PluginEntity, config: dict[str, Any] | None = None) -> Described:
        if plugin.command in self.broken:
            raise PluginLoadError(plugin.slug, self.broken[plugin.command], "mend it")
        return self.said.get(plugin.command) or Described(name=plugin.slug, hooks=("post_auth",))


class MemoryBudgets:
    """A ledger that says what it is told to."""

    def __init__(self) -> None:
        self.statuses: list[BudgetStatus] = []
        self.books: list[SpentBudget] = []

    async def status(self, app_id: int, llm_id: int | None = None) -> BudgetStatus:
        for status in self.statuses:
            if (status.app_id, status.llm_id) == (app_id, llm_id):
                return status
        raise NotFoundError("app", app_id)

    async def history(self, app_id: int, start: int, end: int, llm_id: int | None = None) -> Sequence[BudgetStatus]:
        mine = [status for status in self.statuses if (status.app_id, status.llm_id) == (app_id, llm_id)]
        return [status for status in mine if status.period_start < end and status.period_end > start]

    async def overview(self) -> Sequence[BudgetStatus]:
        return [status for status in self.statuses if status.llm_id is None]

    async def spent(self, ended_after: int, page: int, limit: int) -> tuple[Sequence[SpentBudget], int]:
        found = [each for each in self.books if each.period_end > ended_after]
        return found[(page - 1) * limit : page * limit], len(found)


class MemoryEvents:
    """An event store that says what it is told to."""

    def __init__(self) -> None:
        self.items: list[Mapping[str, Any]] = []
        self.kept: dict[str, Bodies] = {}
        self.found = Summary(0, {}, 0, 0, 0, {}, None, 0.0, (), models_cut=False)
        self.spent = Costs(0, {}, {}, (), (), (), models_cut=False)
        self.stats = LlmStats(0, 0, {})
        self.error: Exception | None = None
        self.asked: list[tuple[Any, ...]] = []

    def _ask(self, *what: Any) -> None:
        self.asked.append(what)
        if self.error is not None:
            raise self.error

    async def analytics_events(
        self, app_id: int, page: int, limit: int, start: int | None = None, end: int | None = None
    ) -> EventPage:
        self._ask("events", app_id, page, limit)
        mine = [item for item in self.items if item["app_id"] == app_id]
        return EventPage(mine[(page - 1) * limit : page * limit], len(mine))

    async def bodies(self, exchange_id: str) -> Bodies | None:
        self._ask("bodies", exchange_id)
        return self.kept.get(exchange_id)

    async def summary(self, app_id: int, start: int, end: int) -> Summary:
        self._ask("summary", app_id, start, end)
        return self.found

    async def costs(self, app_id: int, start: int, end: int) -> Costs:
        self._ask("costs", app_id, start, end)
        return self.spent

    async def llm_stats(self, llm_id: int) -> LlmStats:
        self._ask("llm_stats", llm_id)
        return self.stats


@dataclass(kw_only=True)
class Api:
    """The API, a client of it with the admin's token, and what stands behind it."""

    store: ControlStore
    snapshots: Snapshots
    client: httpx.AsyncClient
    services: ControlServices
    plugins: MemoryPlugins = field(default_factory=MemoryPlugins)
    budgets: MemoryBudgets = field(default_factory=MemoryBudgets)
    events: MemoryEvents = field(default_factory=MemoryEvents)

    async def request(self, method: str, path: str, status: int, json: Any = None, **options: Any) -> Any:
        """The body of an answer that must have this status."""
        answer = await self.client.request(method, f"/api/v1{path}", json=json, **options)
        assert answer.status_code == status, (method, path, answer.status_code, answer.text)
        return answer.json()

    async def get(self, path: str, status: int = 200, **options: Any) -> Any:
        return await self.request("GET", path, status, **options)

    async def post(self, path: str, json: Any = None, status: int = 201, **options: Any) -> Any:
        return await self.request("POST", path, status, json, **options)

    async def put(self, path: str, json: Any = None, status: int = 200, **options: Any) -> Any:
        return await self.request("PUT", path, status, json, **options)

    async def delete(self, path: str, status: int = 200, **options: Any) -> Any:
        return await self.request("DELETE", path, status, **options)

    async def llm(self, name: str = "Mock GPT", **values: Any) -> dict[str, Any]:
        """A new LLM."""
        body = {"name": name, "vendor": "openai", "endpoint": "https://93.184.215.14/v1", **values}
        made: dict[str, Any] = (await self.post("/llms", body))["data"]
        return made

    async def app(self, name: str = "bench", **values: Any) -> dict[str, Any]:
        """A new app."""
        made: dict[str, Any] = (await self.post("/apps", {"name": name, **values}))["data"]
        return made

    async def plugin(self, name: str = "Shield", **values: Any) -> dict[str, Any]:
        """A new plugin."""
        body = {"name": name, "command": f"python://shields:{name.replace(' ', '')}", **values}
        made: dict[str, Any] = (await self.post("/plugins", body))["data"]
        return made

    async def token(self, app_id: int, **values: Any) -> dict[str, Any]:
        """A new token, with itself."""
        made: dict[str, Any] = (await self.post("/tokens", {"app_id": app_id, **values}))["data"]
        return made


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"authorization": f"Bearer {token}"}


async def admin_token(store: ControlStore) -> None:
    """App 1, "Admin", whose token is ``ADMIN``."""
    actor = Actor("bootstrap")
    app = await store.apps.create({"name": "Admin"}, actor)
    token = {"app_id": app.id, "name": "ops", "prefix": ADMIN[:8], "sha256": hash_token(ADMIN), "scopes": ("*",)}
    await store.tokens.create(token, actor)


@asynccontextmanager
async def open_api(
    store: ControlStore,
    *,
    control: ControlSettings | None = None,
    gateway: GatewaySettings | None = None,
    renderer: Renderer | None = None,
    authenticate: Callable[[str], Identity | None] | None = None,
    peer: str = "203.0.113.7",
) -> AsyncIterator[Api]:
    """The API over a migrated store, with its admin's token."""
    await admin_token(store)
    snapshots, plugins, budgets, events = Snapshots(store), MemoryPlugins(), MemoryBudgets(), MemoryEvents()
    await snapshots.refresh()
    services = ControlServices(
        store=store,
        refresh=snapshots.refresh,
        authenticate=authenticate or snapshots.authenticate,
        plugins=plugins,
        budgets=budgets,
        events=events,
        settings=Settings(control=control or ControlSettings(), gateway=gateway or GatewaySettings()),
        info=SystemInfo(version="0.0.0", gateway_id="gateway-1", started_at=1),
        renderer=renderer or CleanRenderer(),
    )
    application = make_application(list, lambda: "", services)
    transport = httpx.ASGITransport(application, raise_app_exceptions=False, client=(peer, 1234))
    async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=bearer(ADMIN)) as client:
        yield Api(
            store=store,
            snapshots=snapshots,
            client=client,
            services=services,
            plugins=plugins,
            budgets=budgets,
            events=events,
        )


def with_services(api: Api, **changes: Any) -> ControlServices:
    """Its services, some of them others."""
    return replace(api.services, **changes)
