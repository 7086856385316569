"""One entry of LiteLLM's ``model_list``: a deployment of a model at a vendor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gateway.control.importing.entities import MAX_RETRIES, exact
from gateway.control.importing.models import glob_pattern
from gateway.control.importing.plan import Plan, Values
from gateway.control.importing.providers import PLACE_PARAMS, Unplaced, key_of, place_of

_KNOWN = frozenset((
    "model", "api_base", "api_version", "base_url", "api_key", "rpm", "tpm", "timeout", "stream_timeout", "num_retries",
    "max_retries", "max_budget", "budget_duration", "litellm_credential_name", "custom_llm_provider", *PLACE_PARAMS,
))  # fmt: skip
_MONTHS = frozenset(("30d", "31d", "1mo"))
_COSTS = {
    "output_cost_per_token": "cpt",
    "input_cost_per_token": "cpit",
    "cache_creation_input_token_cost": "cache_write_pt",
    "cache_read_input_token_cost": "cache_read_pt",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h_pt",
    "input_cost_per_audio_token": "audio_prompt_pt",
    "output_cost_per_audio_token": "audio_response_pt",
    "input_cost_per_image_token": "image_prompt_pt",
    "output_cost_per_image_token": "image_response_pt",
}
_BATCH_COSTS = {"input_cost_per_token_batches": "cpit", "output_cost_per_token_batches": "cpt"}
_TIERS = {"above_128k_tokens": 128_000, "above_200k_tokens": 200_000, "above_272k_tokens": 272_000}
"""How a cost's name ends that holds for large prompts → the tokens that these are above."""
_TIER_COSTS = {f"{name}_{ending}": (size, kept) for ending, size in _TIERS.items() for name, kept in _COSTS.items()}
_PRICED = frozenset((*_COSTS, *_BATCH_COSTS, *_TIER_COSTS))
_ACTING = ("supported_environments", "access_groups")
"""What of ``model_info`` does something; the rest describes."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """What of it is carried over."""

    group: str
    """The ``model_name`` that clients ask for."""
    model: str
    """The vendor's; empty where it is any."""
    values: Values
    price: Values | None


def read_deployment(
    where: str,
    entry: Any,
    credentials: Mapping[str, Mapping[str, Any]],
    variables: Mapping[str, str],
    plan: Plan,
) -> Deployment | None:
    """The deployment; ``None`` where it cannot be carried over, which the plan says."""
    params = entry.get("litellm_params") if isinstance(entry, Mapping) else None
    group = entry.get("model_name") if isinstance(entry, Mapping) else None
    if not isinstance(params, Mapping) or not isinstance(group, str) or not isinstance(params.get("model"), str):
        plan.leave(where, "has no model_name and no litellm_params.model")
        return None
    params = {**credentials.get(str(params.get("litellm_credential_name")), {}), **params}
    what = f"deployment {params['model']} of {group}"
    try:
        place = place_of(params, variables)
    except Unplaced as error:
        plan.leave(what, str(error))
        return None
    model = place.model
    info = entry.get("model_info")
    info = info if isinstance(info, Mapping) else {}
    values = {"vendor": place.vendor, "endpoint": place.endpoint, **key_of(what, params, place, plan)}
    values |= {**_limits(what, params, plan), **_models(model)}
    _leave(what, params, info, plan)
    is_one = "*" not in model
    return Deployment(
        group, model if is_one else "", values, _price(what, {**info, **params}, plan) if is_one else None
    )


def _limits(what: str, params: Mapping[str, Any], plan: Plan) -> Values:
    values: Values = {}
    for name, kept in (("rpm", "rate_limit_rpm"), ("tpm", "rate_limit_tpm")):
        if isinstance(params.get(name), int) and params[name] > 0:
            values[kept] = params[name]
    timeout = params.get("timeout")
    if isinstance(timeout, int | float) and timeout > 0:
        values["timeout_seconds"] = timeout
    retries = params.get("num_retries", params.get("max_retries"))
    if isinstance(retries, int):
        values["retry_count"] = min(max(retries, 0), MAX_RETRIES)
        if retries > MAX_RETRIES:
            plan.leave(what, f"its {retries} retries: {MAX_RETRIES} are the most")
    return {**values, **_budget(what, params, plan)}


def _budget(what: str, params: Mapping[str, Any], plan: Plan) -> Values:
    """A budget of a month; others have no period here."""
    amount, duration = params.get("max_budget"), params.get("budget_duration")
    if amount is None:
        return {}
    text = exact(amount)
    if text is None or str(duration) not in _MONTHS:
        plan.leave(what, f"its max_budget of {amount} for {duration or 'ever'}: budgets are of a month")
        return {}
    plan.note(f"{what}: its budget of {duration} is of a calendar month here")
    return {"monthly_budget": text}


def _models(model: str) -> Values:
    """Only the models that the file names may be asked for, as before."""
    if model == "*":
        return {}
    allowed = {"allowed_models": [glob_pattern(model)]}
    return allowed if "*" in model else {**allowed, "default_model": model}


def _price(what: str, costs: Mapping[str, Any], plan: Plan) -> Values | None:
    given = {kept: exact(costs[name]) for name, kept in _COSTS.items() if costs.get(name) is not None}
    if not given:
        return None
    if given.get("cpt") is None or given.get("cpit") is None or None in given.values():
        plan.leave(what, "its price: it needs an input_cost_per_token and an output_cost_per_token that are numbers")
        return None
    return {**given, **_tiers(what, costs, plan), **_batch(what, costs, given, plan)}


def _tiers(what: str, costs: Mapping[str, Any], plan: Plan) -> Values:
    tiers: dict[int, Values] = {}
    for name, (size, kept) in _TIER_COSTS.items():
        if costs.get(name) is None:
            continue
        price = exact(costs[name])
        if price is None:
            plan.leave(what, f"its {name}, which is no number")
        else:
            tiers.setdefault(size, {"above_prompt_tokens": size})[kept] = price
    return {"tiers": list(tiers.values())} if tiers else {}


def _batch(what: str, costs: Mapping[str, Any], given: Mapping[str, Any], plan: Plan) -> Values:
    """A percentage, where both prices are the same one of what others pay."""
    named = {kept: exact(costs[name]) for name, kept in _BATCH_COSTS.items() if costs.get(name) is not None}
    if not named:
        return {}
    percents = {
        Decimal(price) * 100 / Decimal(given[kept]) if price is not None and Decimal(given[kept]) else None
        for kept, price in named.items()
    }
    percent = percents.pop() if len(percents) == 1 and len(named) == len(_BATCH_COSTS) else None
    if percent is None or percent != int(percent) or not 0 <= percent <= 100:
        plan.leave(what, "its prices of batches: they are no whole percentage of the others")
        return {}
    return {"batch_percent": int(percent)}


def _leave(what: str, params: Mapping[str, Any], info: Mapping[str, Any], plan: Plan) -> None:
    for name, value in params.items():
        if name not in _KNOWN and name not in _PRICED and value is not None:
            plan.leave(what, f"its {name}: requests go out as clients write them, with the LLM's key")
    if params.get("api_version") is not None:
        plan.leave(what, "its api_version: clients send it themselves (?api-version=…)")
    if params.get("stream_timeout") is not None:
        plan.leave(what, "its stream_timeout: timeout_seconds is of the first byte, streamed or not")
    for name in _ACTING:
        if info.get(name):
            plan.leave(what, f"its model_info.{name}")
