"""A gateway that knows a little, and a plugin's side of the way back to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import grpc.aio

from sluice.plugin_host.broker import handlers
from sluice.plugin_host.kv import KvStore
from sluice.plugin_host.messages import MessageBus
from sluice.plugin_host.services import HostServices, ServiceSources
from sluice.plugin_host.settings import KvSettings, PluginHostSettings
from sluice.plugin_wire.rpc import HOST_EXTENSIONS, MANAGEMENT, PLUGIN_EVENTS, Stub
from sluice.sdk.errors import NotFound, PayloadTooLarge, ServiceError
from sluice.sdk.records import App, BudgetStatus, CredentialCheck, LicenseInfo, Llm, ModelPrice
from sluice.sdk.services import GatewayServices, Scope

PLUGIN_ID, PLUGIN = 7, "limit"
ALL_SCOPES: tuple[Scope, ...] = (
    "apps.read", "llms.read", "budget.read", "pricing.read", "credentials.validate", "kv.readwrite", "control.send",
)  # fmt: skip


@dataclass
class SmallGateway:
    """Remembers how it was asked."""

    asked: list[tuple[Any, ...]] = field(default_factory=list)
    failure: Exception | None = None

    def _remember(self, *question: Any) -> None:
        self.asked.append(question)
        if self.failure is not None:
            raise self.failure

    async def get_app(self, app_id: int) -> App:
        self._remember("get_app", app_id)
        if app_id != 1:
            message = f"no app {app_id}"
            raise NotFound(message)
        return App(id=1, name="shop", monthly_budget_nanos=5_000_000_000, metadata={"tier": "gold", "seats": 3})

    async def list_apps(self, page: int = 1, limit: int = 10, *, is_active: bool | None = True) -> Sequence[App]:
        self._remember("list_apps", page, limit, is_active)
        return [await self.get_app(1)]

    async def count_apps(self, *, is_active: bool | None = True) -> int:
        return 23

    async def get_llm(self, llm_id: int) -> Llm:
        self._remember("get_llm", llm_id)
        return Llm(id=llm_id, slug="demo", vendor="openai", has_api_key=True, timeout_seconds=2.5)

    async def list_llms(
        self, page: int = 1, limit: int = 10, *, vendor: str = "", is_active: bool | None = True
    ) -> Sequence[Llm]:
        self._remember("list_llms", page, limit, vendor, is_active)
        return [Llm(id=1), Llm(id=2)]

    async def count_llms(self, *, vendor: str = "", is_active: bool | None = True) -> int:
        return 2

    async def get_budget_status(self, app_id: int, llm_id: int | None = None) -> BudgetStatus:
        self._remember("get_budget_status", app_id, llm_id)
        limit = None if app_id == 1 else 10_000_000_000
        return BudgetStatus(
            app_id=app_id, llm_id=llm_id, monthly_budget_nanos=limit, used_nanos=2_500_000_000, tokens_used=9,
            requests_count=3, period_start=1_700_000_000_000_000, period_end=1_702_000_000_999_999,
        )  # fmt: skip

    async def get_model_price(self, model_name: str, vendor: str) -> ModelPrice:
        self._remember("get_model_price", model_name, vendor)
        return ModelPrice(vendor=vendor, model_name=model_name, prompt_nanos=150_000_000, response_nanos=600_000_000)

    async def list_model_prices(self, vendor: str = "") -> Sequence[ModelPrice]:
        self._remember("list_model_prices", vendor)
        return [await self.get_model_price("gpt-4o", "openai")]

    async def validate_credential(self, secret: str) -> CredentialCheck:
        self._remember("validate_credential", secret)
        return CredentialCheck(valid=secret == "right", app_id=1, credential_id=4, expires_at=1_700_000_000_000_000)

    async def send_to_control(
        self, payload: bytes, correlation_id: str = "", metadata: Mapping[str, str] | None = None
    ) -> int:
        self._remember("send_to_control", payload, correlation_id, metadata)
        if not payload:
            message = "a payload is not empty"
            raise ServiceError(message)
        if len(payload) > 10:
            message = "a payload of at most 10 bytes"
            raise PayloadTooLarge(message)
        return 42

    async def send_to_control_json(
        self, value: Any, correlation_id: str = "", metadata: Mapping[str, str] | None = None
    ) -> int:
        return await self.send_to_control(repr(value).encode(), correlation_id, metadata)

    async def get_license_info(self) -> LicenseInfo:
        self._remember("get_license_info")
        return LicenseInfo()


@dataclass
class Asking:
    """One plugin's process, as it asks its host."""

    gateway: SmallGateway
    bus: MessageBus
    services: HostServices
    management: Any
    events: Any
    extensions: Any
    channel: grpc.aio.Channel


@asynccontextmanager
async def asking(folder: Path, scopes: Sequence[Scope] = ALL_SCOPES) -> AsyncIterator[Asking]:
    """A real server on a Unix socket, and a client of it."""
    gateway = SmallGateway()
    bus = MessageBus(PluginHostSettings(max_message_bytes=100, max_queued_messages=5), "g")
    async with AsyncExitStack() as stack:
        kv = KvStore(folder / "plugins.db", KvSettings(max_value_bytes=100))
        stack.push_async_callback(kv.close)
        sources = ServiceSources(kv=kv, messages=bus, gateway=lambda _id, _name: cast("GatewayServices", gateway))
        services = sources.services_of(PLUGIN_ID, PLUGIN, "gateway")
        server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        server.add_generic_rpc_handlers(tuple(handlers(services, scopes, PLUGIN_ID, PLUGIN)))
        server.add_insecure_port(f"unix:{folder}/host.sock")
        await server.start()
        stack.push_async_callback(server.stop, None)
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"unix:{folder}/host.sock"))
        yield Asking(
            gateway=gateway,
            bus=bus,
            services=services,
            management=Stub(channel, MANAGEMENT),
            events=Stub(channel, PLUGIN_EVENTS),
            extensions=Stub(channel, HOST_EXTENSIONS),
            channel=channel,
        )
