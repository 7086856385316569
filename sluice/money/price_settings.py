"""What ``sluice.yaml`` may say of prices: ``prices``, as the gateway charges by them and jobs charge again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from sluice.clock import micros_of
from sluice.money.nanos import parse_nanos
from sluice.money.prices import Price
from sluice.money.rates import CLASSES, Tier, tier_rates

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_TIERS = 16
MAX_ALIASES = 64


def _in_utc(at: datetime) -> datetime:
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:
        message = "is no moment that UTC has a year for; write another"
        raise ValueError(message) from None


def _is_price(amount: str) -> str:
    if parse_nanos(amount) < 0:
        message = "is below zero; a price is zero or more"
        raise ValueError(message)
    return amount


Moment = Annotated[datetime, AfterValidator(_in_utc)]
"""Without a zone it is UTC, wherever the gateway runs."""
Amount = Annotated[str, AfterValidator(_is_price)]
"""Money as decimal text; of prices, for a million tokens."""


class _Section(BaseModel):
    """Frozen, unknown keys refused, as all settings are."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PriceTierSettings(_Section):
    """Prices for all tokens of an exchange whose prompt is large; what it does not name stays as the price has it."""

    above_prompt_tokens: Annotated[int, Field(ge=1, le=1_000_000_000, examples=[200000])]
    """The tier is of exchanges with more of them."""
    prompt: Annotated[Amount | None, Field(examples=["2.50"])] = None
    """Prompt tokens, for a million."""
    response: Annotated[Amount | None, Field(examples=["15"])] = None
    """Response tokens, for a million."""
    cache_read: Annotated[Amount | None, Field(examples=["0.25"])] = None
    """Prompt tokens read from the vendor's cache."""
    cache_write: Annotated[Amount | None, Field(examples=["3.125"])] = None
    """Prompt tokens written to it for five minutes."""
    cache_write_1h: Annotated[Amount | None, Field(examples=["5"])] = None
    """And for an hour."""
    audio_prompt: Annotated[Amount | None, Field(examples=["10"])] = None
    """Prompt tokens of sound."""
    audio_response: Annotated[Amount | None, Field(examples=["20"])] = None
    """Response tokens of sound."""
    image_prompt: Annotated[Amount | None, Field(examples=["2.50"])] = None
    """Prompt tokens of images."""
    image_response: Annotated[Amount | None, Field(examples=["30"])] = None
    """Response tokens of images."""

    @model_validator(mode="after")
    def changes_something(self) -> Self:
        """A tier without a price would be one in name only."""
        if len(self.model_fields_set) < 2:
            message = "has no price; write prompt and response, or remove it"
            raise ValueError(message)
        return self


class PriceSettings(_Section):
    """What a model costs, per million tokens, as decimal text. A class without a price has the prompt's (an hour's
    cache write the cache write's; sound and images that of their side's text), never zero."""

    id: Annotated[str, Field(examples=["mini"])]
    """What events name as their ``price_id``."""
    vendor: Annotated[str, Field(examples=["anthropic"])] = "openai"
    """The vendor of its LLMs."""
    model: Annotated[str, Field(examples=["gpt-4o-mini*"])]
    """The model's name, exact or a glob."""
    aliases: Annotated[tuple[str, ...], Field(max_length=MAX_ALIASES, examples=[["mini-eu", "team-mini-*"]])] = ()
    """Further names of it, exact or globs, such as a deployment's."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["EUR"])] = "USD"
    """ISO 4217."""
    prompt: Annotated[Amount, Field(examples=["0.15"])]
    """Prompt tokens, for a million."""
    response: Annotated[Amount, Field(examples=["0.60"])]
    """Response tokens, for a million."""
    cache_read: Annotated[Amount | None, Field(examples=["0.075"])] = None
    """Prompt tokens read from the vendor's cache."""
    cache_write: Annotated[Amount | None, Field(examples=["0.1875"])] = None
    """What is written for five minutes."""
    cache_write_1h: Annotated[Amount | None, Field(examples=["0.30"])] = None
    """What is written for an hour."""
    audio_prompt: Annotated[Amount | None, Field(examples=["10"])] = None
    """Prompt tokens of sound."""
    audio_response: Annotated[Amount | None, Field(examples=["20"])] = None
    """Response tokens of sound."""
    image_prompt: Annotated[Amount | None, Field(examples=["0.15"])] = None
    """Prompt tokens of images."""
    image_response: Annotated[Amount | None, Field(examples=["30"])] = None
    """Response tokens of images."""
    per_request: Annotated[Amount, Field(examples=["0.005"])] = "0"
    """Of each request, beside its tokens."""
    per_tool_request: Annotated[Amount, Field(examples=["0.01"])] = "0"
    """Of each call of the vendor's own tools, such as a web search."""
    tiers: Annotated[tuple[PriceTierSettings, ...], Field(max_length=MAX_TIERS)] = ()
    """Other prices where the prompt is large."""
    batch_percent: Annotated[int, Field(ge=0, le=100)] = 100
    """What a batch pays of what its tokens cost."""
    valid_from: Annotated[Moment | None, Field(examples=["2026-11-01T00:00:00Z"])] = None
    """It holds from then on; by default since ever."""

    @field_validator("id")
    @classmethod
    def id_is_no_base_price(cls, value: str) -> str:
        """Events would not tell the two apart."""
        if value.startswith("base:"):
            message = f"{value[:200]!r} begins with base:, as the ids of the base table do; write another"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def tiers_differ(self) -> Self:
        """Of two for one size only chance would say which holds."""
        sizes = [tier.above_prompt_tokens for tier in self.tiers]
        if len(set(sizes)) != len(sizes):
            message = "tiers: two have the same above_prompt_tokens; remove one"
            raise ValueError(message)
        return self

    @property
    def starts(self) -> tuple[str, ...]:
        """What no two prices may have in common: each of its names, from when on."""
        at = (self.valid_from or _EPOCH).isoformat()
        return tuple(f"{self.vendor}/{name} from {at}" for name in (self.model, *self.aliases))


def price_of(row: PriceSettings, version: str) -> Price:
    """The price that a row of the file is, as the gateway charges by it."""
    prices: dict[str, Any] = {name: _nanos(getattr(row, name)) for name in CLASSES}
    prompt = parse_nanos(row.prompt)
    prices["cache_read"] = prompt if prices["cache_read"] is None else prices["cache_read"]
    prices["cache_write"] = prompt if prices["cache_write"] is None else prices["cache_write"]
    return Price(
        id=row.id,
        version=version,
        vendor=row.vendor,
        model=row.model,
        currency=row.currency,
        valid_from=micros_of(row.valid_from) if row.valid_from is not None else 0,
        request_nanos=parse_nanos(row.per_request),
        tool_request_nanos=parse_nanos(row.per_tool_request),
        tiers=tuple(_tier(prices, tier) for tier in row.tiers),
        batch_percent=row.batch_percent,
        aliases=row.aliases,
        **{f"{name}_nanos": nanos for name, nanos in prices.items()},
    )


def _tier(prices: dict[str, int | None], tier: PriceTierSettings) -> Tier:
    own = {name: nanos for name in CLASSES if (nanos := _nanos(getattr(tier, name))) is not None}
    return Tier(tier.above_prompt_tokens, tier_rates(prices, own))


def _nanos(amount: str | None) -> int | None:
    return None if amount is None else parse_nanos(amount)
