"""Rows of the reference's entities as values for the API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from gateway.control.api.fields import slug_of
from gateway.control.importing.models import whole_patterns
from gateway.control.importing.plan import Plan, Values
from gateway.control.importing.reading import Row
from sluice.clock import micros_of

MAX_RETRIES = 5
_LLM = ("name", "vendor", "endpoint", "default_model", "is_active", "max_tokens", "timeout_seconds", "rate_limit_rpm")
_LLM_OF_OURS = ("rate_limit_tpm", "budget_reset_day", "max_request_bytes", "max_response_bytes", "labels")
_APP = ("name", "description", "owner_email", "is_active", "budget_reset_day", "rate_limit_rpm")
_APP_OF_OURS = ("bodies", "time_zone", "budget_fail", "rate_limit_tpm", "max_concurrent")
_PLUGIN = ("name", "description", "command", "checksum", "is_active", "namespace")
_PLUGIN_OF_OURS = ("timeout_ms", "on_failure", "plugin_type")
_NOWHERE = {"auth_config": "its way to authenticate", "namespace": "its namespace"}


def llm_values(row: Row, plan: Plan) -> Values:
    """An LLM's, without its slug, its failover and its plugins."""
    what = f"LLM {row.get('name')}"
    values = _given(row, (*_LLM, *_LLM_OF_OURS))
    _money(row, values, what, plan)
    _retries(row, values, what, plan)
    patterns = listed(row.get("allowed_models"))
    if patterns and "managed_by" not in row:  # ours want the whole name already
        patterns, bad = whole_patterns([str(pattern) for pattern in patterns])
        for pattern in bad:
            plan.leave(what, f"its model pattern {pattern!r} is none here, and matches nothing; write another")
    if patterns:
        values["allowed_models"] = patterns
    _key(row, values, what, plan)
    _leave(row, what, plan)
    if row.get("auth_mechanism") not in (None, "", "token"):
        plan.leave(what, f"its auth_mechanism {row['auth_mechanism']!r}: tokens open LLMs here")
    return {**values, **_object(row, "metadata")}


def app_values(row: Row, plan: Plan) -> Values:
    """An app's, without its links."""
    what = f"app {row.get('name')}"
    values = _given(row, (*_APP, *_APP_OF_OURS))
    _money(row, values, what, plan)
    if row.get("user_id"):
        values["user_id"] = row["user_id"]
    if addresses := listed(row.get("allowed_ips")):
        values["allowed_ips"] = addresses
    if row.get("budget_start_date"):
        plan.leave(what, "its budget_start_date: periods begin on budget_reset_day")
    if row.get("plugin_resources_json"):
        plan.leave(what, "its plugin_resources_json: plugins have settings where they are attached")
    _leave(row, what, plan)
    return {**values, **_object(row, "metadata")}


def plugin_values(row: Row) -> Values:
    """A plugin's, without its slug."""
    values = _given(row, (*_PLUGIN, *_PLUGIN_OF_OURS))
    hooks = listed(row.get("hook_types")) or [hook for hook in (row.get("hook_type"),) if hook]
    return {**values, **({"hook_types": hooks} if hooks else {}), **_object(row, "config")}


_PRICES = (
    "cpt",
    "cpit",
    "cache_write_pt",
    "cache_read_pt",
    "cache_write_1h_pt",
    "audio_prompt_pt",
    "audio_response_pt",
    "image_prompt_pt",
    "image_response_pt",
    "request_price",
    "tool_request_price",
)
_PRICE_OF_OURS = ("valid_from", "batch_percent", "aliases", "tiers")


def price_values(row: Row) -> Values | None:
    """A price's, of one token, as exact text; ``None`` where they are no numbers.

    A cache price of 0 is left out: the reference bills cached tokens as prompt tokens, which the prompt's price is for.
    Prices of ours mean what they say, and begin when they say.
    """
    prices = {name: exact(row.get(name)) for name in _PRICES}
    if prices["cpt"] is None or prices["cpit"] is None:
        return None
    is_ours = "managed_by" in row
    nothing = (None,) if is_ours else (None, "0")
    values: Values = {name: found for name, found in prices.items() if name in {"cpt", "cpit"} or found not in nothing}
    if is_ours and row.get("batch_percent") == 0:  # batches are free, which is no default
        values["batch_percent"] = 0
    return {**values, **_given(row, ("currency", *(_PRICE_OF_OURS if is_ours else ())))}


def slug_in(row: Row) -> str:
    """Its slug, or one made of its name; empty where neither gives any."""
    slug = str(row.get("slug") or "")
    return slug if slug and slug == slug_of(slug) else slug_of(slug or str(row.get("name") or ""))


def exact(value: Any) -> str | None:
    """A number of zero or more as plain decimal text; ``None`` where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    try:
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    except InvalidOperation:
        return None
    if not number.is_finite() or number < 0 or abs(number.adjusted()) > 40:
        return None
    text = format(number, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def micros(value: Any) -> int | None:
    """A moment of RFC 3339 in micros of the epoch; ``None`` where there is none. Raises ValueError."""
    if not value:
        return None
    return micros_of(datetime.fromisoformat(str(value).upper()))


def listed(value: Any) -> list[Any]:
    """A list, or one that was written as JSON text; else nothing."""
    found = _parsed(value)
    return found if isinstance(found, list) else []


def _object(row: Row, name: str) -> Values:
    found = _parsed(row.get(name))
    return {name: plain(found)} if isinstance(found, dict) and found else {}


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None


def plain(value: Any) -> Any:
    """JSON values whose exact numbers are what JSON text holds."""
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return float(value) if isinstance(value, Decimal) else value


def _given(row: Row, names: tuple[str, ...]) -> Values:
    """What is there and says something: zero and empty are the defaults, of which ours are used."""
    kept = {name: plain(row[name]) for name in names if row.get(name) not in (None, "", 0, [], {})}
    return {**kept, **({"is_active": False} if row.get("is_active") is False else {})}


def _money(row: Row, values: Values, what: str, plan: Plan) -> None:
    amount = exact(row.get("monthly_budget", 0))
    if amount is None:
        plan.leave(what, f"its monthly_budget {row['monthly_budget']!r} is no amount")
    elif amount != "0":
        values["monthly_budget"] = amount


def _retries(row: Row, values: Values, what: str, plan: Plan) -> None:
    retries = row.get("retry_count")
    if isinstance(retries, int):
        values["retry_count"] = min(max(retries, 0), MAX_RETRIES)
        if retries > MAX_RETRIES:
            plan.leave(what, f"its retry_count of {retries}: {MAX_RETRIES} is the most")


def _key(row: Row, values: Values, what: str, plan: Plan) -> None:
    """An export never has the key itself."""
    source = row.get("api_key_source")
    if isinstance(source, str) and source.startswith("env:"):
        values["api_key"] = source
    elif row.get("api_key_encrypted") or source or "api_key_encrypted" in row:
        plan.leave(what, "its vendor key: no export shows it; set api_key (sluice admin llms update ID api_key=@FILE)")


def _leave(row: Row, what: str, plan: Plan) -> None:
    for name, text in _NOWHERE.items():
        if row.get(name):
            plan.leave(what, f"{text} ({name})")
