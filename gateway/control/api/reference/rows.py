"""Entities as the reference shows them: its capitalisation differs from resource to resource, and so does ours.

Secrets are in none of them: a vendor key and a token are always ``""``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gateway.control.api.config_secrets import shown_config
from gateway.control.api.views import at, at_or_none
from sluice.money.nanos import NANOS_PER_UNIT

if TYPE_CHECKING:
    from gateway.control.api.renderer import NewToken
    from gateway.control.entities import AppEntity, Entity, LlmEntity, PluginEntity, PriceEntity, TokenEntity
    from gateway.settings import UpstreamSettings

Row = dict[str, Any]
_TOKENS_PER_PRICE = 1_000_000
_USUAL_TOKENS = 4096
"""Shown for an LLM without a maximum of its own; scripts know this one."""


def llm_row(llm: LlmEntity, upstream: UpstreamSettings) -> Row:
    """An LLM without its relations; a time or a count of its own that it has not is the gateway's."""
    timeout = upstream.first_byte_timeout_seconds if llm.timeout_seconds is None else llm.timeout_seconds
    return {
        **_model(llm),
        "name": llm.name,
        "slug": llm.slug,
        "vendor": llm.vendor,
        "endpoint": llm.endpoint,
        "api_key_encrypted": "",
        "default_model": llm.default_model,
        "max_tokens": llm.max_tokens or _USUAL_TOKENS,
        "timeout_seconds": number(timeout),
        "retry_count": upstream.retries if llm.retry_count is None else llm.retry_count,
        "is_active": llm.is_active,
        "monthly_budget": amount(llm.monthly_budget_nanos),
        "rate_limit_rpm": llm.rate_limit_rpm,
        "metadata": llm.metadata or None,
        "allowed_models": list(llm.allowed_models) or None,
        "auth_mechanism": "token",
        "auth_config": None,
        "namespace": "",
        **dict.fromkeys(("Apps", "Filters", "Plugins", "Usage", "Events")),
    }


def app_row(app: AppEntity) -> Row:
    """An app without its relations."""
    relations = ("Credentials", "Tokens", "LLMs", "Tools", "Datasources", "BudgetUsage", "Events")
    return {
        **_model(app),
        "name": app.name,
        "description": app.description,
        "owner_email": app.owner_email,
        "user_id": app.user_id or 0,
        "is_active": app.is_active,
        "monthly_budget": amount(app.monthly_budget_nanos),
        "budget_start_date": None,
        "budget_reset_day": app.budget_reset_day,
        "rate_limit_rpm": app.rate_limit_rpm,
        "allowed_ips": list(app.allowed_ips) or None,
        "metadata": app.metadata or None,
        "plugin_resources_json": None,
        "namespace": "",
        **dict.fromkeys(relations),
    }


def app_token_row(token: TokenEntity) -> Row:
    """A token inside its app."""
    return {
        **_model(token),
        "token": "",
        "name": token.name,
        "app_id": token.app_id,
        "scopes": list(token.scopes),
        "is_active": token.is_active,
        "expires_at": at_or_none(token.expires_at),
        "last_used_at": at_or_none(token.last_used_at),
        "namespace": "",
    }


def token_row(token: TokenEntity) -> Row:
    """A token by itself; times that it has not are left out."""
    row = {
        "id": token.id,
        "name": token.name,
        "app_id": token.app_id,
        "scopes": list(token.scopes),
        "is_active": token.is_active,
        "expires_at": at_or_none(token.expires_at),
        "created_at": at(token.created_at),
        "last_used": at_or_none(token.last_used_at),
    }
    return {name: value for name, value in row.items() if value is not None}


def new_token_row(new: NewToken) -> Row:
    """A token as it is shown once; empty where its answer is given again."""
    row = {
        "token": new.secret or "",
        "name": new.token.name,
        "app_id": new.token.app_id,
        "scopes": list(new.token.scopes),
        "expires_at": at_or_none(new.token.expires_at),
        "created_at": at(new.token.created_at),
    }
    return {name: value for name, value in row.items() if value is not None}


def price_row(price: PriceEntity) -> Row:
    """A price of one token."""
    return {
        "ID": price.id,
        "CreatedAt": at(price.created_at),
        "ModelName": price.model_name,
        "Vendor": price.vendor,
        "CPT": _token_price(price.response_nanos),
        "CPIT": _token_price(price.prompt_nanos),
        "CacheWritePT": _token_price(price.cache_write_nanos),
        "CacheReadPT": _token_price(price.cache_read_nanos),
        "Currency": price.currency,
        "Namespace": "",
    }


def plugin_row(plugin: PluginEntity) -> Row:
    """A plugin; of several hooks the first is ``hook_type``."""
    several = len(plugin.hook_types) > 1
    return {
        "id": plugin.id,
        "name": plugin.name,
        "description": plugin.description,
        "command": plugin.command,
        "checksum": plugin.checksum,
        "config": shown_config(plugin.config),
        "hook_type": hook_type(plugin.hook_types),
        "hook_types": list(plugin.hook_types) if several else None,
        "hook_types_customized": several,
        "is_active": plugin.is_active,
        "service_scopes": list(plugin.service_scopes) or None,
        "created_at": at(plugin.created_at),
        "updated_at": at(plugin.updated_at),
        "deleted_at": None,
        "namespace": plugin.namespace,
    }


def hook_type(hook_types: Sequence[str]) -> str:
    """The one hook that the reference names."""
    return hook_types[0] if hook_types else ""


def amount(nanos: int) -> int | float:
    """An amount as a JSON number, the nearest to it; a whole one has no point."""
    return number(nanos / NANOS_PER_UNIT)


def number(value: float) -> int | float:
    """Whole numbers without a point."""
    return int(value) if value == int(value) else value


def _token_price(nanos_per_million: int) -> int | float:
    return number(nanos_per_million / (NANOS_PER_UNIT * _TOKENS_PER_PRICE))


def _model(entity: Entity) -> Row:
    return {
        "ID": entity.id,
        "CreatedAt": at(entity.created_at),
        "UpdatedAt": at(entity.updated_at),
        "DeletedAt": None,
    }
