"""One entry of LiteLLM's ``model_list``: a deployment of a model at a vendor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gateway.control.importing.entities import MAX_RETRIES, exact
from gateway.control.importing.models import glob_pattern
from gateway.control.importing.plan import Plan, Values

OPENAI_URL = "https://api.openai.com/v1"
OPENAI_KEY = "env:OPENAI_API_KEY"
"""Where LiteLLM looks for a key that the file does not give."""

_OPENAI = frozenset(("openai", "text-completion-openai", "custom_openai", "openai_like"))
_COMPATIBLE = frozenset(("hosted_vllm", "vllm", "lm_studio", "llamafile", "xinference", "infinity", "litellm_proxy"))
"""Servers that speak OpenAI's dialect at the ``api_base`` that they are given."""
_OPENAI_MODELS = ("gpt-", "chatgpt-", "o1", "o3", "o4", "text-embedding-", "ft:gpt-", "davinci-", "babbage-")
_ENVIRONMENT = "os.environ/"
_KNOWN = frozenset((
    "model", "api_base", "base_url", "api_key", "rpm", "tpm", "timeout", "stream_timeout", "num_retries", "max_retries",
    "max_budget", "budget_duration", "litellm_credential_name", "custom_llm_provider",
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
    found = _place(what, params, variables, plan)
    if found is None:
        return None
    model, endpoint = found
    info = entry.get("model_info")
    info = info if isinstance(info, Mapping) else {}
    values = {"vendor": "openai", "endpoint": endpoint, **_key(what, params, plan), **_limits(what, params, plan)}
    values |= _models(model)
    _leave(what, params, info, plan)
    is_one = "*" not in model
    return Deployment(
        group, model if is_one else "", values, _price(what, {**info, **params}, plan) if is_one else None
    )


def _place(what: str, params: Mapping[str, Any], variables: Mapping[str, str], plan: Plan) -> tuple[str, str] | None:
    """The vendor's model and the endpoint, where its vendor is one that this gateway speaks with."""
    base = _resolved(what, "api_base", params.get("api_base") or params.get("base_url"), variables, plan)
    if base is None:
        return None
    provider, model = _provider(params, has_base=bool(base))
    if provider in _OPENAI or (provider in _COMPATIBLE and base):
        return model, base or OPENAI_URL
    if provider in _COMPATIBLE:
        plan.leave(what, "has no api_base; write one")
    else:
        plan.leave(what, f"its vendor {provider or 'is not named, and'} is not in this version; known: openai")
    return None


def _provider(params: Mapping[str, Any], *, has_base: bool) -> tuple[str, str]:
    named, model = params.get("custom_llm_provider"), str(params["model"])
    prefix, found, rest = model.partition("/")
    known = prefix in _OPENAI or prefix in _COMPATIBLE
    if isinstance(named, str) and named:
        return named, rest if found and prefix == named else model
    if found and known:
        return prefix, rest
    if found and not has_base:
        return prefix, rest
    if has_base and not found:
        return "openai", model
    return ("openai" if model.startswith(_OPENAI_MODELS) else prefix if found else ""), model


def _resolved(what: str, key: str, value: Any, variables: Mapping[str, str], plan: Plan) -> str | None:
    """A text, or what the environment has under the name that it gives; ``None`` where that is not set."""
    text = "" if value is None else str(value)
    if not text.startswith(_ENVIRONMENT):
        return text
    name = text.removeprefix(_ENVIRONMENT)
    if not variables.get(name):
        plan.leave(what, f"its {key} is in the environment variable {name}, which is not set here; set it to import")
        return None
    return variables[name]


def _key(what: str, params: Mapping[str, Any], plan: Plan) -> Values:
    key = params.get("api_key")
    if key is None:
        is_vendor = not (params.get("api_base") or params.get("base_url"))
        return {"api_key": OPENAI_KEY} if is_vendor else {}
    text = str(key)
    if text.startswith(_ENVIRONMENT):
        return {"api_key": f"env:{text.removeprefix(_ENVIRONMENT)}"}
    if text.startswith(("env:", "file:")):
        plan.leave(what, "its api_key begins like a place where a key is found; set it yourself")
        return {}
    return {} if text.lower() in {"", "none"} else {"api_key": text}


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
    if params.get("stream_timeout") is not None:
        plan.leave(what, "its stream_timeout: timeout_seconds is of the first byte, streamed or not")
    for name in _ACTING:
        if info.get(name):
            plan.leave(what, f"its model_info.{name}")
