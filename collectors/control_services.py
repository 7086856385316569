"""``ctx.services.gateway()`` in a collector: what the gateway knows, read-only, as its control API tells it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import msgspec

from sluice.clock import micros_of, now_micros
from sluice.money.nanos import parse_nanos
from sluice.money.prices import Price, PriceTable
from sluice.sdk.errors import NotFound, ServiceUnavailable
from sluice.sdk.records import App, BudgetStatus, CredentialCheck, LicenseInfo, Llm, ModelPrice

if TYPE_CHECKING:
    from collectors.control_client import ControlClient

_CALLS_LLMS = frozenset(("api", "*"))
_NO_CREDENTIAL = frozenset((400, 401, 403, 413, 422))
_NOTHING_IS_SENT = "a collector sends nothing to control; send from the gateway"

_TOKENS_PER_PRICE = 1_000_000
_FURTHER_CLASSES = ("cache_write_1h", "audio_prompt", "audio_response", "image_prompt", "image_response")
_CLASSES = {
    "prompt": "cpit",
    "response": "cpt",
    **{kind: f"{kind}_pt" for kind in ("cache_read", "cache_write", *_FURTHER_CLASSES)},
}
"""What our prices call a class of tokens → what the API calls the price of one."""

T = TypeVar("T")


class ControlServices:
    """Every plugin's ``GatewayServices``: there is nothing of a plugin's own in it."""

    def __init__(self, client: ControlClient) -> None:
        self._client = client

    async def get_app(self, app_id: int) -> App:
        """Raises NotFound."""
        return _made(app_of, await self._client.one(f"/apps/{_id(app_id)}"))

    async def list_apps(self, page: int = 1, limit: int = 10, *, is_active: bool | None = True) -> Sequence[App]:
        """By id; at most 1,000 a page."""
        return [_made(app_of, view) for view in await self._client.part("/apps", _active(is_active), page, limit)]

    async def count_apps(self, *, is_active: bool | None = True) -> int:
        """How many ``list_apps`` has on all pages."""
        return await self._client.count("/apps", _active(is_active))

    async def get_llm(self, llm_id: int) -> Llm:
        """Raises NotFound."""
        return _made(llm_of, await self._client.one(f"/llms/{_id(llm_id)}"))

    async def list_llms(
        self, page: int = 1, limit: int = 10, *, vendor: str = "", is_active: bool | None = True
    ) -> Sequence[Llm]:
        """By id; at most 1,000 a page."""
        query = {**_active(is_active), **_vendor(vendor)}
        return [_made(llm_of, view) for view in await self._client.part("/llms", query, page, limit)]

    async def count_llms(self, *, vendor: str = "", is_active: bool | None = True) -> int:
        """How many ``list_llms`` has on all pages."""
        return await self._client.count("/llms", {**_active(is_active), **_vendor(vendor)})

    async def get_budget_status(self, app_id: int, llm_id: int | None = None) -> BudgetStatus:
        """Raises NotFound for an unknown app, and for an LLM that the app may not use."""
        query = "" if llm_id is None else f"?llm_id={_id(llm_id)}"
        return _made(budget_of, await self._client.one(f"/budgets/{_id(app_id)}/usage{query}"))

    async def get_model_price(self, model_name: str, vendor: str) -> ModelPrice:
        """What the model costs now; raises NotFound."""
        rows = {view["id"]: view for view in await self._client.all("/pricing", _vendor(vendor))}
        row = _made(_table, rows).find(vendor, model_name, now_micros())
        if row is None:
            message = f"there is no price of {vendor!r:.40}/{model_name!r:.80}"
            raise NotFound(message)
        return _made(price_of, rows[int(row.id)])

    async def list_model_prices(self, vendor: str = "") -> Sequence[ModelPrice]:
        """Those that hold now, by vendor and model; of all vendors where none is named."""
        newest: dict[tuple[str, str], Mapping[str, Any]] = {}
        views = await self._client.all("/pricing", _vendor(vendor))
        for view in sorted(views, key=lambda view: str(view.get("valid_from"))):
            row = _made(_row, view)
            if row.valid_from <= now_micros():
                newest[row.vendor, row.model] = view
        return [_made(price_of, view) for _, view in sorted(newest.items())]

    async def validate_credential(self, secret: str) -> CredentialCheck:
        """Whether the token could call LLMs from where this collector runs."""
        if not is_text(secret):
            return CredentialCheck(valid=False)
        answer = await self._client.ask("POST", "/auth/validate", no=_NO_CREDENTIAL, json={"token": secret})
        return CredentialCheck(valid=False) if answer is None else _made(_credential_of, answer)

    async def send_to_control(
        self,
        payload: bytes,  # noqa: ARG002
        correlation_id: str = "",  # noqa: ARG002
        metadata: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> int:
        """Raises ServiceUnavailable: payloads are a gateway's."""
        _send_nothing()

    async def send_to_control_json(
        self,
        value: Any,  # noqa: ARG002
        correlation_id: str = "",  # noqa: ARG002
        metadata: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> int:
        """As ``send_to_control``."""
        _send_nothing()

    async def get_license_info(self) -> LicenseInfo:
        """Nothing depends on it."""
        return LicenseInfo()


def _send_nothing() -> NoReturn:
    raise ServiceUnavailable(_NOTHING_IS_SENT)


def _id(given: object) -> int:
    if not isinstance(given, int) or given < 1:
        message = f"there is nothing with the id {given!r:.40}"
        raise NotFound(message)
    return int(given)


def _active(is_active: bool | None) -> dict[str, str]:
    return {} if is_active is None else {"active": "true" if is_active else "false"}


def _vendor(vendor: str) -> dict[str, str]:
    return {"vendor": vendor} if vendor else {}


def _made(make: Callable[[Mapping[Any, Any]], T], view: Mapping[Any, Any]) -> T:
    try:
        return make(view)
    except (KeyError, TypeError, ValueError, msgspec.ValidationError) as error:
        message = f"the control API answers in a form that is not its own ({type(error).__name__})"
        raise ServiceUnavailable(message) from error


def _micros(at: str) -> int:
    return micros_of(datetime.fromisoformat(at))


def _checked(kind: type[T], **values: Any) -> T:
    return msgspec.convert(values, kind)


def _same(view: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: view[name] for name in names}


def _times(view: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: _micros(view[name]) for name in names}


def app_of(view: Mapping[str, Any]) -> App:
    """An app of what the API shows."""
    return _checked(
        App,
        **_same(view, "id", "name", "description", "owner_email", "is_active", "budget_reset_day", "rate_limit_rpm"),
        **_times(view, "created_at", "updated_at"),
        monthly_budget_nanos=view["monthly_budget_nanos"] or None,
        allowed_ips=tuple(view["allowed_ips"]),
        metadata=view["metadata"],
    )


def llm_of(view: Mapping[str, Any]) -> Llm:
    """An LLM of what the API shows."""
    return _checked(
        Llm,
        **_same(view, "id", "name", "vendor", "slug", "endpoint", "default_model", "is_active", "max_tokens"),
        **_same(view, "rate_limit_rpm", "metadata"),
        **_times(view, "created_at", "updated_at"),
        has_api_key=view["api_key_set"],
        allowed_models=tuple(view["allowed_models"]),
        timeout_seconds=view["timeout_seconds"] or 0.0,
        retry_count=view["retry_count"] or 0,
        monthly_budget_nanos=view["monthly_budget_nanos"] or None,
    )


def budget_of(view: Mapping[str, Any]) -> BudgetStatus:
    """A budget of what the API shows."""
    return _checked(
        BudgetStatus,
        **_same(view, "app_id", "llm_id", "monthly_budget_nanos", "tokens_used", "requests_count"),
        **_times(view, "period_start", "period_end"),
        used_nanos=view["current_usage_nanos"],
    )


def price_of(view: Mapping[str, Any]) -> ModelPrice:
    """A price of what the API shows."""
    return _checked(
        ModelPrice,
        **_same(view, "id", "key", "vendor", "model_name", "currency"),
        **_times(view, "valid_from", "created_at", "updated_at"),
        **_nanos(view),
        **{f"{kind}_nanos": _of_tokens(view[f"{kind}_pt"]) for kind in _FURTHER_CLASSES},
        request_nanos=parse_nanos(view["request_price"]),
        tool_request_nanos=parse_nanos(view["tool_request_price"]),
        tiers=tuple(_tier(tier) for tier in view["tiers"]),
        **_same(view, "batch_percent", "aliases"),
    )


def _of_tokens(price: str | None) -> int | None:
    """From the price of one token, as decimal text, to nanos a million."""
    return None if price is None else parse_nanos(Decimal(price) * _TOKENS_PER_PRICE)


def _tier(view: Mapping[str, Any]) -> dict[str, int]:
    prices = {f"{kind}_nanos": _of_tokens(view[shown]) for kind, shown in _CLASSES.items()}
    given = {name: price for name, price in prices.items() if price is not None}
    return {"above_prompt_tokens": view["above_prompt_tokens"], **given}


def _nanos(view: Mapping[str, Any]) -> dict[str, Any]:
    kinds = ("prompt", "response", "cache_read", "cache_write")
    return {f"{kind}_nanos": view[f"{kind}_nanos_per_million"] for kind in kinds}


def _row(view: Mapping[str, Any]) -> Price:
    """For the price table, which knows which row holds; its id is the row's number."""
    return Price(
        id=str(view["id"]),
        version=view["price_version"],
        vendor=view["vendor"],
        model=view["model_name"],
        currency=view["currency"],
        valid_from=_micros(view["valid_from"]),
        **_nanos(view),
    )


def _table(rows: Mapping[int, Mapping[str, Any]]) -> PriceTable:
    return PriceTable(_row(view) for view in rows.values())


def is_text(given: object) -> bool:
    """Whether it is text that can be sent."""
    try:
        return isinstance(given, str) and bool(given.encode())
    except UnicodeEncodeError:
        return False


def _credential_of(answer: Mapping[str, Any]) -> CredentialCheck:
    view = answer["data"]
    if view["valid"] is not True or _CALLS_LLMS.isdisjoint(view["scopes"]):
        return CredentialCheck(valid=False)
    end = view["expires_at"]
    return CredentialCheck(valid=True, app_id=view["app_id"], expires_at=None if end is None else _micros(end))
