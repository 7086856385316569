"""The gateway and control services for plugin authors' tests, over what a test says is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import msgspec

from sluice.sdk.errors import NotFound, PayloadTooLarge, ScopeDenied
from sluice.sdk.records import App, BudgetStatus, CredentialCheck, LicenseInfo, Llm, ModelPrice
from sluice.sdk.services import Scope

RecordT = TypeVar("RecordT", App, Llm)

MAX_PAYLOAD_BYTES = 1 << 20
_MAX_METADATA_ENTRIES, _MAX_METADATA_KEY, _MAX_METADATA_VALUE, _MAX_CORRELATION_ID = 50, 256, 4096, 256


class SentPayload(NamedTuple):
    """What was sent to control."""

    payload: bytes
    correlation_id: str = ""
    metadata: Mapping[str, str] = {}

    @property
    def value(self) -> Any:
        """The payload, read as JSON."""
        return msgspec.json.decode(self.payload)


@dataclass(slots=True, kw_only=True)
class Known:
    """What the fake gateway and control side know: a test puts into it what its plugin shall find."""

    apps: list[App] = field(default_factory=list)
    llms: list[Llm] = field(default_factory=list)
    budgets: list[BudgetStatus] = field(default_factory=list)
    prices: list[ModelPrice] = field(default_factory=list)
    credentials: dict[str, CredentialCheck] = field(default_factory=dict)
    """By secret."""


class RecordingGateway:
    """Gateway and control services over what a test says is known; ``sent`` is what went to control."""

    def __init__(self, known: Known, scopes: frozenset[Scope] | None) -> None:
        self._known = known
        self._scopes = scopes
        self.sent: list[SentPayload] = []

    async def get_app(self, app_id: int) -> App:
        """As ``GatewayServices.get_app``."""
        self._need("apps.read")
        return _by_id(self._known.apps, app_id, "app")

    async def list_apps(self, page: int = 1, limit: int = 10, *, is_active: bool | None = True) -> Sequence[App]:
        """As ``GatewayServices.list_apps``."""
        self._need("apps.read")
        return _page([app for app in self._known.apps if is_active in {None, app.is_active}], page, limit)

    async def count_apps(self, *, is_active: bool | None = True) -> int:
        """As ``GatewayServices.count_apps``."""
        return len(await self.list_apps(1, len(self._known.apps), is_active=is_active))

    async def get_llm(self, llm_id: int) -> Llm:
        """As ``GatewayServices.get_llm``."""
        self._need("llms.read")
        return _by_id(self._known.llms, llm_id, "LLM")

    async def list_llms(
        self, page: int = 1, limit: int = 10, *, vendor: str = "", is_active: bool | None = True
    ) -> Sequence[Llm]:
        """As ``GatewayServices.list_llms``."""
        self._need("llms.read")
        found = [llm for llm in self._known.llms if is_active in {None, llm.is_active}]
        return _page([llm for llm in found if vendor in {"", llm.vendor}], page, limit)

    async def count_llms(self, *, vendor: str = "", is_active: bool | None = True) -> int:
        """As ``GatewayServices.count_llms``."""
        return len(await self.list_llms(1, len(self._known.llms), vendor=vendor, is_active=is_active))

    async def get_budget_status(self, app_id: int, llm_id: int | None = None) -> BudgetStatus:
        """As ``GatewayServices.get_budget_status``; an app without a budget is unlimited."""
        self._need("budget.read")
        for budget in self._known.budgets:
            if (budget.app_id, budget.llm_id) == (app_id, llm_id):
                return budget
        return BudgetStatus(app_id=_by_id(self._known.apps, app_id, "app").id, llm_id=llm_id)

    async def get_model_price(self, model_name: str, vendor: str) -> ModelPrice:
        """As ``GatewayServices.get_model_price``."""
        self._need("pricing.read")
        for price in self._known.prices:
            if (price.model_name, price.vendor) == (model_name, vendor):
                return price
        message = f"there is no price of {vendor} {model_name!r}"
        raise NotFound(message)

    async def list_model_prices(self, vendor: str = "") -> Sequence[ModelPrice]:
        """As ``GatewayServices.list_model_prices``."""
        self._need("pricing.read")
        return [price for price in self._known.prices if vendor in {"", price.vendor}]

    async def validate_credential(self, secret: str) -> CredentialCheck:
        """As ``GatewayServices.validate_credential``."""
        self._need("credentials.validate")
        return self._known.credentials.get(secret, CredentialCheck(valid=False))

    async def send_to_control(
        self, payload: bytes, correlation_id: str = "", metadata: Mapping[str, str] | None = None
    ) -> int:
        """As ``GatewayServices.send_to_control``; what was sent waits in ``sent``."""
        self._need("control.send")
        _check_payload(payload, correlation_id, metadata or {})
        self.sent.append(SentPayload(bytes(payload), correlation_id, metadata or {}))
        return len(self.sent)

    async def send_to_control_json(
        self, value: Any, correlation_id: str = "", metadata: Mapping[str, str] | None = None
    ) -> int:
        """As ``GatewayServices.send_to_control_json``."""
        return await self.send_to_control(msgspec.json.encode(value), correlation_id, metadata)

    async def get_license_info(self) -> LicenseInfo:
        """As ``GatewayServices.get_license_info``."""
        return LicenseInfo()

    def _need(self, scope: Scope) -> None:
        if self._scopes is not None and scope not in self._scopes:
            raise ScopeDenied("test", scope)


def _by_id(records: Sequence[RecordT], record_id: int, what: str) -> RecordT:
    for record in records:
        if record.id == record_id:
            return record
    message = f"there is no {what} {record_id}"
    raise NotFound(message)


def _page(records: Sequence[RecordT], page: int, limit: int) -> Sequence[RecordT]:
    ordered = sorted(records, key=lambda record: record.id)
    return ordered[(page - 1) * limit : page * limit]


def _check_payload(payload: bytes, correlation_id: str, metadata: Mapping[str, str]) -> None:
    bounds = [
        ("a payload in bytes", len(payload), MAX_PAYLOAD_BYTES),
        ("a correlation id in characters", len(correlation_id), _MAX_CORRELATION_ID),
        ("metadata in entries", len(metadata), _MAX_METADATA_ENTRIES),
        ("a key of metadata in characters", max(map(len, metadata), default=0), _MAX_METADATA_KEY),
        ("a value of metadata in characters", max(map(len, metadata.values()), default=0), _MAX_METADATA_VALUE),
    ]
    for what, size, bound in bounds:
        if size > bound:
            message = f"{what}: {size}, more than {bound}"
            raise PayloadTooLarge(message)
