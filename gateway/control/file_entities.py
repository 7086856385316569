"""The entities of ``sluice.yaml``: as values, and as what the control database is told of a file that changed."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gateway.control.entities import (
    AppEntity,
    Attachment,
    Entities,
    LlmEntity,
    LlmLink,
    PluginEntity,
    PriceEntity,
    TokenEntity,
)
from sluice.clock import micros_of
from sluice.money.nanos import parse_nanos
from sluice.money.rates import CLASSES

if TYPE_CHECKING:
    from gateway.control.store import ControlStore
    from gateway.entity_settings import (
        AppSettings,
        AttachmentSettings,
        LlmSettings,
        TokenSettings,
    )
    from gateway.settings import Settings
    from sluice.money.price_settings import PriceSettings, PriceTierSettings
    from sluice.plugin_host.registration import PluginRegistration

ENTITY_SECTIONS = ("llms", "apps", "tokens", "price_version", "prices", "plugins")
"""What of the file takes effect without a restart."""


def entities_of(settings: Settings) -> Entities:
    """What the file says. Its tokens and prices have no ids: numbers below zero tell them apart until they have."""
    llm_ids = {llm.slug: llm.id for llm in settings.llms}
    plugin_ids = {plugin.name: plugin.id for plugin in settings.plugins}
    llms = [_llm(llm, llm_ids, plugin_ids) for llm in settings.llms]
    apps = [_app(app, llm_ids) for app in settings.apps]
    return Entities(
        llms={llm.id: llm for llm in llms},
        apps={app.id: app for app in apps},
        tokens={-at: _token(-at, token) for at, token in enumerate(settings.tokens, 1)},
        prices={-at: _price(-at, price, settings.price_version) for at, price in enumerate(settings.prices, 1)},
        plugins={plugin.id: _plugin(plugin) for plugin in settings.plugins},
    )


def file_sha256(entities: Entities) -> str:
    """Of what the file's entities are, whatever else stands in it: equal where nothing is to be done."""
    kinds = (entities.llms, entities.apps, entities.tokens, entities.prices, entities.plugins)
    rows = [[asdict(entity) for entity in kind.values()] for kind in kinds]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


async def apply_settings(store: ControlStore, settings: Settings) -> bool:
    """Write the file's entities to the database; whether there was anything to do. Raises ControlError."""
    entities = await asyncio.to_thread(entities_of, settings)  # of 100,000 it takes seconds, and exchanges go on
    return await store.apply_file(entities, await asyncio.to_thread(file_sha256, entities))


def _llm(llm: LlmSettings, llm_ids: dict[str, int], plugin_ids: dict[str, int]) -> LlmEntity:
    return LlmEntity(
        id=llm.id,
        managed_by="file",
        slug=llm.slug,
        name=llm.name or llm.slug,
        vendor=llm.vendor,
        endpoint=llm.base_url,
        api_key=llm.api_key.get_secret_value(),
        default_model=llm.default_model,
        max_tokens=llm.max_tokens or 0,
        timeout_seconds=llm.timeout_seconds,
        retry_count=llm.retry_count,
        is_active=llm.is_active,
        monthly_budget_nanos=parse_nanos(llm.monthly_budget),
        budget_reset_day=llm.budget_reset_day,
        rate_limit_rpm=llm.rate_limit_rpm,
        rate_limit_tpm=llm.rate_limit_tpm,
        max_request_bytes=llm.max_request_bytes or 0,
        max_response_bytes=llm.max_response_bytes or 0,
        allowed_models=llm.allowed_models,
        failover_llm_ids=tuple(llm_ids[slug] for slug in llm.failover),
        allowed_upstreams=llm.allowed_upstreams,
        labels=llm.labels,
        attachments=tuple(_attachment(each, plugin_ids) for each in llm.plugins),
    )


def _attachment(attached: AttachmentSettings, plugin_ids: dict[str, int]) -> Attachment:
    return Attachment(
        plugin_id=plugin_ids[attached.plugin],
        is_active=attached.is_active,
        config=attached.config,
        app_id=attached.app,
        on_stream=attached.on_stream,
    )


