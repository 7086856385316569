"""What the API shows of entities, in clean snake_case. Keys, tokens and hashes are in none of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field

from gateway.control.api.config_secrets import shown_config
from gateway.control.entities import (
    AppEntity,
    Entity,
    LlmEntity,
    LlmLink,
    PluginEntity,
    PriceEntity,
    TokenEntity,
)
from sluice.clock import iso_micros
from sluice.money.nanos import NANOS_PER_UNIT, format_nanos

_TOKENS_PER_PRICE = 1_000_000
_PRICE_DIGITS = 15
PRICED = {
    "cpt": "response_nanos",
    "cpit": "prompt_nanos",
    "cache_write_pt": "cache_write_nanos",
    "cache_read_pt": "cache_read_nanos",
    "cache_write_1h_pt": "cache_write_1h_nanos",
    "audio_prompt_pt": "audio_prompt_nanos",
    "audio_response_pt": "audio_response_nanos",
    "image_prompt_pt": "image_prompt_nanos",
    "image_response_pt": "image_response_nanos",
}
"""What the API calls the price of a token of each class → the entity's field."""
Amount = Annotated[str, Field(examples=["12.5"], description="decimal text, exact")]
At = Annotated[str, Field(examples=["2026-11-01T00:00:00.000000Z"], description="RFC 3339, UTC")]


class View(BaseModel):
    """What an answer shows."""

    model_config = ConfigDict(frozen=True)


def at(micros: int) -> str:
    """A moment, as answers show it."""
    return iso_micros(micros)


def at_or_none(micros: int | None) -> str | None:
    """A moment that may not be."""
    return None if micros is None else iso_micros(micros)


def token_price(nanos_per_million: int) -> str:
    """The price of one token as decimal text, exactly: 600,000,000 nanos a million are ``0.0000006``."""
    whole, fraction = divmod(nanos_per_million, NANOS_PER_UNIT * _TOKENS_PER_PRICE)
    digits = f"{fraction:0{_PRICE_DIGITS}d}".rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)


class EntityView(View):
    """What every entity shows."""

    id: Annotated[int, Field(examples=[1])]
    managed_by: Annotated[str, Field(examples=["api"], description="api, or file: read-only here")]
    version: Annotated[int, Field(examples=[1], description="the ETag")]
    created_at: At
    updated_at: At


def _kept(entity: Entity) -> dict[str, Any]:
    return {
        "id": entity.id,
        "managed_by": entity.managed_by,
        "version": entity.version,
        "created_at": at(entity.created_at),
        "updated_at": at(entity.updated_at),
    }


def _same(entity: object, *names: str) -> dict[str, Any]:
    return {name: getattr(entity, name) for name in names}


class LlmView(EntityView):
    """A configured LLM."""

    slug: Annotated[str, Field(examples=["mock-gpt"])]
    name: Annotated[str, Field(examples=["Mock GPT"])]
    vendor: Annotated[str, Field(examples=["openai"])]
    endpoint: Annotated[str, Field(examples=["https://api.openai.com/v1"])]
    api_key_set: bool
    api_key_source: Annotated[str | None, Field(examples=["stored"], description="stored, env:NAME or file")]
    default_model: Annotated[str, Field(examples=["gpt-4o-mini"])]
    max_tokens: int
    timeout_seconds: float | None
    retry_count: int | None
    is_active: bool
    monthly_budget: Amount
    monthly_budget_nanos: int
    budget_reset_day: int
    rate_limit_rpm: int
    rate_limit_tpm: int
    max_request_bytes: int
    max_response_bytes: int
    allowed_models: list[str]
    failover_llm_ids: list[int]
    allowed_upstreams: Annotated[list[str], Field(description="base URLs that plugins may send its exchanges to")]
    labels: list[str]
    metadata: dict[str, Any]
    plugin_ids: Annotated[list[int], Field(description="in the order they act")]

    @classmethod
    def of(cls, llm: LlmEntity) -> Self:
        """The view of one."""
        return cls(
            **_kept(llm),
            **_same(llm, "slug", "name", "vendor", "endpoint", "default_model", "max_tokens", "timeout_seconds"),
            **_same(llm, "retry_count", "is_active", "monthly_budget_nanos", "budget_reset_day", "rate_limit_rpm"),
            **_same(llm, "rate_limit_tpm", "max_request_bytes", "max_response_bytes", "metadata"),
            api_key_set=bool(llm.api_key),
            api_key_source=key_source(llm.api_key),
            monthly_budget=format_nanos(llm.monthly_budget_nanos),
            allowed_models=list(llm.allowed_models),
            failover_llm_ids=list(llm.failover_llm_ids),
            allowed_upstreams=list(llm.allowed_upstreams),
            labels=list(llm.labels),
            plugin_ids=[attachment.plugin_id for attachment in llm.attachments],
        )


