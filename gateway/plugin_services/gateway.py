"""``ctx.services.gateway()``: what the gateway knows, as it serves by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from gateway.plugin_services.credentials import check_credential
from sluice.sdk.errors import ServiceError
from sluice.sdk.records import LicenseInfo

if TYPE_CHECKING:
    from gateway.payloads.sender import PayloadSender
    from gateway.plugin_services.apps import Apps
    from gateway.plugin_services.budgets import Budgets
    from gateway.plugin_services.llms import Llms
    from gateway.plugin_services.prices import Prices
    from gateway.snapshot import SnapshotHolder
    from sluice.sdk.records import App, BudgetStatus, CredentialCheck, Llm, ModelPrice

_LICENSE = LicenseInfo()


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayView:
    """What all plugins of a worker share."""

    snapshots: SnapshotHolder
    apps: Apps
    llms: Llms
    budgets: Budgets
    prices: Prices
    sender: PayloadSender


class PluginGateway:
    """One plugin's ``GatewayServices``."""

    __slots__ = ("_plugin", "_plugin_id", "_view")

    def __init__(self, view: GatewayView, plugin_id: int, plugin: str) -> None:
        self._view = view
        self._plugin_id = plugin_id
        self._plugin = plugin

    async def get_app(self, app_id: int) -> App:
        """Raises NotFound."""
        return await self._view.apps.get(app_id)

    async def list_apps(self, page: int = 1, limit: int = 10, *, is_active: bool | None = True) -> Sequence[App]:
        """By id; at most 1,000 a page."""
        return await self._view.apps.list(page, limit, is_active)

    async def count_apps(self, *, is_active: bool | None = True) -> int:
        """How many ``list_apps`` has on all pages."""
        return await self._view.apps.count(is_active)

    async def get_llm(self, llm_id: int) -> Llm:
        """Raises NotFound."""
        return self._view.llms.get(llm_id)

    async def list_llms(
        self, page: int = 1, limit: int = 10, *, vendor: str = "", is_active: bool | None = True
    ) -> Sequence[Llm]:
        """By id; at most 1,000 a page."""
        return self._view.llms.list(page, limit, vendor, is_active)

    async def count_llms(self, *, vendor: str = "", is_active: bool | None = True) -> int:
        """How many ``list_llms`` has on all pages."""
        return self._view.llms.count(vendor, is_active)

    async def get_budget_status(self, app_id: int, llm_id: int | None = None) -> BudgetStatus:
        """Raises NotFound for an unknown app, and for an LLM that the app may not use."""
        return await self._view.budgets.status(app_id, llm_id)

    async def get_model_price(self, model_name: str, vendor: str) -> ModelPrice:
        """What an exchange of now would be charged by; raises NotFound."""
        return await self._view.prices.get(model_name, vendor)

    async def list_model_prices(self, vendor: str = "") -> Sequence[ModelPrice]:
        """Those that hold now."""
        return await self._view.prices.list(vendor)

    async def validate_credential(self, secret: str) -> CredentialCheck:
        """By the present snapshot; whatever is no credential is not valid."""
        return check_credential(secret, self._view.snapshots.get())

    async def send_to_control(
        self, payload: bytes, correlation_id: str = "", metadata: Mapping[str, str] | None = None
    ) -> int:
        """Raises PayloadTooLarge, and ServiceUnavailable where the plugin's queue is full."""
        return await self._view.sender.send(self._plugin_id, self._plugin, payload, correlation_id, metadata)

    async def send_to_control_json(
        self, value: Any, correlation_id: str = "", metadata: Mapping[str, str] | None = None
    ) -> int:
        """As ``send_to_control``, of a value as JSON; raises ServiceError for what is none."""
        try:
            payload = orjson.dumps(value)
        except TypeError as error:
            message = f"value: cannot be written as JSON ({error})"
            raise ServiceError(message) from error
        return await self.send_to_control(payload, correlation_id, metadata)

    async def get_license_info(self) -> LicenseInfo:
        """Nothing depends on it."""
        return _LICENSE