def _app(app: AppSettings, llm_ids: dict[str, int]) -> AppEntity:
    links = dict.fromkeys(app.llms)  # named twice is linked once
    return AppEntity(
        id=app.id,
        managed_by="file",
        name=app.name,
        user_id=app.user_id,
        is_active=app.is_active,
        bodies=app.bodies,
        monthly_budget_nanos=parse_nanos(app.monthly_budget),
        budget_reset_day=app.budget_reset_day,
        time_zone=app.time_zone,
        budget_fail=app.budget_fail,
        rate_limit_rpm=app.rate_limit_rpm,
        rate_limit_tpm=app.rate_limit_tpm,
        max_concurrent=app.max_concurrent,
        allowed_ips=app.allowed_ips,
        llms=tuple(
            LlmLink(llm_id=llm_ids[slug], monthly_budget_nanos=parse_nanos(app.llm_budgets.get(slug, "0")))
            for slug in links
        ),
    )


def _token(token_id: int, token: TokenSettings) -> TokenEntity:
    return TokenEntity(
        id=token_id,
        managed_by="file",
        app_id=token.app,
        name=token.name,
        prefix=token.prefix,
        sha256=token.sha256,
        scopes=token.scopes,
        expires_at=_micros(token.expires_at),
    )


def _price(price_id: int, price: PriceSettings, version: str) -> PriceEntity:
    return PriceEntity(
        id=price_id,
        managed_by="file",
        key=price.id,
        price_version=version,
        vendor=price.vendor,
        model_name=price.model,
        currency=price.currency,
        prompt_nanos=parse_nanos(price.prompt),
        response_nanos=parse_nanos(price.response),
        cache_read_nanos=parse_nanos(price.cache_read if price.cache_read is not None else price.prompt),
        cache_write_nanos=parse_nanos(price.cache_write if price.cache_write is not None else price.prompt),
        valid_from=_micros(price.valid_from) or 0,
        cache_write_1h_nanos=_nanos(price.cache_write_1h),
        audio_prompt_nanos=_nanos(price.audio_prompt),
        audio_response_nanos=_nanos(price.audio_response),
        image_prompt_nanos=_nanos(price.image_prompt),
        image_response_nanos=_nanos(price.image_response),
        request_nanos=parse_nanos(price.per_request),
        tool_request_nanos=parse_nanos(price.per_tool_request),
        tiers=tuple(_tier(tier) for tier in price.tiers),
        batch_percent=price.batch_percent,
        aliases=price.aliases,
    )


def _tier(tier: PriceTierSettings) -> dict[str, int]:
    given = {f"{name}_nanos": _nanos(getattr(tier, name)) for name in CLASSES}
    priced = {name: nanos for name, nanos in given.items() if nanos is not None}
    return {"above_prompt_tokens": tier.above_prompt_tokens, **priced}


def _nanos(amount: str | None) -> int | None:
    return None if amount is None else parse_nanos(amount)


def _plugin(plugin: PluginRegistration) -> PluginEntity:
    config: dict[str, Any] = dict(plugin.config)
    return PluginEntity(
        id=plugin.id,
        managed_by="file",
        name=plugin.name,
        slug=plugin.name,
        command=plugin.command,
        checksum=plugin.checksum,
        hook_types=plugin.hook_types,
        config=config,
        timeout_ms=plugin.timeout_ms,
        on_failure=plugin.on_failure,
        on_stream=plugin.on_stream,
        on_oversize=plugin.on_oversize,
        max_concurrent=plugin.max_concurrent,
        breaker_failures=plugin.breaker_failures,
        breaker_pause_seconds=plugin.breaker_pause_seconds,
        service_scopes=plugin.service_scopes,
        hook_types_customized=bool(plugin.hook_types),
        token=plugin.token,
        ca_file=plugin.ca_file,
    )


def _micros(at: datetime | None) -> int | None:
    return None if at is None else micros_of(at)
