"""Prices: what models cost, from when on. Named for one token, kept exactly for a million."""

from __future__ import annotations

from typing import Annotated, Any, Self

from fastapi import Path, Query, Response
from pydantic import AfterValidator, Field, StrictInt, StrictStr, model_validator

from gateway.control.api.call import Call, CallOf
from gateway.control.api.envelopes import Done, Many, One
from gateway.control.api.fields import MAX_ID, Body, Model, Moment, Money, TokenPrice, column, example
from gateway.control.api.paging import PageQuery
from gateway.control.api.renderer import Answer
from gateway.control.api.route import control_router
from gateway.control.api.routers.llms import KnownVendor
from gateway.control.api.views import PRICED, PriceView
from sluice.money.price_settings import MAX_ALIASES, MAX_TIERS

router = control_router("pricing")
PriceId = Annotated[int, Path(ge=1, le=MAX_ID)]
Currency = Annotated[StrictStr, Field(pattern=r"^[A-Z]{3}$")]
Version = Annotated[StrictStr, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
_COLUMNS = {**PRICED, "request_price": "request_nanos", "tool_request_price": "tool_request_nanos"}
_CHARGED = {*_COLUMNS.values(), "tiers", "batch_percent"}
"""What a change of makes another price of it."""


class PriceTier(Body):
    """Prices for all tokens of an exchange whose prompt is large; what it does not name stays as the price has it."""

    above_prompt_tokens: Annotated[StrictInt, Field(ge=1, le=1_000_000_000)]
    cpt: TokenPrice | None = None
    cpit: TokenPrice | None = None
    cache_write_pt: TokenPrice | None = None
    cache_write_1h_pt: TokenPrice | None = None
    cache_read_pt: TokenPrice | None = None
    audio_prompt_pt: TokenPrice | None = None
    audio_response_pt: TokenPrice | None = None
    image_prompt_pt: TokenPrice | None = None
    image_response_pt: TokenPrice | None = None

    @model_validator(mode="after")
    def changes_something(self) -> Self:
        """A tier without a price would be one in name only."""
        if not self.prices():
            message = "has no price; write cpit and cpt, or remove it"
            raise ValueError(message)
        return self

    def prices(self) -> dict[str, int]:
        """Those that it names, as the entity calls them."""
        return {kept: getattr(self, given) for given, kept in PRICED.items() if getattr(self, given) is not None}


def _differ(tiers: list[PriceTier]) -> list[PriceTier]:
    if len({tier.above_prompt_tokens for tier in tiers}) != len(tiers):
        message = "has two with the same above_prompt_tokens; remove one"
        raise ValueError(message)
    return tiers


class PriceChange(Body):
    """Any of a price's fields; events that were charged keep the price they had."""

    model_config = example({"cpt": "0.0000005"}, is_change=True)

    cpt: TokenPrice = 0
    """Of a response token."""
    cpit: TokenPrice = 0
    """Of a prompt token."""
    cache_write_pt: TokenPrice = 0
    """Of a token that is written to the vendor's cache for five minutes."""
    cache_read_pt: TokenPrice = 0
    cache_write_1h_pt: TokenPrice | None = None
    """Null is the price of a nearer class: of ``cache_write_pt``; and so below, of the prompt's or the response's."""
    audio_prompt_pt: TokenPrice | None = None
    audio_response_pt: TokenPrice | None = None
    image_prompt_pt: TokenPrice | None = None
    image_response_pt: TokenPrice | None = None
    request_price: Money = 0
    """Of each request, beside its tokens."""
    tool_request_price: Money = 0
    """Of each call of the vendor's own tools, such as a web search."""
    tiers: Annotated[list[PriceTier], Field(max_length=MAX_TIERS), AfterValidator(_differ)] = Field(default=[])
    """By prompt size; the whole list."""
    batch_percent: Annotated[StrictInt, Field(ge=0, le=100)] = 100
    """What a batch pays of what its tokens cost."""
    aliases: Annotated[list[Model], Field(max_length=MAX_ALIASES)] = Field(default=[])
    """Further names of the model, exact or globs; the whole list."""
    currency: Currency = "USD"
    price_version: Version = "1"
    """What events say beside the price's key; without it, a change counts it up."""
    valid_from: Moment = 0


class PriceCreate(PriceChange):
    """A new price. A cache price that is not given is the prompt's."""

    model_config = example(
        {"vendor": "openai", "model_name": "gpt-4o-mini", "cpt": 6e-7, "cpit": 1.5e-7, "currency": "USD"}
    )

    vendor: KnownVendor
    model_name: Model
    """Exact, or a glob such as ``gpt-4o*``."""
    cpt: TokenPrice
    cpit: TokenPrice


class PriceQuery(PageQuery):
    """Whose prices."""

    vendor: Annotated[str, Field(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")] | None = None


def _values(body: PriceChange) -> dict[str, Any]:
    values = body.given()
    for given, kept in _COLUMNS.items():
        column(values, given, kept)
    if "tiers" in values:
        values["tiers"] = [{"above_prompt_tokens": tier.above_prompt_tokens, **tier.prices()} for tier in body.tiers]
    return values


@router.get("/pricing", name="price.listed", response_model=Many[PriceView])
async def list_prices(query: Annotated[PriceQuery, Query()], call: CallOf) -> Response:
    """Prices, the newest last."""
    wanted = {} if query.vendor is None else {"vendor": query.vendor}
    found = await call.store.prices.find(page=query.page, limit=query.limit, **wanted)
    return await call.listed(found.items, found.total, query)


@router.post("/pricing", name="price.created", status_code=201, response_model=One[PriceView])
async def create_price(body: PriceCreate, call: CallOf) -> Response:
    """A new price; from ``valid_from`` on it holds before older ones of the same model."""
    values = {"cache_read_nanos": body.cpit, "cache_write_nanos": body.cpit, **_values(body)}

    async def make() -> Answer:
        price = await call.store.prices.create(values, call.actor)
        return Answer(data=price, version=price.version)

    return await call.create(make)


@router.get("/pricing/{price_id}", name="price.read", response_model=One[PriceView])
async def read_price(price_id: PriceId, call: CallOf) -> Response:
    """One price."""
    return await call.entity(await call.store.prices.get(price_id))


@router.put("/pricing/{price_id}", name="price.updated", response_model=One[PriceView])
async def update_price(price_id: PriceId, body: PriceChange, call: CallOf) -> Response:
    """Change what is named; what was charged stays charged."""
    values = _values(body)
    if not values.keys().isdisjoint(_CHARGED) and "price_version" not in values:
        return await call.changed_entity(await _count_up(call, price_id, values))
    return await call.changed_entity(await call.store.prices.update(price_id, values, call.actor, call.if_version))


async def _count_up(call: Call, price_id: int, values: dict[str, Any]) -> Any:
    """A price that changes in place gets the next version as its name, so that events tell the two apart."""
    price = await call.store.prices.get(price_id)
    if all(_plain(getattr(price, name)) == value for name, value in values.items()):
        return await call.store.prices.update(price_id, {}, call.actor, call.if_version)
    asked = price.version if call.if_version is None else call.if_version
    named = {**values, "price_version": f"{price.version + 1}"}
    return await call.store.prices.update(price_id, named, call.actor, asked)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


@router.delete("/pricing/{price_id}", name="price.deleted", response_model=Done)
async def delete_price(price_id: PriceId, call: CallOf) -> Response:
    """Delete a price; what was charged stays charged."""
    await call.store.prices.delete(price_id, call.actor, call.if_version)
    return await call.changed(Answer())
