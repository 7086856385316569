"""LiteLLM's ``config.yaml`` as a plan: each deployment is an LLM, those of one name fail over to one another.

Its master key and what its database has (virtual keys, teams, their budgets) are no part of that file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.control.api.fields import slug_of
from gateway.control.importing.deployment import Deployment, read_deployment
from gateway.control.importing.entities import MAX_RETRIES
from gateway.control.importing.plan import Plan, PlannedLlm, PlannedPrice, free_name

_MAX_SLUG = 63
_LIKE_OPENAI = frozenset(("openai", "compatible", "mistral", "groq", "deepseek", "openrouter", "xai"))
"""Vendors that LiteLLM's clients, who speak OpenAI's dialect, can talk to as they are; to others through the bridge."""
_NOT_HERE = {
    "router_settings": {
        "model_group_alias": "other names for models: clients ask for an LLM by its slug",
        "routing_strategy": "how requests are spread: the first deployment gets all, the others stand by",
    },
    "litellm_settings": {
        "max_budget": "a budget for all together: budgets are of apps, of LLMs, and of apps on LLMs",
        "cache": "answers from a cache: write a plugin that answers",
    },
    "general_settings": {},
}
_KNOWN = {
    "router_settings": {"fallbacks", "default_fallbacks", "num_retries", "timeout"},
    "litellm_settings": {"fallbacks", "default_fallbacks", "num_retries", "request_timeout", "budget_duration"},
    "general_settings": {"master_key"},
}
_TOP = {"model_list", "environment_variables", "credential_list", *_KNOWN}


def plan_litellm(path: Path, document: Mapping[str, Any], variables: Mapping[str, str], plan: Plan) -> None:
    """Add what a ``config.yaml`` says; ``variables`` is the environment that it may refer to."""
    _Import(path, document, variables, plan).run()


@dataclass(slots=True)
class _Import:
    path: Path
    document: Mapping[str, Any]
    variables: Mapping[str, str]
    plan: Plan
    groups: dict[str, list[PlannedLlm]] = field(default_factory=dict)
    """``model_name`` → its LLMs, in order."""

    def run(self) -> None:
        credentials = self._credentials()
        entries = self.document.get("model_list")
        if entries is not None and not isinstance(entries, list):
            self.plan.leave("model_list", "it is no list of deployments")
        for at, entry in enumerate(_list(entries)):
            found = read_deployment(f"model_list[{at}]", entry, credentials, self.variables, self.plan)
            if found is not None:
                self._add(found)
        for name, llms in self.groups.items():
            self._stand_by(name, llms)
        for section in ("litellm_settings", "router_settings"):
            self._settings(_dict(self.document.get(section)))
        self.plan.shorten_failover()
        self._leave_the_rest()

    def _credentials(self) -> dict[str, Mapping[str, Any]]:
        found = {}
        for entry in _list(self.document.get("credential_list")):
            if isinstance(entry, Mapping):
                found[str(entry.get("credential_name"))] = _dict(entry.get("credential_values"))
        return found

    def _add(self, found: Deployment) -> None:
        name = found.group.replace("*", "").strip("/ -.") or "default"
        taken_names = [llm.values["name"] for llm in self.plan.llms]
        slug = free_name(slug_of(name) or "llm", [llm.slug for llm in self.plan.llms], _MAX_SLUG)
        values = {"name": free_name(found.group, taken_names), **found.values}
        llm = PlannedLlm(slug=slug, values=values)
        self.plan.llms.append(llm)
        self.groups.setdefault(found.group, []).append(llm)
        base = f"/llm/call/{slug}" if found.values["vendor"] in _LIKE_OPENAI else f"/ai/{slug}/v1"
        self.plan.note(f"clients of {found.group}: their base URL is {base}, their key an app's token")
        if found.model and found.model != found.group:
            reason = f"clients ask for the vendor's model {found.model!r}, or for none at all"
            self.plan.leave(f"model name {found.group!r}", reason)
        if found.price is not None:
            self._price(found.values["vendor"], found.model, found.price)

    def _price(self, vendor: str, model: str, values: dict[str, Any]) -> None:
        for known in self.plan.prices:
            if (known.vendor, known.model_name) == (vendor, model):
                if known.values != values:
                    self.plan.leave(f"price of {model}", "deployments have different prices; the first is kept")
                return
        self.plan.prices.append(PlannedPrice(vendor=vendor, model_name=model, values=values))

    def _stand_by(self, name: str, llms: Sequence[PlannedLlm]) -> None:
        first, *others = llms
        if others:
            first.failover += [other.slug for other in others]
            slugs = ", ".join(other.slug for other in others)
            reason = f"{first.slug} gets all requests, and {slugs} those where it gives no first byte"
            self.plan.leave(f"load balancing of {name!r}", reason)

    def _settings(self, settings: Mapping[str, Any]) -> None:
        for entry in _list(settings.get("fallbacks")):
            for name, others in _dict(entry).items():
                self._fall_back(str(name), _list(others))
        for name in list(self.groups) if settings.get("default_fallbacks") else ():
            self._fall_back(name, _list(settings.get("default_fallbacks")))
        retries, timeout = settings.get("num_retries"), settings.get("request_timeout", settings.get("timeout"))
        for llm in self._made():
            if isinstance(retries, int) and not isinstance(retries, bool):
                llm.values.setdefault("retry_count", min(max(retries, 0), MAX_RETRIES))
            if isinstance(timeout, int | float) and not isinstance(timeout, bool) and timeout > 0:
                llm.values.setdefault("timeout_seconds", timeout)
        if isinstance(retries, int) and retries > MAX_RETRIES:
            self.plan.leave(f"num_retries of {retries}", f"{MAX_RETRIES} is the most")

    def _fall_back(self, name: str, others: Sequence[Any]) -> None:
        for llm in self.groups.get(name, [])[:1]:
            for other in others:
                targets = [found.slug for found in self.groups.get(str(other), [])]
                if not targets:
                    self.plan.leave(f"fallback of {name!r}", f"to {str(other)[:80]!r}, which is not carried over")
                llm.failover += [slug for slug in targets if slug not in (llm.slug, *llm.failover)]
        if name not in self.groups:
            self.plan.leave(f"fallback of {name!r}", "it is not carried over itself")

    def _made(self) -> list[PlannedLlm]:
        return [llm for llms in self.groups.values() for llm in llms]

    def _leave_the_rest(self) -> None:
        for section, known in _KNOWN.items():
            for key, value in _dict(self.document.get(section)).items():
                if key not in known and value not in (None, False, [], {}, ""):
                    self.plan.leave(f"{section}.{key}", _NOT_HERE[section].get(key, "there is nothing like it here"))
        for key in self.document:
            if key not in _TOP:
                self.plan.leave(str(key), "there is nothing like it here")
        if _dict(self.document.get("general_settings")).get("master_key"):
            self.plan.note("general_settings.master_key: this gateway has its own admin token")
        if self.document.get("environment_variables"):
            self.plan.leave("environment_variables", "set them where this gateway runs")
        if self.groups:
            self.plan.note("nobody may use these LLMs yet: make an app, link it to them, make it a token")


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
