"""What the gateway knows, asked for by calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sluice.plugin_wire import management_pb2 as pb
from sluice.plugin_wire.rpc import MANAGEMENT
from sluice.sdk import wire
from sluice.sdk.errors import PayloadTooLarge, ServiceError
from sluice.sdk.records import App, BudgetStatus, CredentialCheck, LicenseInfo, Llm, ModelPrice
from sluice.sdk.services import Scope
from sluice.sdk.serving.connection import Connection
from sluice.sdk.wire.values import i32, json_text, raw, texts, u32


class RemoteGateway:
    """Each call is one to the host; see ``sluice.sdk.services.GatewayServices``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get_app(self, app_id: int) -> App:
        """Raises NotFound."""
        request = pb.GetAppRequest(context=self._context("apps.read"), app_id=u32(app_id))
        answer = await self._call("GetApp", request)
        return wire.app_info_from_wire(answer.app)

    async def list_apps(self, page: int = 1, limit: int = 10, *, is_active: bool | None = True) -> Sequence[App]:
        """By id."""
        answer = await self._apps(page, limit, is_active)
        return tuple(wire.app_info_from_wire(app) for app in answer.apps)

    async def count_apps(self, *, is_active: bool | None = True) -> int:
        """How many ``list_apps`` has on all pages."""
        return int((await self._apps(1, 1, is_active)).total_count)

    async def get_llm(self, llm_id: int) -> Llm:
        """Raises NotFound."""
        request = pb.GetLLMRequest(context=self._context("llms.read"), llm_id=u32(llm_id))
        answer = await self._call("GetLLM", request)
        return wire.llm_info_from_wire(answer.llm)

    async def list_llms(
        self, page: int = 1, limit: int = 10, *, vendor: str = "", is_active: bool | None = True
    ) -> Sequence[Llm]:
        """By id."""
        answer = await self._llms(page, limit, vendor, is_active)
        return tuple(wire.llm_info_from_wire(llm) for llm in answer.llms)

    async def count_llms(self, *, vendor: str = "", is_active: bool | None = True) -> int:
        """How many ``list_llms`` has on all pages."""
        return int((await self._llms(1, 1, vendor, is_active)).total_count)

    async def get_budget_status(self, app_id: int, llm_id: int | None = None) -> BudgetStatus:
        """Raises NotFound for an unknown app."""
        context = self._context("budget.read")
        llm = None if llm_id is None else u32(llm_id)
        request = pb.GetBudgetStatusRequest(context=context, app_id=u32(app_id), llm_id=llm)
        return wire.budget_status_from_wire(await self._call("GetBudgetStatus", request))

    async def get_model_price(self, model_name: str, vendor: str) -> ModelPrice:
        """Raises NotFound."""
        context = self._context("pricing.read")
        request = pb.GetModelPriceRequest(context=context, model_name=model_name, vendor=vendor)
        answer = await self._call("GetModelPrice", request)
        return wire.model_price_from_wire(answer.model_price)

    async def list_model_prices(self, vendor: str = "") -> Sequence[ModelPrice]:
        """Of all vendors where none is named."""
        request = pb.ListModelPricesRequest(context=self._context("pricing.read"), vendor=vendor)
        answer = await self._call("ListModelPrices", request)
        return tuple(wire.model_price_from_wire(price) for price in answer.model_prices)

    async def validate_credential(self, secret: str) -> CredentialCheck:
        """What is no credential is not valid."""
        request = pb.ValidateCredentialRequest(context=self._context("credentials.validate"), secret=secret)
        return wire.credential_check_from_wire(await self._call("ValidateCredential", request))

    async def send_to_control(
        self, payload: bytes, correlation_id: str = "", metadata: Mapping[str, str] | None = None
    ) -> int:
        """How many payloads wait. Raises PayloadTooLarge."""
        request = pb.QueueControlPayloadRequest(
            context=self._context("control.send"),
            payload=raw(payload),
            correlation_id=correlation_id,
            metadata=texts(metadata or {}),
        )
        answer = await self._call("QueueControlPayload", request)
        if not answer.success:
            message = answer.error_message or "the host did not take the payload"
            raise (PayloadTooLarge if answer.is_too_large else ServiceError)(message)
        return int(answer.pending_count)

    async def send_to_control_json(
        self, value: Any, correlation_id: str = "", metadata: Mapping[str, str] | None = None
    ) -> int:
        """As ``send_to_control``, of a value as JSON."""
        return await self.send_to_control(json_text(value).encode(), correlation_id, metadata)

    async def get_license_info(self) -> LicenseInfo:
        """Needs no scope."""
        context = pb.PluginContext(plugin_id=self._connection.plugin_id)
        return wire.license_from_wire(await self._call("GetLicenseInfo", pb.GetLicenseInfoRequest(context=context)))

    async def _apps(self, page: int, limit: int, is_active: bool | None) -> Any:
        request = pb.ListAppsRequest(
            context=self._context("apps.read"),
            is_active=is_active,
            is_any=is_active is None,
            page=i32(page),
            limit=i32(limit),
        )
        return await self._call("ListApps", request)

    async def _llms(self, page: int, limit: int, vendor: str, is_active: bool | None) -> Any:
        request = pb.ListLLMsRequest(
            context=self._context("llms.read"),
            vendor=vendor,
            is_active=is_active,
            is_any=is_active is None,
            page=i32(page),
            limit=i32(limit),
        )
        return await self._call("ListLLMs", request)

    async def _call(self, method: str, request: Any) -> Any:
        return await self._connection.call(MANAGEMENT, method, request, request.context.method_scope)

    def _context(self, scope: Scope) -> pb.PluginContext:
        return pb.PluginContext(plugin_id=self._connection.plugin_id, method_scope=scope)
