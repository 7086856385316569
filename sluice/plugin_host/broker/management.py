"""The protocol's management service: what the gateway knows, asked from another process."""

from __future__ import annotations

from typing import Any

from sluice.plugin_wire import management_pb2 as pb
from sluice.sdk import wire
from sluice.sdk.errors import NotFound, PayloadTooLarge, ScopeDenied, ServiceError, ServiceUnavailable
from sluice.sdk.services import Services

DEFAULT_LIMIT = 10
MAX_LIMIT = 1000
"""Apps or LLMs on a page."""


class Management:
    """Answers for one plugin; who may ask has been seen to."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def list_llms(self, request: pb.ListLLMsRequest, _context: Any) -> pb.ListLLMsResponse:
        """A page of LLMs: active ones, unless ``is_active`` says otherwise."""
        gateway, is_active = self._services.gateway(), _wanted(request)
        page, limit = _page(request)
        llms = await gateway.list_llms(page, limit, vendor=request.vendor, is_active=is_active)
        count = await gateway.count_llms(vendor=request.vendor, is_active=is_active)
        return pb.ListLLMsResponse(llms=map(wire.llm_info_to_wire, llms), total_count=count)

    async def get_llm(self, request: pb.GetLLMRequest, _context: Any) -> pb.GetLLMResponse:
        """Raises NotFound."""
        return pb.GetLLMResponse(llm=wire.llm_info_to_wire(await self._services.gateway().get_llm(request.llm_id)))

    async def list_apps(self, request: pb.ListAppsRequest, _context: Any) -> pb.ListAppsResponse:
        """A page of apps: active ones, unless ``is_active`` says otherwise."""
        gateway, is_active = self._services.gateway(), _wanted(request)
        apps = await gateway.list_apps(*_page(request), is_active=is_active)
        count = await gateway.count_apps(is_active=is_active)
        return pb.ListAppsResponse(apps=map(wire.app_info_to_wire, apps), total_count=count)

    async def get_app(self, request: pb.GetAppRequest, _context: Any) -> pb.GetAppResponse:
        """Raises NotFound."""
        return pb.GetAppResponse(app=wire.app_info_to_wire(await self._services.gateway().get_app(request.app_id)))

    async def get_budget_status(self, request: pb.GetBudgetStatusRequest, _context: Any) -> pb.GetBudgetStatusResponse:
        """Raises NotFound."""
        llm_id = request.llm_id if request.HasField("llm_id") else None
        return wire.budget_status_to_wire(await self._services.gateway().get_budget_status(request.app_id, llm_id))

    async def list_model_prices(self, request: pb.ListModelPricesRequest, _context: Any) -> pb.ListModelPricesResponse:
        """Of one vendor, or of all."""
        prices = await self._services.gateway().list_model_prices(request.vendor)
        return pb.ListModelPricesResponse(model_prices=map(wire.model_price_to_wire, prices))

    async def get_model_price(self, request: pb.GetModelPriceRequest, _context: Any) -> pb.GetModelPriceResponse:
        """Raises NotFound."""
        price = await self._services.gateway().get_model_price(request.model_name, request.vendor)
        return pb.GetModelPriceResponse(model_price=wire.model_price_to_wire(price))

    async def validate_credential(
        self, request: pb.ValidateCredentialRequest, _context: Any
    ) -> pb.ValidateCredentialResponse:
        """Whether a secret proves an app."""
        return wire.credential_check_to_wire(await self._services.gateway().validate_credential(request.secret))

    async def queue_control_payload(
        self, request: pb.QueueControlPayloadRequest, _context: Any
    ) -> pb.QueueControlPayloadResponse:
        """A payload that is none is answered, not refused: the protocol has a field for why."""
        try:
            pending = await self._services.gateway().send_to_control(
                request.payload, request.correlation_id, dict(request.metadata)
            )
        except (ServiceUnavailable, ScopeDenied, NotFound):
            raise
        except ServiceError as error:
            too_large = isinstance(error, PayloadTooLarge)
            return pb.QueueControlPayloadResponse(success=False, error_message=str(error), is_too_large=too_large)
        return pb.QueueControlPayloadResponse(success=True, pending_count=pending)

    async def get_license_info(self, _request: pb.GetLicenseInfoRequest, _context: Any) -> pb.GetLicenseInfoResponse:
        """For plugins that ask."""
        return wire.license_to_wire(await self._services.gateway().get_license_info())


def _page(request: pb.ListLLMsRequest | pb.ListAppsRequest) -> tuple[int, int]:
    limit = request.limit if request.limit > 0 else DEFAULT_LIMIT
    return max(1, request.page), min(limit, MAX_LIMIT)


def _wanted(request: pb.ListLLMsRequest | pb.ListAppsRequest) -> bool | None:
    if request.is_any:
        return None
    return request.is_active if request.HasField("is_active") else True