def key_source(api_key: str) -> str | None:
    """Where a vendor key comes from; never a part of it."""
    if not api_key:
        return None
    if api_key.startswith("env:"):
        return api_key
    return "file" if api_key.startswith("file:") else "stored"


class LinkView(View):
    """An LLM that an app may use."""

    llm_id: Annotated[int, Field(examples=[1])]
    monthly_budget: Amount
    monthly_budget_nanos: int

    @classmethod
    def of(cls, link: LlmLink) -> Self:
        """The view of one."""
        amount = format_nanos(link.monthly_budget_nanos)
        return cls(**_same(link, "llm_id", "monthly_budget_nanos"), monthly_budget=amount)


class AppView(EntityView):
    """A credentialed caller."""

    name: Annotated[str, Field(examples=["bench"])]
    description: str
    owner_email: Annotated[str, Field(examples=["dev@example.com"])]
    user_id: int | None
    is_active: bool
    bodies: Annotated[str, Field(examples=["full"], description="what is recorded of its bodies")]
    monthly_budget: Amount
    monthly_budget_nanos: int
    budget_reset_day: int
    time_zone: Annotated[str, Field(examples=["UTC"])]
    budget_fail: Annotated[str, Field(examples=["closed"])]
    rate_limit_rpm: int
    rate_limit_tpm: int
    max_concurrent: int
    allowed_ips: list[str]
    metadata: dict[str, Any]
    llm_ids: list[int]
    llms: list[LinkView]

    @classmethod
    def of(cls, app: AppEntity) -> Self:
        """The view of one."""
        return cls(
            **_kept(app),
            **_same(app, "name", "description", "owner_email", "user_id", "is_active", "bodies"),
            **_same(app, "monthly_budget_nanos", "budget_reset_day", "time_zone", "budget_fail"),
            **_same(app, "rate_limit_rpm", "rate_limit_tpm", "max_concurrent", "metadata"),
            monthly_budget=format_nanos(app.monthly_budget_nanos),
            allowed_ips=list(app.allowed_ips),
            llm_ids=[link.llm_id for link in app.llms],
            llms=[LinkView.of(link) for link in app.llms],
        )


class TokenView(EntityView):
    """A credential, without itself."""

    app_id: Annotated[int, Field(examples=[2])]
    name: Annotated[str, Field(examples=["ci"])]
    prefix: Annotated[str, Field(examples=["slc_4fQx"], description="the token's first characters")]
    scopes: Annotated[list[str], Field(examples=[["api"]])]
    is_active: bool
    expires_at: At | None
    last_used_at: At | None

    @classmethod
    def of(cls, token: TokenEntity) -> Self:
        """The view of one."""
        return cls(
            **_kept(token),
            **_same(token, "app_id", "name", "prefix", "is_active"),
            scopes=list(token.scopes),
            expires_at=at_or_none(token.expires_at),
            last_used_at=at_or_none(token.last_used_at),
        )


class NewTokenView(TokenView):
    """A credential as it is shown once."""

    token: Annotated[str | None, Field(description="shown this once; null where the answer is given again")]
    warning: str


class PriceTierView(View):
    """Prices that hold instead for all tokens of an exchange whose prompt is larger; of one token."""

    above_prompt_tokens: Annotated[int, Field(examples=[200_000])]
    cpt: str | None
    cpit: str | None
    cache_write_pt: str | None
    cache_read_pt: str | None
    cache_write_1h_pt: str | None
    audio_prompt_pt: str | None
    audio_response_pt: str | None
    image_prompt_pt: str | None
    image_response_pt: str | None

    @classmethod
    def of(cls, tier: dict[str, int]) -> Self:
        """The view of one; what it does not name is null."""
        return cls(above_prompt_tokens=tier["above_prompt_tokens"], **_prices(tier))


def _prices(nanos: Mapping[str, int | None]) -> dict[str, Any]:
    """As answers call them; ``None`` where a class has none of its own."""
    found = {shown: nanos.get(kept) for shown, kept in PRICED.items()}
    return {shown: None if price is None else token_price(price) for shown, price in found.items()}


class PriceView(EntityView):
    """What one model costs from some moment on; ``cpt`` and the like are of one token."""

    key: Annotated[str, Field(examples=["price-1"])]
    price_version: Annotated[str, Field(examples=["1"])]
    vendor: Annotated[str, Field(examples=["openai"])]
    model_name: Annotated[str, Field(examples=["gpt-4o-mini"])]
    currency: Annotated[str, Field(examples=["USD"])]
    cpt: Annotated[str, Field(examples=["0.0000006"], description="of a response token")]
    cpit: Annotated[str, Field(examples=["0.00000015"], description="of a prompt token")]
    cache_write_pt: str
    cache_read_pt: str
    cache_write_1h_pt: Annotated[str | None, Field(description="null is cache_write_pt")]
    audio_prompt_pt: Annotated[str | None, Field(description="null is cpit; so of images")]
    audio_response_pt: Annotated[str | None, Field(description="null is cpt; so of images")]
    image_prompt_pt: str | None
    image_response_pt: str | None
    request_price: Annotated[Amount, Field(description="of each request")]
    tool_request_price: Annotated[Amount, Field(description="of each call of the vendor's own tools")]
    tiers: list[PriceTierView]
    batch_percent: Annotated[int, Field(examples=[50], description="what a batch pays of what its tokens cost")]
    aliases: list[str]
    response_nanos_per_million: int
    prompt_nanos_per_million: int
    cache_write_nanos_per_million: int
    cache_read_nanos_per_million: int
    valid_from: At

    @classmethod
    def of(cls, price: PriceEntity) -> Self:
        """The view of one."""
        return cls(
            **_kept(price),
            **_same(price, "key", "price_version", "vendor", "model_name", "currency", "batch_percent"),
            **_prices({kept: getattr(price, kept) for kept in PRICED.values()}),
            request_price=format_nanos(price.request_nanos),
            tool_request_price=format_nanos(price.tool_request_nanos),
            tiers=[PriceTierView.of(tier) for tier in price.tiers],
            aliases=list(price.aliases),
            response_nanos_per_million=price.response_nanos,
            prompt_nanos_per_million=price.prompt_nanos,
            cache_write_nanos_per_million=price.cache_write_nanos,
            cache_read_nanos_per_million=price.cache_read_nanos,
            valid_from=at(price.valid_from),
        )


class PluginView(EntityView):
    """A registered plugin."""

    name: Annotated[str, Field(examples=["My Plugin"])]
    slug: Annotated[str, Field(examples=["my-plugin"])]
    description: str
    command: Annotated[str, Field(examples=["python://sluice.plugins.request_enricher:RequestEnricher"])]
    checksum: str
    plugin_type: Annotated[str, Field(examples=["gateway"])]
    hook_type: Annotated[str, Field(examples=["post_auth"], description="the first of hook_types, or empty")]
    hook_types: list[str]
    config: Annotated[dict[str, Any], Field(description="its secrets as ***, which keeps them where it is written")]
    is_active: bool
    timeout_ms: int
    on_failure: str | None
    namespace: str
    on_stream: Annotated[str, Field(examples=["buffer"], description="buffer, refuse or skip")]
    on_oversize: Annotated[str, Field(examples=["refuse"], description="refuse or skip")]
    max_concurrent: int
    breaker_failures: int
    breaker_pause_seconds: float
    service_scopes: Annotated[list[str], Field(examples=[["apps.read"]], description="what it may ask of the gateway")]
    hook_types_customized: bool
    token: Annotated[str, Field(examples=["env:PLUGIN_TOKEN"], description="where its token is found")]
    ca_file: str
    manifest: dict[str, Any] | None
    config_schema: dict[str, Any] | None
    validated_at: At | None

    @classmethod
    def of(cls, plugin: PluginEntity) -> Self:
        """The view of one."""
        return cls(**plugin_fields(plugin))


def plugin_fields(plugin: PluginEntity) -> dict[str, Any]:
    """The fields of a plugin's view."""
    return {
        **_kept(plugin),
        **_same(plugin, "name", "slug", "description", "command", "checksum", "plugin_type", "is_active"),
        **_same(plugin, "timeout_ms", "on_failure", "namespace", "on_stream", "on_oversize", "max_concurrent"),
        **_same(plugin, "breaker_failures", "breaker_pause_seconds", "hook_types_customized", "token", "ca_file"),
        **_same(plugin, "manifest", "config_schema"),
        "config": shown_config(plugin.config),
        "service_scopes": list(plugin.service_scopes),
        "validated_at": at_or_none(plugin.validated_at),
        "hook_type": plugin.hook_types[0] if plugin.hook_types else "",
        "hook_types": list(plugin.hook_types),
    }
